//! The thread that notices when leases run out, and tells of it.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::lease::Tell;
use super::{Lease, Loss, Moment};
use crate::cancel::Cancel;
use crate::process::PerProcess;
use crate::thread;

/// Longer than this it does not sleep while there are leases: its own clock stops when the system is suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The leases of this process by their deadlines, and what is to be told of those that are lost.
#[derive(Default)]
struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By the deadline that each had when it was last looked at, and its address.
    leases: BTreeMap<(u64, usize), Weak<Lease>>,
    told: Vec<(Vec<Tell>, Cancel, Loss)>,
    is_running: bool,
    /// Until when the thread sleeps, if nobody wakes it.
    sleeps_until: u64,
}

fn here() -> &'static Watch {
    static HERE: PerProcess<Watch> = PerProcess::new();
    HERE.get(Watch::default)
}

/// Looks after a lease from now on, or after its new deadline.
pub(super) fn watch(lease: &Arc<Lease>) {
    let end = lease.end();
    if end == Moment::NEVER {
        return;
    }
    let (watch, address) = (here(), Arc::as_ptr(lease) as usize);
    let mut state = watch.state.lock();
    let before = lease.watched.swap(end.nanos(), Relaxed);
    state.leases.remove(&(before, address));
    state.leases.insert((end.nanos(), address), Arc::downgrade(lease));
    watch.attend(&mut state, end.nanos());
}

/// A lease is no more.
pub(super) fn forget(lease: &Lease) {
    if lease.end() != Moment::NEVER {
        let at = (lease.watched.load(Relaxed), std::ptr::from_ref(lease) as usize);
        here().state.lock().leases.remove(&at);
    }
}

/// Tells of a loss, on the thread.
pub(super) fn tell(tell: Vec<Tell>, lost: Cancel, why: Loss) {
    let watch = here();
    let mut state = watch.state.lock();
    state.told.push((tell, lost, why));
    watch.attend(&mut state, 0);
}

impl Watch {
    /// Something is to be done at `at`: sees to it that the thread is there, and awake then.
    fn attend(&'static self, state: &mut State, at: u64) {
        if !state.is_running {
            state.is_running = thread::start("lockutils-leases", move || self.run()).is_ok();
            // Without a thread, holders see it when they look.
        } else if at < state.sleeps_until {
            state.sleeps_until = 0;
            self.changed.notify_one();
        }
    }

    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            let told = std::mem::take(&mut state.told);
            let ended = state.take_ended();
            if told.is_empty() && ended.is_empty() {
                self.sleep(&mut state);
                continue;
            }
            drop(state);
            told.into_iter().for_each(tell_of);
            // What is lost by that is told in the next round.
            // Lost or not, they are looked at: whoever looks at one whose time is over loses it.
            let _lost = ended.into_iter().filter(|lease| lease.is_lost()).count();
            state = self.state.lock();
        }
    }

    fn sleep(&self, state: &mut parking_lot::MutexGuard<'_, State>) {
        if let Some((&(end, _), _)) = state.leases.first_key_value() {
            let length = Moment::from_nanos(end).since(Moment::now()).min(LONGEST_SLEEP);
            state.sleeps_until = Moment::now().after(length).nanos();
            self.changed.wait_for(state, length);
        } else {
            state.sleeps_until = u64::MAX;
            self.changed.wait(state);
        }
    }
}

impl State {
    /// Those whose deadline is over. The others that were renewed come back under their new one.
    fn take_ended(&mut self) -> Vec<Arc<Lease>> {
        let (now, mut ended) = (Moment::now().nanos(), Vec::new());
        while let Some(entry) = self.leases.first_entry() {
            let (end, address) = *entry.key();
            if end > now {
                break;
            }
            let Some(lease) = entry.remove().upgrade() else { continue };
            let end = lease.end().nanos();
            if end <= now {
                ended.push(lease);
                continue;
            }
            lease.watched.store(end, Relaxed);
            self.leases.insert((end, address), Arc::downgrade(&lease));
            // Its last owner may be gone by now: then it must not be dropped under the lock.
            ended.push(lease);
        }
        ended
    }
}

/// Code of the user runs here: it may panic, and the thread goes on.
fn tell_of((tell, lost, why): (Vec<Tell>, Cancel, Loss)) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| lost.cancel()));
    for tell in tell {
        let _ = panic::catch_unwind(AssertUnwindSafe(|| tell(why)));
    }
}
