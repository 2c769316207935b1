//! What the answers to requests prove about a session.

use std::time::Duration;

use super::super::Moment;

/// When the server that ends sessions has surely heard of this one, by what was answered.
///
/// That server is the leader of the ensemble, and we may be connected to a follower. It notes whom it hears, and tells the
/// leader when that asks: every half tick. So an answer proves by itself that the session was there, but not that its time has
/// begun anew: a follower that is cut off at that moment takes its notes with it. But the leader has the note of a request as
/// soon as another is answered that was sent a good while later, and went through the leader. And when the connection was
/// made anew meanwhile, it has heard of that: to let a session in again is the leader's own work.
///
/// A session lasts two ticks at least, so a quarter of it is enough of a while.
#[derive(Debug)]
pub(super) struct Beats {
    gap: Duration,
    /// When requests were sent that were answered, and may prove something later. Ascending.
    answered: Vec<Moment>,
    /// What the next answer will prove, since the connection will be another.
    floor: Moment,
    proven: Moment,
}

impl Beats {
    /// The request to begin a session was sent at `sent`: that is the leader's work too.
    pub(super) fn begin(sent: Moment, gap: Duration) -> Self {
        Self { gap, answered: vec![sent], floor: sent, proven: sent }
    }

    /// The connection was lost since the last answer, and nothing was asked meanwhile.
    pub(super) fn broke(&mut self) {
        self.floor = self.answered.last().copied().unwrap_or(self.floor).max(self.floor);
    }

    /// The connection was lost before this was answered.
    pub(super) fn failed(&mut self, sent: Moment) {
        self.floor = self.floor.max(sent);
    }

    /// What was sent then has been answered. Says since when the session is surely known.
    pub(super) fn answered(&mut self, sent: Moment) -> Moment {
        let enough = self.answered.iter().rposition(|earlier| earlier.after(self.gap) <= sent);
        if let Some(at) = enough {
            self.proven = self.proven.max(self.answered[at]);
            self.answered.drain(..at);
        }
        self.proven = self.proven.max(self.floor);
        self.answered.push(sent);
        self.proven
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    fn begin() -> Beats {
        Beats::begin(at(100), Duration::from_secs(10))
    }

    #[test]
    fn an_answer_proves_the_request_before() {
        let mut beats = begin();
        assert_eq!(beats.answered(at(110)), at(100));
        assert_eq!(beats.answered(at(120)), at(110));
        assert_eq!(beats.answered(at(125)), at(110), "it came too soon after that of 120");
        assert_eq!(beats.answered(at(130)), at(120));
        assert_eq!(beats.answered(at(136)), at(125));
        assert_eq!(beats.answered(at(500)), at(136));
    }

    #[test]
    fn a_new_connection_proves_all_before() {
        let mut beats = begin();
        beats.answered(at(110));
        beats.broke();
        assert_eq!(beats.answered(at(112)), at(110));
        beats.failed(at(120));
        assert_eq!(beats.answered(at(121)), at(120));
        assert_eq!(beats.answered(at(122)), at(120));
        assert_eq!(beats.answered(at(131)), at(121));
    }

    #[test]
    fn it_never_goes_back() {
        let mut beats = begin();
        beats.failed(at(130));
        assert_eq!(beats.answered(at(131)), at(130));
        beats.broke();
        beats.failed(at(120));
        assert_eq!(beats.answered(at(132)), at(131));
    }
}
