//! Those who wait for their turn.

use std::sync::Arc;

use super::backoff::Backoff;
use super::client::Client;
use super::join::{Joined, join};
use super::moving::{Unsettled, is_settled, settle};
use super::place::Own;
use super::queue::{Queue, Standing};
use super::race::first;
use super::task::{failed, stopped};
use super::watcher::Watched;
use crate::distributed::{Failure, Grant, Lease, Loss, Request};

/// What a waiter has learnt.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Nobody is in its way any more.
    Ours,
    /// It has to look.
    Unknown,
    /// Its place is gone.
    Gone,
}

/// Waits until the lock is granted. May be dropped at any moment.
pub(super) async fn wait(client: Arc<Client>, request: Request, joined: Joined) -> Result<Grant, Failure> {
    let mut waiter = Waiter { client, request, backoff: Backoff::new() };
    let mut at = joined;
    loop {
        let turn = if at.queue.is_free() { Turn::Ours } else { stand(&mut at).await };
        let next = match turn {
            Turn::Ours => match waiter.take(at.own).await {
                Ok((own, lease)) => return Ok(own.granted(lease)),
                Err(Unsettled { own, failure }) => waiter.after(own, failure).await?,
            },
            Turn::Unknown => waiter.look(at.own).await?,
            Turn::Gone => None,
        };
        at = match next {
            Some(joined) => joined,
            None => waiter.join_anew().await?,
        };
    }
}

/// Until something has happened that counts.
async fn stand(at: &mut Joined) -> Turn {
    let place = Arc::clone(at.own.place());
    let (watcher, from) = (&place.client.watcher, at.revision + 1);
    let lost = async {
        place.session.lease.lost().await;
        Turn::Gone
    };
    if let Some(far) = at.queue.far() {
        let gone = watcher.watch(&[(&far.key, &[]), (&place.key, &[])], from);
        first(stand_far(gone, &place.key), lost).await
    } else {
        let gone = watcher.watch(&[(place.keys.first(), place.keys.end())], from);
        first(stand_near(gone, &place.key, &mut at.queue), lost).await
    }
}

/// Waits for one of those before, which is not the nearest.
async fn stand_far(mut watched: Watched, own: &[u8]) -> Turn {
    match watched.gone().await {
        Some(gone) if gone.iter().any(|key| key == own) => Turn::Gone,
        _ => Turn::Unknown,
    }
}

/// Follows all who leave this queue, in their order: so it knows that its turn has come while its own key is still there.
async fn stand_near(mut watched: Watched, own: &[u8], queue: &mut Queue) -> Turn {
    while let Some(gone) = watched.gone().await {
        if gone.iter().any(|key| key == own) {
            return Turn::Gone;
        }
        queue.remove(&gone);
        if queue.is_free() {
            return Turn::Ours;
        }
    }
    Turn::Unknown
}

struct Waiter {
    client: Arc<Client>,
    request: Request,
    backoff: Backoff,
}

impl Waiter {
    /// Takes the lock, since its turn has come.
    async fn take(&self, own: Own) -> Result<(Own, Arc<Lease>), Unsettled> {
        let settling = settle(own, self.request.clone());
        if is_settled(&self.request) {
            return settling.await;
        }
        // This wait may be dropped, but not what is being done.
        match self.client.net.runtime.spawn(settling).await {
            Ok(settled) => settled,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// It could not be taken. `None`: the place is lost.
    async fn after(&mut self, own: Own, failure: Failure) -> Result<Option<Joined>, Failure> {
        match failure {
            Failure::Lost(_) => Ok(None),
            failure if failure.may_pass() => self.look(own).await,
            failure => Err(failure),
        }
    }

    /// Looks at the queue, until there is an answer. `None`: the place is lost.
    async fn look(&mut self, own: Own) -> Result<Option<Joined>, Failure> {
        loop {
            self.backoff.wait().await;
            match own.place().look().await {
                Ok((Standing::At(queue), revision)) => {
                    self.backoff = Backoff::new();
                    return Ok(Some(Joined { own, queue, revision }));
                }
                Ok((Standing::Gone, _)) => return Ok(None),
                Err(_) if own.place().session.is_over() => return Ok(None),
                Err(failure) if failure.may_pass() => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Takes a place at the end of the queue, since the one before is lost.
    async fn join_anew(&mut self) -> Result<Joined, Failure> {
        loop {
            if self.client.is_closed() {
                return Err(Failure::Lost(Loss::Closed));
            }
            // This wait may be dropped, but not what is being done.
            let joining = self.client.net.runtime.spawn(join(Arc::clone(&self.client), self.request.clone()));
            match joining.await.unwrap_or_else(|error| Err(stopped(&error))) {
                Ok(Some(joined)) => return Ok(joined),
                Ok(None) => return Err(failed("it did not wait")),
                Err(Failure::Lost(_)) => {}
                Err(failure) if failure.may_pass() => {}
                Err(failure) => return Err(failure),
            }
            self.backoff.wait().await;
        }
    }
}
