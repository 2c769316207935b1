//! What a run has seen.

use std::collections::BTreeMap;
use std::fmt;

use super::calls::Called;
use super::checks::Wrong;
use super::history::History;
use super::models::Call;
use super::nemesis::Fault;

#[derive(Default)]
pub(super) struct Tally {
    pub(super) rounds: usize,
    pub(super) faults: BTreeMap<Fault, usize>,
    asked: usize,
    taken: usize,
    updates: usize,
    unknown: usize,
    looks: usize,
    refused: usize,
    calls: usize,
    claims: usize,
    believed_overlaps: usize,
    overlaps: usize,
    pub(super) histories: usize,
    pub(super) wrong: usize,
}

impl Tally {
    pub(super) fn add(&mut self, history: &History, wrongs: &[Wrong]) {
        self.histories += 1;
        self.wrong += usize::from(!wrongs.is_empty());
        let is_update = |called: &&Called| matches!(called.call, Call::Update(_));
        let (updates, looks): (Vec<_>, Vec<_>) = history.updates.iter().partition(is_update);
        let done = updates.iter().filter(|update| update.answered.is_some()).count();
        self.asked += history.asked;
        self.taken += history.taken.len();
        self.updates += done;
        self.unknown += updates.len() - done;
        self.looks += looks.len();
        self.refused += history.refused;
        self.calls += history.resource.len();
        self.claims += history.claims.iter().filter(|claim| claim.known.is_some()).count();
        self.believed_overlaps += history.believed_overlaps();
        self.overlaps += history.overlaps();
    }

    pub(super) fn add_faults(&mut self, faults: Vec<Fault>) {
        self.rounds += 1;
        for fault in faults {
            *self.faults.entry(fault).or_default() += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        write!(
            f,
            "{} rounds, {faults} faults {:?}; asked for {} times, taken {}, updates {} and {} unknown, looks {}, \
             tokens refused {}; calls of the resource {}; claims {}, of which {} would have overlapped without leases, {} did; \
             {} histories, {} wrong",
            self.rounds,
            self.faults,
            self.asked,
            self.taken,
            self.updates,
            self.unknown,
            self.looks,
            self.refused,
            self.calls,
            self.claims,
            self.believed_overlaps,
            self.overlaps,
            self.histories,
            self.wrong,
        )
    }
}
