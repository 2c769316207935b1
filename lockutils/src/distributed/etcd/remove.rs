//! Giving a place up.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::backoff::Backoff;
use super::place::{End, Place};
use super::race::first;
use super::rpc::{Compare, DeleteRange, Put, RequestOp, Txn};
use crate::distributed::Failure;

/// No request arrives later than that.
const VOID_IS_KEPT: Duration = Duration::from_secs(300);

impl Place {
    /// The place is not wanted any more. Says whether there is a key to remove, the first time.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.state.lock();
        if let Some(holding) = state.holding.take() {
            holding.abort();
        }
        self.session.detach(self.number);
        self.client.detach(self.number);
        let is_first = state.end == End::NotYet;
        if is_first {
            state.end = End::Left;
        }
        is_first && state.is_put
    }

    /// Removes the key, and says whether it was there.
    pub(super) async fn remove(self: &Arc<Self>) -> Result<bool, Failure> {
        match self.remove_once().await {
            // Without the lease of the session the key cannot be made any more.
            Err(Failure::Lost(_)) if std::mem::take(&mut self.state.lock().is_doubtful) => {
                self.remove_once().await
            }
            removed => removed,
        }
    }

    async fn remove_once(self: &Arc<Self>) -> Result<bool, Failure> {
        let is_doubtful = self.state.lock().is_doubtful;
        let asked = self.client.net.ask(&self.removal(is_doubtful)).await;
        let mut state = self.state.lock();
        state.is_perhaps_removed |= asked.is_doubtful;
        match asked.answer {
            Ok(answer) => {
                self.client.revoke(std::mem::take(&mut state.leases));
                if is_doubtful {
                    self.client.spawn(Arc::clone(self).forget_void());
                }
                Ok(answer.succeeded || state.is_perhaps_removed)
            }
            Err(failure) => Err(failure),
        }
    }

    /// A key whose making is in doubt may be made after it was removed: so it is written down that it must not.
    fn removal(&self, is_doubtful: bool) -> Txn {
        let token = self.token();
        let is_there =
            if token > 0 { Compare::created(&self.key, token) } else { Compare::present(&self.key) };
        let delete = DeleteRange { key: self.key.clone(), range_end: Vec::new() };
        let void = Put { key: self.void(), lease: self.session.id, ..Put::default() };
        let void: Vec<RequestOp> = is_doubtful.then(|| void.into()).into_iter().collect();
        let success = void.iter().cloned().chain([delete.into()]).collect();
        Txn { compare: vec![is_there], success, failure: void }
    }

    /// The same until it is done, or the end of the session has done it.
    pub(super) async fn remove_for_sure(self: Arc<Self>) {
        let mut backoff = Backoff::new();
        while let Err(failure) = self.remove().await {
            let is_gone = self.session.is_over() && self.state.lock().apart.is_none();
            if is_gone || !failure.may_pass() {
                return;
            }
            backoff.wait().await;
        }
    }

    async fn forget_void(self: Arc<Self>) {
        let (net, session) = (Arc::clone(&self.client.net), Arc::clone(&self.session));
        let void = DeleteRange { key: self.void(), range_end: Vec::new() };
        // The client may go meanwhile.
        drop(self);
        let lost = async {
            session.lease.lost().await;
        };
        first(lost, sleep(VOID_IS_KEPT)).await;
        if !session.is_over() {
            let _ = net.ask(&void).await;
        }
    }
}
