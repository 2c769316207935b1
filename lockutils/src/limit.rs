//! How long a wait may last, and what ends it early. The only place that knows time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::internal::park;

/// What was said about the length of a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Span {
    /// Nothing: the configuration decides.
    #[default]
    Unsaid,
    /// No limit, whatever the configuration says.
    Never,
    For(Duration),
    Until(Instant),
}

/// What ends a wait that has begun.
pub(crate) struct Limit<'a> {
    pub(crate) end: Option<Instant>,
    pub(crate) cancel: Option<&'a Cancel>,
}

/// Why a wait ended without the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Time,
    Cancel,
}

impl<'a> Limit<'a> {
    /// Begins: a duration that no clock can express is no limit.
    pub(crate) fn begin(span: Span, default: Option<Duration>, cancel: Option<&'a Cancel>) -> Self {
        let end = match (span, default) {
            (Span::Until(end), _) => Some(end),
            (Span::For(length), _) | (Span::Unsaid, Some(length)) => Instant::now().checked_add(length),
            (Span::Never, _) | (Span::Unsaid, None) => None,
        };
        Self { end, cancel }
    }

    /// Whether nothing but the lock ends the wait.
    pub(crate) fn is_none(&self) -> bool {
        self.end.is_none() && self.cancel.is_none()
    }

    /// Whether there is no time left to wait.
    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| end <= Instant::now())
    }

    /// Waits on this thread; with no time left, `future` does not begin.
    pub(crate) fn block<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        if self.is_over() {
            return Err(Ended::Time);
        }
        match self.cancel {
            None => park::block_on(future, self.end).ok_or(Ended::Time),
            Some(cancel) => park::block_on(unless(future, cancel.cancelled(), Ended::Cancel), self.end)
                .unwrap_or(Err(Ended::Time)),
        }
    }

    /// Waits in a task; with no time left, `future` does not begin.
    pub(crate) async fn watch<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        if self.is_over() {
            return Err(Ended::Time);
        }
        match self.cancel {
            None => self.watch_clock(future).await,
            Some(cancel) => {
                let future = unless(future, cancel.cancelled(), Ended::Cancel);
                self.watch_clock(future).await.and_then(|ended| ended)
            }
        }
    }

    #[cfg(feature = "async")]
    async fn watch_clock<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        match self.end {
            None => Ok(future.await),
            Some(end) => unless(future, async_io::Timer::at(end), Ended::Time).await,
        }
    }

    #[cfg(not(feature = "async"))]
    async fn watch_clock<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        match self.end {
            None => Ok(future.await),
            Some(end) => unless(future, crate::external::tick_until(end), Ended::Time).await,
        }
    }
}

/// `future`, unless `end` is ready first. When both are ready, the future counts.
async fn unless<F: Future, E: Future>(future: F, end: E, ended: Ended) -> Result<F::Output, Ended> {
    let (mut future, mut end) = (pin!(future), pin!(end));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => end.as_mut().poll(context).map(|_| Err(ended)),
    })
    .await
}
