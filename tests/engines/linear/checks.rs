//! What must hold of a history.

use super::calls::are_linearizable;
use super::history::History;
use super::models::{Register, Tokens, Updates};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The resource itself has no order: the check of tokens is at fault, or the test.
    Resource,
    /// Tokens do not grow from holder to holder.
    Tokens,
    /// Updates are lost, or have no order.
    Updates,
    /// Two had the lock, neither had lost it, and the engine is not at fault.
    Claims,
}

impl History {
    /// All that is wrong.
    pub(super) fn wrongs(&self) -> Vec<Wrong> {
        let checks = [
            (Wrong::Resource, are_linearizable(Register::default(), &self.resource)),
            (Wrong::Tokens, are_linearizable(Tokens::default(), &self.taken)),
            (Wrong::Updates, are_linearizable(Updates::default(), &self.updates)),
            (Wrong::Claims, self.may_be_taken || self.overlaps() == 0),
        ];
        checks.into_iter().filter(|(_, holds)| !holds).map(|(wrong, _)| wrong).collect()
    }

    /// How often two had the lock at one time, and knew that they had not lost it.
    pub(super) fn overlaps(&self) -> usize {
        overlaps(self.claims.iter().filter_map(|claim| claim.known))
    }

    /// How often it would have been, had nobody looked at the lease.
    pub(super) fn believed_overlaps(&self) -> usize {
        overlaps(self.claims.iter().map(|claim| claim.believed))
    }
}

/// How many pairs of times overlap.
fn overlaps(times: impl Iterator<Item = (u64, u64)>) -> usize {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    let beside = |(number, &(_, until)): (usize, &(u64, u64))| {
        times[number + 1..].iter().take_while(|(from, _)| *from <= until).count()
    };
    times.iter().enumerate().map(beside).sum()
}
