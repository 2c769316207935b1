//! What an engine may answer instead of what was asked for.

use std::error::Error;
use std::fmt;

use super::Loss;

/// Why an engine has not done what it was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// It could not be reached, or has not answered in time. Whether it has done it is not known.
    Unreachable(Box<dyn Error + Send + Sync>),
    /// The lock was lost.
    Lost(Loss),
    /// It does not let this user in, or not do this.
    Denied(Box<dyn Error + Send + Sync>),
    /// It is not known by its certificate to be who it should be, so that nothing was asked of it.
    Untrusted(Box<dyn Error + Send + Sync>),
    /// The semaphore has another number of permits.
    Mismatch {
        /// That number.
        agreed: u32,
    },
    /// It cannot do this.
    Unsupported {
        /// What it cannot do.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// Something else stands where the lock should be: a key of another type, a node of another program.
    Foreign(String),
    /// It said something that cannot be understood, or refused for a reason of its own.
    Other(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// It could not be reached, for this reason.
    pub fn unreachable(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unreachable(why.into())
    }

    /// It refused, for this reason.
    pub fn other(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other(why.into())
    }

    /// Whether the same may be done a moment later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Untrusted(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "it cannot be reached: {why}"),
            Self::Lost(loss) => write!(f, "the lock is lost: {loss}"),
            Self::Denied(why) => write!(f, "it refuses: {why}"),
            Self::Untrusted(why) => write!(f, "its certificate is not trusted: {why}"),
            Self::Mismatch { agreed } => write!(f, "the semaphore has {agreed} permits"),
            Self::Unsupported { what, instead } => write!(f, "{what}; {instead}"),
            Self::Foreign(what) => write!(f, "in the place of the lock there is {what}"),
            Self::Other(why) => write!(f, "{why}"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(why) | Self::Denied(why) | Self::Untrusted(why) | Self::Other(why) => {
                Some(&**why)
            }
            _ => None,
        }
    }
}
