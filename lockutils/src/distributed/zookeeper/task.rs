//! Work on the runtime of the engines.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::super::background::{End, Work};
use super::super::{Answer, Failure};
use super::core::Core;

/// Does something there, and stops when the answer is dropped. What came of it by then is dropped with it.
pub(super) fn task<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Answer<T> {
    Box::pin(Task { handle: runtime.spawn(work), dropped: Dropped::Stops })
}

/// The same; what it gives back then is in the background of the client.
pub(super) fn waiting_task<T: Send + 'static>(
    core: &Arc<Core>,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<Answer<T>, Failure> {
    let (work, end) = Work::new(Box::pin(work));
    let dropped = Dropped::GivesBack(end, Arc::clone(core));
    Ok(Box::pin(Task { handle: core.runtime()?.spawn(work), dropped }))
}

/// The same, but it goes on when the answer is dropped.
pub(super) fn lasting_task<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Answer<T> {
    Box::pin(Task { handle: runtime.spawn(work), dropped: Dropped::GoesOn })
}

struct Task<T> {
    handle: JoinHandle<Result<T, Failure>>,
    dropped: Dropped,
}

/// What becomes of the work when nobody waits for the answer any more.
enum Dropped {
    GoesOn,
    Stops,
    GivesBack(End, Arc<Core>),
}

impl<T> Future for Task<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = Pin::new(&mut self.handle).poll(context);
        ended.map(|ended| ended.unwrap_or_else(|error| Err(Failure::other(error))))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        match &self.dropped {
            Dropped::GoesOn => {}
            Dropped::Stops => self.handle.abort(),
            Dropped::GivesBack(end, core) => {
                if core.is_here() {
                    end.come(&core.background);
                }
                self.handle.abort();
            }
        }
    }
}
