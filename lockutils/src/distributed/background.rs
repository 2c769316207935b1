//! What an engine does for nobody: it gives back what was given up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How much of that is under way.
#[derive(Debug, Default)]
pub(crate) struct Background {
    number: AtomicUsize,
    done: Notify,
}

impl Background {
    /// Something begins, and lasts until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Going {
        self.number.fetch_add(1, SeqCst);
        Going(Arc::clone(self))
    }

    /// Is ready when nothing is under way.
    pub(crate) async fn settled(&self) {
        loop {
            let done = self.done.notified();
            if self.number.load(SeqCst) == 0 {
                return;
            }
            done.await;
        }
    }
}

/// Something that is under way.
pub(crate) struct Going(Arc<Background>);

impl Drop for Going {
    fn drop(&mut self) {
        if self.0.number.fetch_sub(1, SeqCst) == 1 {
            self.0.done.notify_waiters();
        }
    }
}

/// Work that may be given up. What it has is dropped elsewhere then, a moment later, and begins what gives it back: so that it
/// goes is under way from the moment at which it is given up.
pub(crate) struct Work<F> {
    /// Dropped first.
    work: F,
    _end: End,
}

/// What the one who may give it up has.
#[derive(Clone, Default)]
pub(crate) struct End(Arc<Mutex<Option<Going>>>);

impl End {
    /// It is given up, which is under way until it is dropped.
    pub(crate) fn come(&self, background: &Arc<Background>) {
        *self.0.lock() = Some(background.begin());
    }
}

impl<F> Work<F> {
    pub(crate) fn new(work: F) -> (Self, End) {
        let end = End::default();
        (Self { work, _end: end.clone() }, end)
    }
}

impl<F: Future + Unpin> Future for Work<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.work).poll(context)
    }
}
