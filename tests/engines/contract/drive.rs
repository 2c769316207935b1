//! Futures polled by hand and by threads, always with a bound.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use lockutils_tests::BOUND;

/// Waits for an answer, on this thread.
#[track_caller]
pub(crate) fn answer<T>(future: impl Future<Output = T> + Send + 'static) -> T {
    Polled::new(future).finish()
}

/// A future, and whether somebody has called for its next poll.
pub(crate) struct Polled<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    pub(crate) bell: Arc<Bell>,
}

impl<T> Polled<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Box::pin(future), bell: Arc::default() }
    }

    /// Polls once. What was called before is answered by that.
    pub(crate) fn poll(&mut self) -> Option<T> {
        *self.bell.is_rung.lock().expect("no panic") = false;
        let waker = Waker::from(Arc::clone(&self.bell));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Polls whenever it is called for.
    #[track_caller]
    pub(crate) fn finish(mut self) -> T {
        loop {
            if let Some(value) = self.poll() {
                return value;
            }
            self.bell.wait();
        }
    }
}

/// What a waker rings.
#[derive(Default)]
pub(crate) struct Bell {
    is_rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    /// Until it has rung since the last poll.
    #[track_caller]
    pub(crate) fn wait(&self) {
        assert!(self.wait_until(Instant::now() + BOUND), "waited {BOUND:?} in vain for a waker");
    }

    /// The same with another bound; says whether it has rung.
    pub(crate) fn wait_until(&self, end: Instant) -> bool {
        let mut is_rung = self.is_rung.lock().expect("no panic");
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if *is_rung || left.is_zero() {
                return *is_rung;
            }
            is_rung = self.rings.wait_timeout(is_rung, left).expect("no panic").0;
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.is_rung.lock().expect("no panic") = true;
        self.rings.notify_all();
    }
}
