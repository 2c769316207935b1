//! The thread that keeps leases alive, lets go what is to be let go in the background, and tells waits when to look again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::chore::Chore;
use super::client::{Client, millis, number};
use super::entry::{Asked, Life};
use super::script::Call;
use super::wait::Wait;
use crate::distributed::{Lease, Loss};
use crate::thread;

/// So many are asked for in one trip.
const AT_ONCE: usize = 128;

/// When a wait looks, and which.
pub(super) type Look = (Instant, u64);

/// What has to be done later.
#[derive(Default)]
pub(super) struct Keeper {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: HashMap<u64, Held>,
    looks: BTreeMap<Look, Weak<Wait>>,
    chores: Vec<Chore>,
    is_closed: bool,
    is_running: bool,
    has_ended: bool,
    /// Until when the thread sleeps if nobody wakes it.
    sleeps_until: Option<Instant>,
}

/// A lock that is held, and when its lease is renewed, or when it is looked at. It is not due while that is done.
#[derive(Clone)]
struct Held {
    asked: Arc<Asked>,
    lease: Arc<Lease>,
    due: Option<Instant>,
    /// How many have been told that they hold it.
    grants: u32,
}

/// What is to be done now.
#[derive(Default)]
struct Due {
    held: Vec<Held>,
    looks: Vec<Arc<Wait>>,
    chores: Vec<Chore>,
}

impl Keeper {
    /// Knows of a lock that is held from now on, and keeps its lease alive, or looks whether it is still there, if it is not
    /// kept: in so long for the first time. Who is granted once more what it holds has the lease that it had.
    pub(super) fn keep(
        self: &Arc<Self>,
        client: &Arc<Client>,
        asked: &Arc<Asked>,
        lease: Arc<Lease>,
        first: Duration,
    ) -> Arc<Lease> {
        let due = Instant::now() + first;
        let held = Held { asked: Arc::clone(asked), lease: Arc::clone(&lease), due: Some(due), grants: 1 };
        let mut state = self.state.lock();
        if state.is_closed {
            drop(state);
            self.end_of_session(client, &held);
            return lease;
        }
        if let Some(there) = state.held.get_mut(&asked.id) {
            there.grants += 1;
            return Arc::clone(&there.lease);
        }
        state.held.insert(asked.id, held);
        self.attend(client, &mut state, due);
        lease
    }

    /// One of those who were told that they hold it knows of it no more. Whether that was the last one.
    pub(super) fn forget_one(&self, asked: &Asked) -> bool {
        let mut state = self.state.lock();
        let Some(there) = state.held.get_mut(&asked.id) else { return false };
        there.grants -= 1;
        let last = (there.grants == 0).then(|| state.held.remove(&asked.id));
        drop(state);
        last.is_some()
    }

    /// Knows of it no more. Whether it did: after the end of the session it knows of none.
    pub(super) fn forget(&self, asked: &Asked) -> bool {
        let held = self.state.lock().held.remove(&asked.id);
        held.is_some()
    }

    #[cfg(test)]
    pub(super) fn has(&self, asked: &Asked) -> bool {
        self.state.lock().held.contains_key(&asked.id)
    }

    /// Lets go what was held, or gives up its place.
    pub(super) fn leave(self: &Arc<Self>, client: &Arc<Client>, asked: &Arc<Asked>) {
        self.attend_to(client, Chore::new(client, asked));
    }

    /// Gives up a place in the queue, and nothing else.
    pub(super) fn leave_the_queue(self: &Arc<Self>, client: &Arc<Client>, asked: Asked) {
        self.attend_to(client, Chore::new(client, &Arc::new(asked)).for_the_place_only());
    }

    /// Lets go what was given to one who does not wait any more. If it is held, the one who waited has seen that by itself.
    pub(super) fn leave_unless_held(self: &Arc<Self>, client: &Arc<Client>, asked: Asked) {
        let is_held = self.state.lock().held.values().any(|held| held.asked.entry == asked.entry);
        if !is_held {
            self.leave(client, &Arc::new(asked));
        }
    }

    fn attend_to(self: &Arc<Self>, client: &Arc<Client>, chore: Chore) {
        let mut state = self.state.lock();
        let due = chore.due;
        state.chores.push(chore);
        self.attend(client, &mut state, due);
    }

    /// Has a wait look then, and not when it was to look before.
    pub(super) fn look_at(
        self: &Arc<Self>,
        client: &Arc<Client>,
        wait: &Arc<Wait>,
        due: Instant,
        before: Option<Look>,
    ) -> Look {
        let look = (due, wait.asked.id);
        let mut state = self.state.lock();
        let before = before.and_then(|before| state.looks.remove(&before));
        state.looks.insert(look, Arc::downgrade(wait));
        self.attend(client, &mut state, due);
        drop(state);
        drop(before);
        look
    }

    pub(super) fn forget_look(&self, look: Option<Look>) {
        let forgotten = look.and_then(|look| self.state.lock().looks.remove(&look));
        drop(forgotten);
    }

    /// The session ends: all that is held is lost, and let go unless it is to stay.
    pub(super) fn close(self: &Arc<Self>, client: &Arc<Client>) {
        let held = {
            let mut state = self.state.lock();
            state.is_closed = true;
            std::mem::take(&mut state.held)
        };
        for held in held.values() {
            self.end_of_session(client, held);
        }
    }

    fn end_of_session(self: &Arc<Self>, client: &Arc<Client>, held: &Held) {
        held.lease.lose(Loss::Closed);
        if held.asked.life != Life::Stays {
            self.leave(client, &held.asked);
        }
    }

    /// There is no client any more.
    pub(super) fn end(&self) {
        self.state.lock().has_ended = true;
        self.changed.notify_one();
    }

    /// Sees to it that the thread is there, and awake at `due`.
    fn attend(self: &Arc<Self>, client: &Arc<Client>, state: &mut State, due: Instant) {
        if !state.is_running {
            let (keeper, client) = (Arc::clone(self), Arc::downgrade(client));
            // Without a thread leases run out, and what was not let go goes with them.
            state.is_running =
                thread::start_large("lockutils-redis-keeper", move || keeper.run(&client)).is_ok();
        } else if state.sleeps_until.is_none_or(|until| due < until) {
            state.sleeps_until = Some(due);
            self.changed.notify_one();
        }
    }

    fn run(self: &Arc<Self>, client: &Weak<Client>) {
        loop {
            let Some(due) = self.next() else { return };
            // Without the client there is nothing to keep alive and nobody who waits.
            if let Some(client) = client.upgrade() {
                due.looks.iter().for_each(Wait::nudge);
                due.held.chunks(AT_ONCE).for_each(|held| self.renew(&client, held));
            }
            let mut chores = due.chores;
            while !chores.is_empty() {
                let rest = chores.split_off(chores.len().min(AT_ONCE));
                let undone = Chore::do_all(chores);
                self.state.lock().chores.extend(undone);
                chores = rest;
            }
        }
    }

    /// Waits for something to do. `None`: there will be nothing.
    fn next(&self) -> Option<Due> {
        let mut state = self.state.lock();
        loop {
            let due = state.take_due();
            if !due.is_empty() {
                return Some(due);
            }
            if state.has_ended && state.chores.is_empty() {
                state.is_running = false;
                return None;
            }
            self.sleep(&mut state);
        }
    }

    fn sleep(&self, state: &mut MutexGuard<'_, State>) {
        state.sleeps_until = state.next_due();
        match state.sleeps_until {
            Some(until) => {
                self.changed.wait_until(state, until);
            }
            None => self.changed.wait(state),
        }
    }

    fn renew(&self, client: &Client, held: &[Held]) {
        let ttl = client.address().ttl;
        let calls: Vec<_> = held.iter().map(|held| held.call(ttl)).collect();
        let answer = client.ask_all(&calls, Instant::now() + client.address().request_timeout);
        // What is kept must not end while the server is away for a moment.
        let soon =
            |held: &Held| Instant::now() + client.spread(if held.is_kept() { ttl / 30 } else { ttl / 3 });
        let Ok((sent, answers)) = answer else {
            for held in held {
                self.again(held, soon(held));
            }
            return;
        };
        for (held, answer) in held.iter().zip(answers) {
            match answer.as_ref().and_then(|value| number(value).ok()) {
                Some(1) => {
                    if held.is_kept() {
                        held.lease.renew(sent, ttl);
                    }
                    self.again(held, Instant::now() + ttl / 3);
                }
                Some(0) => self.lost(held, Loss::Removed),
                Some(_) => self.lost(held, Loss::Taken),
                None => self.again(held, soon(held)),
            }
        }
    }

    fn again(&self, held: &Held, due: Instant) {
        if !held.lease.is_lost()
            && let Some(there) = self.state.lock().held.get_mut(&held.asked.id)
        {
            there.due = Some(due);
        }
    }

    /// Who has begun to let go meanwhile has lost nothing.
    fn lost(&self, held: &Held, why: Loss) {
        let is_held = self.state.lock().held.contains_key(&held.asked.id);
        // What has expired by itself was not removed.
        if is_held && !held.lease.is_lost() {
            held.lease.lose(why);
        }
    }
}

impl Held {
    fn is_kept(&self) -> bool {
        self.asked.life == Life::Kept
    }

    fn call(&self, ttl: Duration) -> Call<'_> {
        Call::renew(&self.asked, if self.is_kept() { millis(ttl) } else { 0 }, 0)
    }
}

impl State {
    /// What is nearly due is done with the rest.
    fn take_due(&mut self) -> Due {
        let mut due = Due::default();
        let now = Instant::now();
        while let Some(first) = self.looks.first_entry().filter(|first| first.key().0 <= now) {
            due.looks.extend(first.remove().upgrade());
        }
        let is_due_by = |held: &Held, by| held.due.is_some_and(|due| due <= by);
        if self.held.values().any(|held| is_due_by(held, now)) {
            let soon = now + Duration::from_millis(50);
            for held in self.held.values_mut().filter(|held| is_due_by(held, soon)) {
                // When it is due again is said when it is done.
                held.due = None;
                due.held.push(held.clone());
            }
        }
        due.chores = self.chores.extract_if(.., |chore| chore.due <= now).collect();
        due
    }

    fn next_due(&self) -> Option<Instant> {
        let held = self.held.values().filter_map(|held| held.due).min();
        let look = self.looks.first_key_value().map(|((due, _), _)| *due);
        let chore = self.chores.iter().map(|chore| chore.due).min();
        [held, look, chore].into_iter().flatten().min()
    }
}

impl Due {
    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.looks.is_empty() && self.chores.is_empty()
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Keeper").field("held", &state.held.len()).finish_non_exhaustive()
    }
}
