//! Those who want a lock, as others see them.

use super::Share;

/// One who holds a distributed lock, or waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contender {
    /// Who it says it is; empty if it says nothing.
    pub identifier: String,
    /// What it has or wants.
    pub share: Share,
    /// Whether it holds the lock.
    pub holds: bool,
    /// Its fencing token, as far as the engine shows it; otherwise 0.
    pub token: u64,
    /// What the engine calls it: a key, the name of a node, a token.
    pub place: String,
}

impl Contender {
    /// One of whom nothing more is known.
    pub fn new(place: impl Into<String>, share: Share, holds: bool) -> Self {
        Self { identifier: String::new(), share, holds, token: 0, place: place.into() }
    }

    /// The same, who says that it is this one.
    #[must_use]
    pub fn identified(self, identifier: impl Into<String>) -> Self {
        Self { identifier: identifier.into(), ..self }
    }

    /// The same, with this token.
    #[must_use]
    pub fn with_token(self, token: u64) -> Self {
        Self { token, ..self }
    }
}
