//! Grants, and what tells their holders that somebody has removed their key.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::backoff::Backoff;
use super::place::{Own, Place};
use crate::distributed::{Failure, Grant, Lease, Loss};

/// What is let go before is not watched: that would be more work than the lock. Nothing is missed by that.
const SOON: Duration = Duration::from_millis(250);

impl Own {
    /// The lock is held.
    pub(super) fn granted(self, lease: Arc<Lease>) -> Grant {
        let place = self.place();
        let holding = place.client.spawn(Arc::clone(place).look_after(Arc::clone(&lease)));
        place.state.lock().holding = holding.map(|task| task.abort_handle());
        let token = u64::try_from(place.token()).unwrap_or(0);
        Grant::new(token, lease, self)
    }
}

impl Place {
    async fn look_after(self: Arc<Self>, lease: Arc<Lease>) {
        sleep(SOON).await;
        let (mut from, mut backoff) = (self.token() + 1, Backoff::new());
        loop {
            let mut watched = self.client.watcher.watch(&[(&self.key, &[])], from);
            if watched.gone().await.is_some() {
                return lease.lose(Loss::Removed);
            }
            drop(watched);
            backoff.wait().await;
            match self.is_mine().await {
                Ok((true, revision)) => from = revision + 1,
                Ok((false, _)) => return lease.lose(Loss::Removed),
                Err(failure) if failure.may_pass() => {}
                // It may not look any more. Its lease tells enough.
                Err(_) => return,
            }
        }
    }

    /// Whether the lock is still held; the lease knows it by then.
    pub(super) async fn verify(&self, lease: &Lease) -> Result<(), Failure> {
        if lease.is_lost() || !self.is_mine().await?.0 {
            lease.lose(Loss::Removed);
        }
        lease.loss().map_or(Ok(()), |loss| Err(Failure::Lost(loss)))
    }
}
