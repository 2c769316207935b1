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
#[derive(Clone, Copy)]
pub(crate) struct Limit<'a> {
    pub(crate) end: Option<Instant>,
    pub(crate) cancel: Option<&'a Cancel>,
    alarm: Option<Alarm<'a>>,
}

/// What is done once when a wait has lasted until then. The wait goes on, and keeps its place.
#[derive(Clone, Copy)]
struct Alarm<'a> {
    at: Instant,
    ring: &'a (dyn Fn() + Sync),
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
        Self { end, cancel, alarm: None }
    }

    /// The same, with something to be done if the wait lasts until `at`, which is not over yet.
    pub(crate) fn with_alarm<'b>(self, at: Option<Instant>, ring: &'b (dyn Fn() + Sync)) -> Limit<'b>
    where
        'a: 'b,
    {
        let alarm = at.filter(|at| *at > Instant::now()).map(|at| Alarm { at, ring });
        Limit { alarm, ..self }
    }

    /// Whether nothing is done before the lock ends the wait.
    pub(crate) fn is_none(&self) -> bool {
        self.end.is_none() && self.cancel.is_none() && self.alarm.is_none()
    }

    /// Whether there is no time left to wait.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some_and(|end| end <= Instant::now())
    }

    /// Waits on this thread; with no time left, `future` does not begin.
    pub(crate) fn block<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        if self.is_over() {
            return Err(Ended::Time);
        }
        match self.cancel {
            None => self.block_clock(future).ok_or(Ended::Time),
            Some(cancel) => self
                .block_clock(unless(future, cancel.cancelled(), Ended::Cancel))
                .unwrap_or(Err(Ended::Time)),
        }
    }

    fn block_clock<F: Future>(&self, future: F) -> Option<F::Output> {
        let Some(Alarm { at, ring }) = self.alarm_before_end() else {
            return park::block_on(future, self.end);
        };
        let mut future = pin!(future);
        if let Some(output) = park::block_on(future.as_mut(), Some(at)) {
            return Some(output);
        }
        ring();
        park::block_on(future, self.end)
    }

    fn alarm_before_end(&self) -> Option<Alarm<'a>> {
        self.alarm.filter(|alarm| self.end.is_none_or(|end| alarm.at < end))
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

    async fn watch_clock<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        let Some(Alarm { at, ring }) = self.alarm_before_end() else {
            return self.watch_end(future).await;
        };
        let mut future = pin!(future);
        if let Ok(output) = unless(future.as_mut(), moment(at), Ended::Time).await {
            return Ok(output);
        }
        ring();
        self.watch_end(future).await
    }

    async fn watch_end<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        match self.end {
            None => Ok(future.await),
            Some(end) => unless(future, moment(end), Ended::Time).await,
        }
    }
}

/// Is ready at this moment.
#[cfg(feature = "async")]
fn moment(at: Instant) -> impl Future {
    async_io::Timer::at(at)
}

/// Is ready within a tick after this moment.
#[cfg(not(feature = "async"))]
fn moment(at: Instant) -> impl Future {
    crate::external::tick_until(at)
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
