//! What is to be taken, and what is held then.

use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

use lockutils::{Error, Evidence, Lock, LockAll, LockAllGuard, LockGuard, Locks};

use super::bell::Bell;
use super::far::Far;
use crate::command::{Command, Tie};

/// The locks that a command is to run under.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    names: Vec<String>,
    /// One by one, to look at.
    single: Vec<Lock>,
    /// Together; `None` if there is one only.
    all: Option<LockAll>,
    /// Whether an engine keeps them.
    is_far: bool,
}

/// The locks that a command runs under.
pub(super) struct Held {
    guards: Guards,
    is_far: bool,
}

enum Guards {
    One(LockGuard),
    All(LockAllGuard),
}

impl Ask {
    pub(super) fn permit(locks: &Locks, name: &str, permits: u32, fair: bool, how: &Far) -> Self {
        let permit = how.reach(locks.semaphore(name, permits));
        Self {
            names: vec![name.to_owned()],
            single: vec![if fair { permit.fair() } else { permit }],
            all: None,
            is_far: false,
        }
    }

    pub(super) fn locks(locks: &Locks, names: &[String], shared: bool, fair: bool, how: &Far) -> Self {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        let wanted = |lock: Lock| if shared { lock.read() } else { lock };
        let wanted = |lock: Lock| wanted(if fair { lock.fair() } else { lock });
        let single = names.iter().map(|name| wanted(how.reach(locks.lock(name)))).collect();
        let all = (names.len() > 1).then(|| how.reach_all(locks.lock_all(&names))).map(|all| {
            let all = if shared { all.read() } else { all };
            if fair { all.fair() } else { all }
        });
        Self { names, single, all, is_far: false }
    }

    /// An engine keeps them.
    pub(super) fn kept_by_an_engine(self, yes: bool) -> Self {
        Self { is_far: yes, ..self }
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
        let taken = match &self.all {
            None => self.single[0].try_acquire()?.map(Guards::One),
            Some(all) => all.try_acquire()?.map(Guards::All),
        };
        Ok(taken.map(|guards| self.held(guards)))
    }

    pub(super) fn acquire(&self, limit: Option<Duration>) -> Result<Held, Error> {
        let taken = match (&self.all, limit) {
            (None, None) => self.single[0].acquire().map(Guards::One),
            (None, Some(limit)) => self.single[0].clone().timeout(limit).acquire().map(Guards::One),
            (Some(all), None) => all.acquire().map(Guards::All),
            (Some(all), Some(limit)) => all.clone().timeout(limit).acquire().map(Guards::All),
        };
        taken.map(|guards| self.held(guards))
    }

    fn held(&self, guards: Guards) -> Held {
        Held { guards, is_far: self.is_far }
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
        match &self.guards {
            Guards::One(guard) => std::slice::from_ref(guard),
            Guards::All(guards) => guards.guards(),
        }
    }

    /// What tells of the loss of one that an engine keeps.
    pub(super) fn bell(&self) -> nix::Result<Option<Bell>> {
        if !self.is_far {
            return Ok(None);
        }
        let bell = Bell::new()?;
        self.guards().iter().for_each(|guard| bell.watch(guard));
        Ok(Some(bell))
    }

    /// What is to be said of the first one that is lost. No engine is asked: what it knows is known here by then.
    pub(super) fn loss(&self) -> Result<Option<String>, Error> {
        for guard in self.guards() {
            if guard.is_lost()? {
                let told = guard.check().err().filter(Error::is_lost).map(|error| error.to_string());
                return Ok(Some(told.unwrap_or_else(|| format!("lock `{}` is lost", guard.name()))));
            }
        }
        Ok(None)
    }

    /// The largest.
    pub(super) fn token(&self) -> u64 {
        self.guards().iter().map(LockGuard::fencing_token).max().unwrap_or_default()
    }

    /// Descriptors that the command is to inherit.
    pub(super) fn inheritable(&self) -> Result<Vec<OwnedFd>, Error> {
        match &self.guards {
            Guards::One(guard) => guard.inheritable().map(|one| one.into_iter().collect()),
            Guards::All(guards) => guards.inheritable(),
        }
    }

    /// What keeps the command from going on without this process. An engine gives the locks to others when it does not hear
    /// from here any more, whatever the command has inherited.
    pub(super) fn tie(&self, inherited: &[OwnedFd]) -> Tie {
        if inherited.is_empty() || self.is_far { Tie::Death } else { Tie::None }
    }

    /// Lets go of all of them.
    pub(super) fn release(self) -> Result<(), Error> {
        match self.guards {
            Guards::One(guard) => guard.release(),
            Guards::All(guards) => guards.release(),
        }
    }
}
