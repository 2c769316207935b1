//! Answers that come from the thread of the engines.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle};

use super::client::Client;
use crate::distributed::background::{Background, End, Work};
use crate::distributed::{Answer, Failure};
use crate::process::ProcessId;

/// An answer that is worked on whether or not somebody waits for it. When nobody does, what it has is dropped there.
struct Task<T>(JoinHandle<Result<T, Failure>>);

/// The same; the work ends when nobody waits for it.
struct Waiting<T> {
    work: JoinHandle<Result<T, Failure>>,
    end: End,
    background: Arc<Background>,
    process: ProcessId,
}

/// Begins some work that goes on when the answer is dropped.
pub(super) fn begin<T: Send + 'static>(
    client: &Client,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Answer<T> {
    match client.spawn(work) {
        Some(task) => Box::pin(Task(task)),
        None => Box::pin(std::future::ready(Err(elsewhere()))),
    }
}

/// Begins a wait.
pub(super) fn begin_wait<T: Send + 'static>(
    client: &Client,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Answer<T> {
    let (work, end) = Work::new(Box::pin(work));
    let (background, process) = (Arc::clone(&client.background), ProcessId::current());
    Box::pin(Waiting { work: client.net.runtime.spawn(work), end, background, process })
}

/// What a forked child is told.
pub(super) fn elsewhere() -> Failure {
    failed("it is of another process, which has forked this one")
}

pub(super) fn failed(why: &'static str) -> Failure {
    Failure::other(why)
}

pub(super) fn stopped(error: &JoinError) -> Failure {
    Failure::other(format!("the work was not finished: {error}"))
}

impl<T> Future for Task<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.0).poll(context);
        polled.map(|done| done.unwrap_or_else(|error| Err(stopped(&error))))
    }
}

impl<T> Future for Waiting<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.work).poll(context);
        polled.map(|done| done.unwrap_or_else(|error| Err(stopped(&error))))
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        if ProcessId::current() == self.process {
            self.end.come(&self.background);
            self.work.abort();
        }
    }
}
