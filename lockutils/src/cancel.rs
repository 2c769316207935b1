//! Ending a wait from outside.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// Ends waits: those of every lock that was given a clone of it by
/// [`Lock::cancel_on`](crate::Lock::cancel_on).
///
/// A wait that is cancelled returns an error for which [`Error::is_cancelled`](crate::Error::is_cancelled);
/// one that begins afterwards is not begun. A guard that is held stays held. To cancel an async wait,
/// dropping its future is enough; this is for threads, and for many waits at once.
///
/// ```
/// let cancel = lockutils::Cancel::new();
/// let held = lockutils::lock("cancel-example").acquire()?;
/// let waiter = std::thread::spawn({
///     let cancel = cancel.clone();
///     move || lockutils::lock("cancel-example").cancel_on(&cancel).acquire().map(drop)
/// });
/// cancel.cancel();
/// assert!(waiter.join().unwrap().unwrap_err().is_cancelled());
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cancelled: bool,
    /// Waits by a number of their own.
    waiting: Vec<(u64, Waker)>,
    next: u64,
}

impl Cancel {
    /// Makes one that has not been cancelled.
    ///
    /// ```
    /// assert!(!lockutils::Cancel::new().is_cancelled());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the waits, now and for ever.
    ///
    /// ```
    /// let cancel = lockutils::Cancel::new();
    /// cancel.cancel();
    /// assert!(cancel.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        let waiting = {
            let mut state = self.0.lock();
            state.cancelled = true;
            std::mem::take(&mut state.waiting)
        };
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    /// Whether it has been cancelled.
    ///
    /// ```
    /// assert!(!lockutils::Cancel::new().is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.lock().cancelled
    }

    /// A future that is ready once this is cancelled.
    pub(crate) fn cancelled(&self) -> Cancelled<'_> {
        Cancelled { cancel: self, number: None }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("cancelled", &self.is_cancelled()).finish()
    }
}

pub(crate) struct Cancelled<'a> {
    cancel: &'a Cancel,
    number: Option<u64>,
}

impl Future for Cancelled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.cancel.0.lock();
        if state.cancelled {
            return Poll::Ready(());
        }
        let waker = context.waker();
        let number = self.number;
        if let Some((_, kept)) = state.waiting.iter_mut().find(|(wait, _)| Some(*wait) == number) {
            let old = std::mem::replace(kept, waker.clone());
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let next = state.next;
        state.next += 1;
        state.waiting.push((next, waker.clone()));
        drop(state);
        self.number = Some(next);
        Poll::Pending
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut state = self.cancel.0.lock();
            let at = state.waiting.iter().position(|(wait, _)| *wait == number);
            let left = at.map(|at| state.waiting.swap_remove(at));
            drop(state);
            drop(left);
        }
    }
}
