//! A lock that an engine has granted.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Answer, Lease};

/// What came of an [`enter`](super::Backend::enter).
pub enum Entered {
    /// The lock is held.
    Held(Grant),
    /// Others have it, and the one who asked does not wait.
    Busy,
    /// Others have it, and the one who asked has its place behind them. To drop the wait gives the place up.
    Queued(Answer<Grant>),
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(grant) => f.debug_tuple("Held").field(grant).finish(),
            Self::Busy => f.write_str("Busy"),
            Self::Queued(_) => f.debug_tuple("Queued").finish_non_exhaustive(),
        }
    }
}

/// A lock that an engine has granted. Dropped without a [`release`](super::Backend::release), it is let go in the
/// background: whatever an engine keeps in `place` sees to that.
pub struct Grant {
    token: u64,
    lease: Arc<Lease>,
    place: Box<dyn Any + Send + Sync>,
}

impl Grant {
    /// With what the engine needs to know of it.
    pub fn new(token: u64, lease: Arc<Lease>, place: impl Any + Send + Sync) -> Self {
        Self { token, lease, place: Box::new(place) }
    }

    /// The fencing token: larger than those of all holders before who could not share the lock with this one.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// What the lock depends on.
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// What the engine keeps of it, if it is of this type.
    pub fn place<T: Any>(&self) -> Option<&T> {
        self.place.downcast_ref()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("token", &self.token)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
