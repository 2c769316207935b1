//! A place in the queue of a lock: one key.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::client::Client;
use super::key::{self, Keys};
use super::queue::{Standing, worth};
use super::rpc::{Compare, Put, Range};
use super::session::Session;
use crate::distributed::{Failure, Lease, Loss, Request, Share};

/// A place, whether or not its key is there yet, or still. Its name is never used again.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) client: Arc<Client>,
    pub(super) session: Arc<Session>,
    pub(super) number: u64,
    pub(super) keys: Keys,
    pub(super) share: Share,
    pub(super) key: Vec<u8>,
    pub(super) expires: Option<Duration>,
    identifier: Arc<str>,
    pub(super) state: Mutex<State>,
    /// Whoever moves the key to another lease has this.
    pub(super) moving: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The key may be there.
    pub(super) is_put: bool,
    /// A request that makes the key was not answered, and may still be done.
    pub(super) is_doubtful: bool,
    /// The revision at which the key was made; 0: not known.
    pub(super) token: i64,
    /// That at which it was changed last, as far as we know.
    pub(super) modified: i64,
    /// Leases that the key alone is or was attached to.
    pub(super) leases: Vec<i64>,
    /// What the lock depends on if that is, or may be, not the session.
    pub(super) apart: Option<Weak<Lease>>,
    pub(super) holding: Option<AbortHandle>,
    pub(super) end: End,
    /// A request that removes the key was not answered.
    pub(super) is_perhaps_removed: bool,
}

/// Whether it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    NotYet,
    /// Nobody wants it any more.
    Left,
    /// Its holder has let it go.
    Released,
}

/// Whoever has it has the place. When it is dropped, the place is given up in the background.
#[derive(Debug)]
pub(super) struct Own(Arc<Place>);

impl Own {
    pub(super) fn new(client: &Arc<Client>, session: Arc<Session>, request: &Request) -> Self {
        let number = client.number();
        let keys = Keys::of(&client.base, &request.name);
        let key = keys.contender(&key::place(session.id, number), request.share);
        Self(Arc::new(Place {
            client: Arc::clone(client),
            session,
            number,
            keys,
            share: request.share,
            key,
            expires: request.expires,
            identifier: Arc::clone(&request.identifier),
            state: Mutex::default(),
            moving: tokio::sync::Mutex::default(),
        }))
    }

    pub(super) fn place(&self) -> &Arc<Place> {
        &self.0
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.0.client.is_here() && self.0.leave() {
            self.0.client.give_back(Arc::clone(&self.0));
        }
    }
}

impl Place {
    /// The client is closed, and what it holds is lost. What was to stay does, and is nobody's from now on.
    pub(super) fn close(&self) {
        if self.expires.is_none() {
            self.leave();
        }
        let lease = self.state.lock().apart.as_ref().and_then(Weak::upgrade);
        if let Some(lease) = lease {
            lease.lose(Loss::Closed);
        }
    }

    /// What makes the key.
    pub(super) fn put(&self) -> Put {
        let value = self.identifier.as_bytes().to_vec();
        Put { key: self.key.clone(), value, lease: self.session.id, ignore_value: false }
    }

    /// What must be so when the key is made: it was neither made before nor given up for good.
    pub(super) fn is_new(&self) -> Vec<Compare> {
        vec![Compare::absent(&self.key), Compare::absent(&self.void())]
    }

    pub(super) fn void(&self) -> Vec<u8> {
        key::void(&self.client.base, &key::place(self.session.id, self.number))
    }

    /// The key is there: it was made at this revision.
    pub(super) fn is_there(&self, token: i64) {
        let mut state = self.state.lock();
        (state.token, state.modified) = (token, token);
    }

    pub(super) fn token(&self) -> i64 {
        self.state.lock().token
    }

    /// Who stands before it, and at which revision that was so.
    pub(super) async fn look(&self) -> Result<(Standing, i64), Failure> {
        let token = self.token();
        let range = Range { max_create_revision: token, ..self.others() };
        let answer = self.client.net.ask(&range).await.answer?;
        Ok((Standing::read(&self.keys, self.share, token, &answer.kvs), answer.revision()))
    }

    /// Those who contend, the newest first, as far as it is worth to know them.
    pub(super) fn others(&self) -> Range {
        let range = Range::all(self.keys.first(), self.keys.end()).newest_first();
        Range { keys_only: true, limit: worth(self.share), ..range }
    }

    /// Whether the key is there as it was made, and the revision at which that was so.
    pub(super) async fn is_mine(&self) -> Result<(bool, i64), Failure> {
        let range = Range { keys_only: true, ..Range::one(&self.key) };
        let answer = self.client.net.ask(&range).await.answer?;
        let token = self.token();
        Ok((answer.kvs.iter().any(|kv| kv.create_revision == token), answer.revision()))
    }
}
