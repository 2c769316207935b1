//! The locks of one URL.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Waker;

use parking_lot::Mutex;

use super::Place;
use super::queue::{Entry, Queue};
use super::waiting::{Slot, Waiting};
use crate::distributed::{Contender, Entered, Failure, Lease, Loss, Moment, Request};

/// One who asks.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) session: u64,
    pub(super) lease: Arc<Lease>,
}

/// Names and their queues; a queue in which nobody stands is not kept. Nothing that may run other code is dropped or woken
/// under the lock.
#[derive(Debug, Default)]
pub(super) struct Space {
    queues: Mutex<HashMap<Arc<str>, Queue>>,
    next: AtomicU64,
}

impl Space {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Arc<Self> {
        static SPACES: Mutex<Vec<(String, Weak<Space>)>> = Mutex::new(Vec::new());
        let mut spaces = SPACES.lock();
        spaces.retain(|(_, space)| space.strong_count() > 0);
        let there = spaces.iter().find(|(known, _)| known == name).and_then(|(_, space)| space.upgrade());
        there.unwrap_or_else(|| {
            let new = Arc::new(Self::default());
            spaces.push((name.to_owned(), Arc::downgrade(&new)));
            new
        })
    }

    pub(super) fn enter(self: &Arc<Self>, asked: Asked) -> Result<Entered, Failure> {
        let Asked { request, session, lease } = asked;
        let mut queues = self.queues.lock();
        let there = queues.get(&request.name);
        there.map_or(Ok(()), |queue| queue.agree(request.share))?;
        let free = there.is_none_or(|queue| queue.is_free_for(request.share));
        if !free && !request.waits {
            return Ok(Entered::Busy);
        }
        let id = self.number();
        let place = Place {
            space: Arc::clone(self),
            name: Arc::clone(&request.name),
            id,
            expires: request.expires.is_some(),
        };
        let (slot, token) = (Arc::new(Slot::default()), if free { id } else { 0 });
        let entry = Entry {
            id,
            session: Some(session),
            request,
            token,
            lease: Arc::clone(&lease),
            slot: Arc::downgrade(&slot),
        };
        queues.entry(Arc::clone(&place.name)).or_default().push(entry);
        drop(queues);
        if free {
            self.frees_at_its_end(&lease, &place.name, id);
            return Ok(Entered::Held(place.granted(token, lease)));
        }
        Ok(Entered::Queued(Box::pin(Waiting { slot, place: Some(place) })))
    }

    /// Whether this entry holds the lock.
    pub(super) fn holds(&self, name: &str, id: u64) -> bool {
        self.queues.lock().get(name).is_some_and(|queue| queue.holds(id))
    }

    /// A lock whose time is over is free, whether or not somebody looks at it.
    fn frees_at_its_end(self: &Arc<Self>, lease: &Arc<Lease>, name: &Arc<str>, id: u64) {
        let (space, name) = (Arc::downgrade(self), Arc::clone(name));
        lease.on_loss(move |_| {
            if let Some(space) = space.upgrade() {
                space.leave(&name, id);
            }
        });
    }

    /// For entries and for tokens: each larger than all before.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed) + 1
    }

    /// Takes one out, and lets those in whose turn that makes it.
    pub(super) fn leave(self: &Arc<Self>, name: &str, id: u64) {
        self.take(name, None, |queue| queue.remove(id).into_iter().collect());
    }

    /// Takes some out. They have lost it, if a reason is given.
    fn take(self: &Arc<Self>, name: &str, why: Option<Loss>, out: impl FnOnce(&mut Queue) -> Vec<Entry>) {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(name) else { return };
        let gone = out(queue);
        // They know it before somebody else has it.
        let mut woken: Vec<_> =
            why.map_or_else(Vec::new, |why| gone.iter().filter_map(|entry| entry.lost(why)).collect());
        woken.extend(self.let_in(queue));
        if queue.is_empty() {
            queues.remove(name);
        }
        drop(queues);
        woken.into_iter().for_each(Waker::wake);
    }

    fn let_in(self: &Arc<Self>, queue: &mut Queue) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some(next) = queue.next() {
            next.token = self.number();
            if let Some(length) = next.request.expires {
                next.lease = Lease::for_a_time(Moment::now(), length);
            }
            self.frees_at_its_end(&next.lease, &next.request.name, next.id);
            // One that has just been given up leaves by itself.
            let slot = next.slot.upgrade();
            woken.extend(slot.and_then(|slot| slot.give(Ok((next.token, Arc::clone(&next.lease))))));
        }
        woken
    }

    pub(super) fn contenders(&self, name: &str) -> Vec<Contender> {
        self.queues.lock().get(name).map(Queue::contenders).unwrap_or_default()
    }

    /// Those who hold it lose it; those who wait go on to wait.
    pub(super) fn destroy(self: &Arc<Self>, name: &str) {
        self.take(name, Some(Loss::Destroyed), |queue| queue.take(|entry| entry.token != 0));
    }

    /// All that a session has is let go, but what is to stay: that is nobody's from now on.
    pub(super) fn close(self: &Arc<Self>, session: u64) {
        let names: Vec<_> = self.queues.lock().keys().cloned().collect();
        for name in names {
            self.take(&name, Some(Loss::Closed), |queue| {
                queue.of(session).filter(|entry| entry.stays()).for_each(|entry| entry.disown(self.number()));
                queue.take(|entry| entry.session == Some(session))
            });
        }
    }
}
