//! What those of one role have done.

use std::fmt;
use std::sync::atomic::Ordering::SeqCst;

use crate::ledger::Ledger;
use crate::life::Life;
use crate::role::Role;

/// What those of one role have done.
pub(crate) struct Tally {
    /// The role.
    pub(crate) role: Role,
    /// How often they had the lock, or removed the file.
    pub(crate) times: u64,
    killed: u64,
    inside: usize,
}

impl Tally {
    /// One for each role that has an incarnation. Each incarnation counts for the role that begins at it or before.
    pub(crate) fn all(ledger: &Ledger, roles: &[(u64, Role)]) -> Vec<Self> {
        let mut all: Vec<Self> = Role::ALL.map(|role| Self { role, times: 0, killed: 0, inside: 0 }).into();
        for (incarnation, life) in (0..).zip(ledger.lives()).skip(1) {
            let Some(at) = roles.partition_point(|(first, _)| *first <= incarnation).checked_sub(1) else {
                continue;
            };
            for tally in all.iter_mut().filter(|tally| tally.role == roles[at].1) {
                tally.count(life);
            }
        }
        all.retain(|tally| tally.killed > 0);
        all
    }

    fn count(&mut self, life: &Life) {
        self.times += life.times.load(SeqCst);
        self.killed += u64::from(life.killed.load(SeqCst) > 0);
        self.inside += usize::from(recovery(life).is_some());
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, times, killed, inside } = self;
        let role = format!("{role:?}");
        write!(f, "{role:<10} {times:>8} times, {killed:>6} killed, {inside:>6} inside")
    }
}

/// The nanoseconds from the kill of one that was alone inside to the next one.
pub(crate) fn recovery(life: &Life) -> Option<u64> {
    let (followed, killed) = (life.followed.load(SeqCst), life.killed.load(SeqCst));
    (followed > 0).then(|| followed.saturating_sub(killed))
}
