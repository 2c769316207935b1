//! One wait for a lock: a future that leaves the queue when it is dropped and passes on what it had been
//! given.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::queue::Ticket;
use super::{Mode, RawLock, park};
use crate::sync;

/// A wait for `raw`. Its owner has a reference to the lock while this lives.
///
/// When it is ready, the hold is the caller's. Dropped before that, it leaves nothing behind: a hold that it
/// had been given and never saw goes to the next in the queue.
pub(crate) struct Waiting<'a> {
    raw: &'a RawLock,
    mode: Mode,
    fair: bool,
    ticket: Option<Ticket>,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(raw: &'a RawLock, mode: Mode, fair: bool) -> Self {
        Self { raw, mode, fair, ticket: None }
    }
}

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(ticket) = self.ticket else {
            self.ticket = self.raw.enqueue(self.mode, self.fair, context.waker());
            return if self.ticket.is_some() { Poll::Pending } else { Poll::Ready(()) };
        };
        let polled = self.raw.poll(ticket, self.mode, context.waker());
        if polled.is_ready() {
            self.ticket = None;
        }
        polled
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let (granted, _waker) = self.raw.cancel(ticket);
        if granted {
            // The owner of this wait has a reference, so this was not the last user.
            let _ = self.raw.release(self.mode.kind());
        }
    }
}

/// How often a thread looks again before it queues.
const ROUNDS: u32 = if cfg!(loom) { 1 } else { 10 };

/// Waits on this thread, as long as it takes.
pub(crate) fn block(raw: &RawLock, mode: Mode, fair: bool) {
    if fair || !spin(raw, mode) {
        park::block_on(Waiting::new(raw, mode, fair), None);
    }
}

/// Looks again for a moment: most holders are gone before a thread has fallen asleep.
pub(crate) fn spin(raw: &RawLock, mode: Mode) -> bool {
    for round in 0..ROUNDS {
        if raw.is_queued() {
            return false;
        }
        sync::relax(round);
        if raw.try_enter(mode, false) {
            return true;
        }
    }
    false
}
