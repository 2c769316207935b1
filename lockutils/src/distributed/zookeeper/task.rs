//! Work on the runtime of the engines.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::super::{Answer, Failure};

/// Does something there, and stops when the answer is dropped. What came of it by then is dropped with it.
pub(super) fn task<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Answer<T> {
    Box::pin(Task { handle: runtime.spawn(work), goes_on: false })
}

/// The same, but it goes on when the answer is dropped.
pub(super) fn lasting_task<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Answer<T> {
    Box::pin(Task { handle: runtime.spawn(work), goes_on: true })
}

struct Task<T> {
    handle: JoinHandle<Result<T, Failure>>,
    goes_on: bool,
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
        if !self.goes_on {
            self.handle.abort();
        }
    }
}
