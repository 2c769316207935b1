//! What this client is to the cluster: one lease, on which all depends that it holds or waits for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::distributed::{Lease, Loss, Moment};

/// A lease of etcd that is kept alive. Once it is lost it stays so, and the client makes another.
pub(super) struct Session {
    /// What etcd calls it.
    pub(super) id: i64,
    pub(super) lease: Arc<Lease>,
    state: Mutex<State>,
}

struct State {
    /// The last request that was confirmed: when it was sent, and for how long it counts.
    sent: Moment,
    granted: Duration,
    /// The leases of what is held, by the numbers of the places.
    held: HashMap<u64, Weak<Lease>>,
}

impl Session {
    pub(super) fn begin(id: i64, sent: Moment, granted: Duration) -> Arc<Self> {
        let lease = Lease::begin(sent, granted);
        Arc::new(Self { id, lease, state: Mutex::new(State { sent, granted, held: HashMap::new() }) })
    }

    /// When the next sign of life is due: a third of what was granted after the last one.
    pub(super) fn next_sign(&self) -> Duration {
        let state = self.state.lock();
        state.sent.after(state.granted / 3).since(Moment::now())
    }

    /// How long the answer to a sign of life may take, so that there is time for another three.
    pub(super) fn patience(&self) -> Duration {
        self.state.lock().granted / 6
    }

    /// A lease for what was granted to a place: it lasts as long as this session, or less. `None`: the session is lost.
    pub(super) fn attach(&self, number: u64) -> Option<Arc<Lease>> {
        let mut state = self.state.lock();
        if self.lease.is_lost() {
            return None;
        }
        let lease = Lease::begin(state.sent, state.granted);
        state.held.insert(number, Arc::downgrade(&lease));
        Some(lease)
    }

    /// The place is given up.
    pub(super) fn detach(&self, number: u64) {
        self.state.lock().held.remove(&number);
    }

    /// A sign of life that was sent at `sent` was confirmed. `false`: too late.
    pub(super) fn confirmed(&self, sent: Moment, granted: Duration) -> bool {
        let mut state = self.state.lock();
        if !self.lease.renew(sent, granted) {
            return false;
        }
        (state.sent, state.granted) = (sent, granted);
        state.held.values().filter_map(Weak::upgrade).all(|lease| {
            lease.renew(sent, granted);
            true
        })
    }

    /// It is lost, and all that depends on it.
    pub(super) fn lose(&self, why: Loss) {
        self.lease.lose(why);
        // Who attaches itself from now on sees that.
        let held = std::mem::take(&mut self.state.lock().held);
        held.into_values().filter_map(|lease| lease.upgrade()).for_each(|lease| lease.lose(why));
    }

    pub(super) fn is_over(&self) -> bool {
        self.lease.is_lost()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:x})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_lives_and_dies_with_it() {
        let length = Duration::from_secs(60);
        let session = Session::begin(1, Moment::now(), length);
        let (held, released) = (session.attach(1).expect("it lives"), session.attach(2).expect("it lives"));
        session.detach(2);
        let before = held.remaining().expect("it has an end");
        assert!(session.confirmed(Moment::now(), length * 2));
        assert!(held.remaining().expect("it has an end") > before + length / 2);
        session.lose(Loss::Ended);
        assert_eq!((held.loss(), session.lease.loss()), (Some(Loss::Ended), Some(Loss::Ended)));
        assert_eq!(released.loss(), None);
        assert!(session.attach(3).is_none() && !session.confirmed(Moment::now(), length));
    }

    #[test]
    fn a_session_that_has_run_out_does_not_come_back() {
        let session = Session::begin(1, Moment::now(), Duration::ZERO);
        assert!(session.attach(1).is_none());
        assert!(!session.confirmed(Moment::now(), Duration::from_secs(60)));
        assert_eq!(session.lease.loss(), Some(Loss::Expired));
    }

    #[test]
    fn signs_of_life_come_three_times_as_often_as_they_must() {
        let session = Session::begin(1, Moment::now(), Duration::from_secs(60));
        let next = session.next_sign();
        assert!(next <= Duration::from_secs(20) && next > Duration::from_secs(19), "{next:?}");
        assert_eq!(session.patience(), Duration::from_secs(10));
    }
}
