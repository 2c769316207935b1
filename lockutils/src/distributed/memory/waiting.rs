//! One who waits for its turn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::Place;
use crate::distributed::{Failure, Grant, Lease};

/// Where it is put what came of a wait: the token and the lease.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<State>);

type Given = Result<(u64, Arc<Lease>), Failure>;

#[derive(Debug, Default)]
struct State {
    given: Option<Given>,
    waker: Option<Waker>,
}

impl Slot {
    /// Says whom to wake.
    #[must_use]
    pub(super) fn give(&self, given: Given) -> Option<Waker> {
        let mut state = self.0.lock();
        state.given = Some(given);
        state.waker.take()
    }
}

/// A wait. The place is given up when this is dropped, also if the lock has been granted and nobody has seen it.
pub(super) struct Waiting {
    pub(super) slot: Arc<Slot>,
    pub(super) place: Option<Place>,
}

impl Future for Waiting {
    type Output = Result<Grant, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.0.lock();
        let Some(given) = state.given.take() else {
            let before = state.waker.replace(context.waker().clone());
            drop(state);
            drop(before);
            return Poll::Pending;
        };
        drop(state);
        let place = self.place.take().expect("a wait ends once");
        Poll::Ready(given.map(|(token, lease)| place.granted(token, lease)))
    }
}
