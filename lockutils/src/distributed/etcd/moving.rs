//! What a lock depends on that is not kept alive, or not bound to the life of its holder: another lease than that of the
//! session, or none.
//!
//! The key is made with the lease of the session in any case, so that it does not stay when the process dies while it waits.

use std::sync::Arc;
use std::time::Duration;

use super::place::{End, Own, Place};
use super::rpc::{Compare, Put, Range, Txn};
use crate::distributed::{Failure, Lease, Loss, Moment, Request};

/// No lease.
const NONE: i64 = 0;

/// A place whose turn has come, but what it was to depend on could not be had.
pub(super) struct Unsettled {
    pub(super) own: Own,
    pub(super) failure: Failure,
}

/// What a granted lock depends on. It must not be dropped before it is ready, unless nothing is to be done for it.
pub(super) async fn settle(own: Own, request: Request) -> Result<(Own, Arc<Lease>), Unsettled> {
    let place = Arc::clone(own.place());
    let settled = match request.expires {
        Some(length) => place.expire(length).await,
        None if request.ephemeral => place.attach(),
        None => place.persist().await,
    };
    match settled {
        Ok(lease) => Ok((own, lease)),
        Err(failure) => Err(Unsettled { own, failure }),
    }
}

/// Whether that can be done without a request.
pub(super) fn is_settled(request: &Request) -> bool {
    request.expires.is_none() && request.ephemeral
}

impl Place {
    fn attach(&self) -> Result<Arc<Lease>, Failure> {
        self.session.attach(self.number).ok_or_else(|| self.lost())
    }

    fn lost(&self) -> Failure {
        Failure::Lost(self.session.lease.loss().unwrap_or(Loss::Removed))
    }

    async fn persist(self: &Arc<Self>) -> Result<Arc<Lease>, Failure> {
        let _moving = self.moving.lock().await;
        self.move_to(NONE).await?;
        self.keep_apart(Lease::endless())
    }

    fn keep_apart(self: &Arc<Self>, lease: Arc<Lease>) -> Result<Arc<Lease>, Failure> {
        self.state.lock().apart = Some(Arc::downgrade(&lease));
        if self.client.keep_apart(self) { Ok(lease) } else { Err(Failure::Lost(Loss::Closed)) }
    }

    async fn expire(self: &Arc<Self>, length: Duration) -> Result<Arc<Lease>, Failure> {
        let _moving = self.moving.lock().await;
        let sent = self.move_to_new(length).await?;
        let lease = Lease::for_a_time(sent, length);
        let place = Arc::downgrade(self);
        lease.on_loss(move |_| {
            if let Some(place) = place.upgrade().filter(|place| place.leave()) {
                let client = Arc::clone(&place.client);
                client.give_back(place);
            }
        });
        self.keep_apart(lease)
    }

    /// Lets a lock that expires last for this long from now on.
    pub(super) async fn extend(&self, lease: &Arc<Lease>, length: Duration) -> Result<(), Failure> {
        let _moving = self.moving.lock().await;
        let now = Moment::now();
        if now.after(length) < lease.end() {
            // It ends earlier from the moment on at which etcd knows, whether or not we hear of it.
            lease.reset(now, length);
        }
        let moved = self.move_to_new(length).await;
        let mut state = self.state.lock();
        if state.end != End::NotYet {
            // It has expired meanwhile: nobody else ends the new one.
            self.client.revoke(std::mem::take(&mut state.leases));
        }
        drop(state);
        lease.reset(moved?, length);
        lease.loss().map_or(Ok(()), |loss| Err(Failure::Lost(loss)))
    }

    /// Moves the key to a new lease of at least this long, and says when that was asked for.
    async fn move_to_new(&self, length: Duration) -> Result<Moment, Failure> {
        let (id, sent, _) = self.client.grant_lease(length).await?;
        self.state.lock().leases.push(id);
        self.move_to(id).await?;
        let mut state = self.state.lock();
        let others = state.leases.extract_if(.., |other| *other != id).collect();
        drop(state);
        // A request that would move the key to one of these comes too late: the key has changed since.
        self.client.revoke(others);
        Ok(sent)
    }

    /// Attaches the key to this lease, if nobody else has touched it.
    async fn move_to(&self, lease: i64) -> Result<(), Failure> {
        self.state.lock().apart.get_or_insert_default();
        loop {
            let (token, modified) = {
                let state = self.state.lock();
                (state.token, state.modified)
            };
            let mut answer = self.client.net.ask(&self.attachment(lease, token, modified)).await.answer?;
            let kv = answer.read(0).pop().filter(|kv| kv.create_revision == token);
            let kv = match kv {
                _ if answer.succeeded => None,
                Some(kv) => Some(kv),
                None => return Err(Failure::Lost(Loss::Removed)),
            };
            let mut state = self.state.lock();
            state.modified = kv.as_ref().map_or(answer.revision(), |kv| kv.mod_revision);
            // Or an earlier request of ours has done it, or another one.
            if kv.is_none_or(|kv| kv.lease == lease) {
                return Ok(());
            }
        }
    }

    fn attachment(&self, lease: i64, token: i64, modified: i64) -> Txn {
        let key = self.key.clone();
        Txn {
            compare: vec![Compare::created(&key, token), Compare::modified(&key, modified)],
            success: vec![Put { key: key.clone(), lease, ignore_value: true, ..Put::default() }.into()],
            failure: vec![Range { keys_only: true, ..Range::one(&key) }.into()],
        }
    }
}
