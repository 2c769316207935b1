//! What is to be taken, and what is held then.

use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

use lockutils::{Error, Evidence, Lock, LockAll, LockAllGuard, LockGuard, Locks};

use crate::command::Command;

/// The locks that a command is to run under.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    names: Vec<String>,
    /// One by one, to look at.
    single: Vec<Lock>,
    /// Together; `None` if there is one only.
    all: Option<LockAll>,
}

/// The locks that a command runs under.
pub(super) enum Held {
    One(LockGuard),
    All(LockAllGuard),
}

impl Ask {
    pub(super) fn permit(locks: &Locks, name: &str, permits: u32, fair: bool) -> Self {
        let permit = locks.semaphore(name, permits).external();
        Self {
            names: vec![name.to_owned()],
            single: vec![if fair { permit.fair() } else { permit }],
            all: None,
        }
    }

    pub(super) fn locks(locks: &Locks, names: &[String], shared: bool, fair: bool) -> Self {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        let wanted = |lock: Lock| if shared { lock.read() } else { lock };
        let wanted = |lock: Lock| wanted(if fair { lock.fair() } else { lock });
        let single = names.iter().map(|name| wanted(locks.lock(name).external())).collect();
        let all = (names.len() > 1).then(|| locks.lock_all(&names).external()).map(|all| {
            let all = if shared { all.read() } else { all };
            if fair { all.fair() } else { all }
        });
        Self { names, single, all }
    }

    /// Those who wait are told what for.
    pub(super) fn with_purpose(mut self, command: &Command) -> Self {
        let purpose = format!("run {command}");
        self.single = self.single.into_iter().map(|lock| lock.purpose(&purpose)).collect();
        self.all = self.all.map(|all| all.purpose(&purpose));
        self
    }

    /// `None`: somebody else has one of them.
    pub(super) fn try_acquire(&self) -> Result<Option<Held>, Error> {
        match &self.all {
            None => Ok(self.single[0].try_acquire()?.map(Held::One)),
            Some(all) => Ok(all.try_acquire()?.map(Held::All)),
        }
    }

    pub(super) fn acquire(&self, limit: Option<Duration>) -> Result<Held, Error> {
        match (&self.all, limit) {
            (None, None) => self.single[0].acquire().map(Held::One),
            (None, Some(limit)) => self.single[0].clone().timeout(limit).acquire().map(Held::One),
            (Some(all), None) => all.acquire().map(Held::All),
            (Some(all), Some(limit)) => all.clone().timeout(limit).acquire().map(Held::All),
        }
    }

    /// What is waited for, and who has it: the first of them that others have.
    pub(super) fn in_the_way(&self) -> String {
        let found = self.names.iter().zip(&self.single).find_map(|(name, lock)| {
            let mut others: Vec<_> = lock.holders().ok()?;
            // This process waits for it.
            others.retain(|holder| holder.evidence() != Evidence::Own);
            let (first, more) = others.split_first()?;
            let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
            Some(format!("lock `{name}`, held by {first}{more}"))
        });
        found.unwrap_or_else(|| self.to_string())
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.all.is_some() { "locks " } else { "lock " })?;
        write!(f, "`{}`", self.names.join("`, `"))
    }
}

impl Held {
    fn guards(&self) -> &[LockGuard] {
        match self {
            Self::One(guard) => std::slice::from_ref(guard),
            Self::All(guards) => guards.guards(),
        }
    }

    /// Whether all of them still exclude others.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.guards().iter().try_for_each(LockGuard::check)
    }

    /// The largest.
    pub(super) fn token(&self) -> u64 {
        self.guards().iter().map(LockGuard::fencing_token).max().unwrap_or_default()
    }

    /// Descriptors that the command is to inherit.
    pub(super) fn inheritable(&self) -> Result<Vec<OwnedFd>, Error> {
        match self {
            Self::One(guard) => guard.inheritable().map(|one| one.into_iter().collect()),
            Self::All(guards) => guards.inheritable(),
        }
    }

    /// Lets go of all of them.
    pub(super) fn release(self) -> Result<(), Error> {
        match self {
            Self::One(guard) => guard.release(),
            Self::All(guards) => {
                drop(guards);
                Ok(())
            }
        }
    }
}
