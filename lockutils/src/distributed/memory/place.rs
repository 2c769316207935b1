//! What a grant keeps of its place.

use std::sync::Arc;

use super::Space;
use crate::distributed::{Grant, Lease};

/// An entry in the queue of a lock. It goes when this is dropped.
pub(super) struct Place {
    pub(super) space: Arc<Space>,
    pub(super) name: Arc<str>,
    pub(super) id: u64,
    pub(super) expires: bool,
}

impl Place {
    /// Lets the lock go, or gives the place up; once more does nothing.
    pub(super) fn leave(&self) {
        self.space.leave(&self.name, self.id);
    }

    /// Whether it still holds the lock.
    pub(super) fn holds(&self) -> bool {
        self.space.holds(&self.name, self.id)
    }

    /// The lock has been granted to it.
    pub(super) fn granted(self, token: u64, lease: Arc<Lease>) -> Grant {
        Grant::new(token, lease, self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
