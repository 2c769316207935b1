//! Without the feature `metrics`: nothing is counted.

use std::time::Duration;

use super::Way;

/// What metrics would call a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label;

impl Label {
    pub(crate) const NONE: Self = Self;
}

/// A wait would be counted while this lives.
pub(crate) struct Waiting;

impl Waiting {
    pub(crate) fn begin(_: &Way) -> Self {
        Self
    }
}

pub(crate) fn acquired(_: &Way, _: Duration) -> bool {
    false
}

pub(crate) fn released(_: &Way, _: Duration) {}
pub(crate) fn contended(_: &Way) {}
pub(crate) fn timed_out(_: &Way) {}
