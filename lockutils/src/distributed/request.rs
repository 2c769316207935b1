//! What is asked of an engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Failure;

/// What is to be had of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// All of it.
    Write,
    /// It is shared with other readers.
    Read,
    /// One of so many permits, which are 1 at least.
    Permit(u32),
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// A task: its thread must not be blocked.
    #[default]
    Task,
    /// A thread that waits for the answer and does nothing else, until this moment at most. The engine may do the work on it:
    /// a poll may block the thread until then.
    Thread {
        /// Until when the thread waits; `None`: as long as it takes. Afterwards a poll does not block: it says what has come of
        /// the request, or that it is pending.
        until: Option<Instant>,
    },
}

/// A lock, and how it is to be taken.
///
/// ```
/// use lockutils::distributed::{Request, Share};
/// let request = Request::new("volumes", Share::Read).waiting().fair();
/// assert!(request.waits && request.fair);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The full name of the lock: 1 to 255 bytes, no `/`, no control characters, not `.` or `..`.
    pub name: Arc<str>,
    /// What is to be had of it.
    pub share: Share,
    /// Whether nobody may be overtaken, where the engine can choose.
    pub fair: bool,
    /// Whether the one who asks waits if others have the lock. Otherwise the answer is
    /// [`Busy`](super::Entered::Busy), and nobody sees that it was asked.
    pub waits: bool,
    /// Who asks, for others to see.
    pub identifier: Arc<str>,
    /// The lock is lost so long after it was granted, unless it is [extended](super::Backend::extend); nobody keeps it alive.
    /// `None`: its lease is kept alive as long as the process lives.
    pub expires: Option<Duration>,
    /// Whether the engine frees the lock when its holder is gone. What is not ephemeral stays held until its holder releases it or
    /// somebody [destroys](super::Backend::destroy) it. A wait is ephemeral all the same.
    pub ephemeral: bool,
    /// Other kinds of contenders that this one waits for: patterns of node names, for ZooKeeper.
    pub patterns: Arc<[Box<str>]>,
    /// Who waits for the answer.
    pub caller: Caller,
}

impl Request {
    /// Asks for this share of this lock, without a wait.
    ///
    /// ```
    /// use lockutils::distributed::{Request, Share};
    /// assert!(!Request::new("volumes", Share::Write).waits);
    /// ```
    pub fn new(name: impl Into<Arc<str>>, share: Share) -> Self {
        Self {
            name: name.into(),
            share,
            fair: false,
            waits: false,
            identifier: "".into(),
            expires: None,
            ephemeral: true,
            patterns: Arc::from([]),
            caller: Caller::Task,
        }
    }

    /// The same, and it waits.
    #[must_use]
    pub fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    /// The same, and it overtakes nobody.
    #[must_use]
    pub fn fair(self) -> Self {
        Self { fair: true, ..self }
    }

    /// The same, from this one.
    #[must_use]
    pub fn identified(self, identifier: impl Into<Arc<str>>) -> Self {
        Self { identifier: identifier.into(), ..self }
    }

    /// The same, for this long.
    #[must_use]
    pub fn expiring(self, after: Duration) -> Self {
        Self { expires: Some(after), ..self }
    }

    /// For engines that have no nodes with names.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when it has [patterns](Self::patterns): to leave them aside would let in whom it asks to keep out.
    pub fn without_patterns(&self) -> Result<(), Failure> {
        if self.patterns.is_empty() {
            return Ok(());
        }
        Err(Failure::Unsupported {
            what: "this engine has no nodes whose names could be like a pattern",
            instead: "ask for other contenders on ZooKeeper only",
        })
    }

    /// The same, on behalf of this caller.
    #[must_use]
    pub fn called_by(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }
}
