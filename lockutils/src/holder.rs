//! Who has a lock: for messages, and for those who look after a system.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::distributed::Contender;
use crate::error::Seconds;
use crate::external::Record;
use crate::process::{self, Identity, Life};

/// How it is known who has a lock.
///
/// The kernel decides who has a lock file; the record in it is there to be read. Where they disagree, the kernel
/// is right. It is otherwise with [pid files](crate::Mechanism::Pid), which are the lock.
///
/// ```
/// let held = lockutils::lock("evidence-example").acquire()?;
/// let holder = lockutils::lock("evidence-example").holder()?.expect("it is held");
/// assert_eq!(holder.evidence(), lockutils::Evidence::Own);
/// # drop(held);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// It is this process.
    Own,
    /// The record names a process, and the kernel says that this process has the lock.
    Both,
    /// The record names a process. The kernel says that the lock is taken, but not by whom: the process is in another
    /// pid namespace, or its locks have no owner. Of [pid files](crate::Mechanism::Pid) the kernel knows nothing: there the
    /// record alone says who has the lock.
    Record,
    /// The kernel names the process, which has left no record: a reader, or a program that is not of this crate.
    Kernel,
    /// The kernel names the process. The record names another one, which does not have the lock: it has died, has let go a
    /// moment ago, or somebody else has written it.
    KernelAgainstRecord,
    /// The engine of a distributed lock says who has it.
    Engine,
    /// The lock is taken, and nothing more is known.
    Nothing,
}

/// Who has a lock at a moment, as far as that is known. See [`Lock::holder`](crate::Lock::holder).
///
/// Its text is made for messages: `pid 4711 (nova-compute) for 12s, at src/volumes.rs:42:9, thread main`.
///
/// ```
/// let held = lockutils::lock("holder-type-example").acquire()?;
/// let holder = lockutils::lock("holder-type-example").holder()?.expect("it is held");
/// assert_eq!(holder.pid(), Some(std::process::id()));
/// assert!(holder.to_string().starts_with("this process"));
/// # drop(held);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    evidence: Evidence,
    pid: Option<u32>,
    program: Option<String>,
    host: Option<String>,
    thread: Option<String>,
    function: Option<String>,
    place: Option<String>,
    purpose: Option<String>,
    since: Option<SystemTime>,
    token: Option<u64>,
    /// The process has ended. Another one has the open file from it, and the lock with that.
    has_ended: bool,
    is_elsewhere: bool,
    /// What the holder of a distributed lock calls itself.
    identifier: Option<String>,
}

impl Holder {
    /// How it is known.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let lock = dir.locks().lock("x").external();
    /// if let Some(holder) = lock.holder()?
    ///     && holder.evidence() == lockutils::Evidence::KernelAgainstRecord
    /// {
    ///     println!("the record in the lock file is that of a process that has died");
    /// }
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// Its number, in the pid namespace of this process if it can be seen from here.
    ///
    /// ```
    /// let held = lockutils::lock("holder-pid-example").acquire()?;
    /// let holder = lockutils::lock("holder-pid-example").holder()?.expect("it is held");
    /// assert_eq!(holder.pid(), Some(std::process::id()));
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The name of its program.
    ///
    /// ```
    /// let held = lockutils::lock("holder-program-example").acquire()?;
    /// let holder = lockutils::lock("holder-program-example").holder()?.expect("it is held");
    /// assert!(holder.program().is_some());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn program(&self) -> Option<&str> {
        self.program.as_deref()
    }

    /// The name of its host, if that is known.
    ///
    /// ```
    /// let held = lockutils::lock("holder-host-example").acquire()?;
    /// let holder = lockutils::lock("holder-host-example").holder()?.expect("it is held");
    /// assert!(holder.host().is_some());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The thread that took the lock by its name, or `task`.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let lock = dir.locks().lock("x").external();
    /// let thread = lock.holder()?.and_then(|holder| holder.thread().map(str::to_owned));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    /// The function that the attribute stands on by which the lock was taken.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let lock = dir.locks().lock("x").external();
    /// let function = lock.holder()?.and_then(|holder| holder.function().map(str::to_owned));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// Where in the source the lock was taken: `src/volumes.rs:42:9`.
    ///
    /// ```
    /// let held = lockutils::lock("holder-place-example").acquire()?;
    /// let holder = lockutils::lock("holder-place-example").holder()?.expect("it is held");
    /// assert!(holder.place().is_some());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// What it has taken the lock for, if it was taken with a [`purpose`](crate::Lock::purpose): `run backup.sh`. Then there is no
    /// [`place`](Self::place).
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let lock = dir.locks().lock("x").external();
    /// let purpose = lock.holder()?.and_then(|holder| holder.purpose().map(str::to_owned));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn purpose(&self) -> Option<&str> {
        self.purpose.as_deref()
    }

    /// Since when, by the wall clock of its host. Of an internal lock only if somebody has waited for it or it was taken
    /// [`timed`](crate::Lock::timed).
    ///
    /// ```
    /// let held = lockutils::lock("holder-since-example").timed().acquire()?;
    /// let holder = lockutils::lock("holder-since-example").holder()?.expect("it is held");
    /// assert!(holder.since().is_some_and(|since| since <= std::time::SystemTime::now()));
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn since(&self) -> Option<SystemTime> {
        self.since
    }

    /// The [fencing token](crate::LockGuard::fencing_token) of its hold.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let lock = dir.locks().lock("x").external();
    /// let token = lock.holder()?.and_then(|holder| holder.fencing_token());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn fencing_token(&self) -> Option<u64> {
        self.token
    }

    /// Whether the process is on another host or in another pid namespace, as far as its record tells: its
    /// [`pid`](Self::pid) means nothing here, and nobody here can see whether it lives.
    ///
    /// ```
    /// let held = lockutils::lock("holder-elsewhere-example").acquire()?;
    /// let holder = lockutils::lock("holder-elsewhere-example").holder()?.expect("it is held");
    /// assert!(!holder.is_elsewhere());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// What the holder of a distributed lock calls itself, or what the engine calls it, if it has an
    /// [identifier](crate::Lock::identifier) of its own. Then its [`pid`](Self::pid) is not known.
    ///
    /// ```
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:holder-identifier-example"))?;
    /// let lock = locks.lock("leader").distributed().identifier("node-7");
    /// # let here = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:holder-identifier-example"))?;
    /// let guard = lock.acquire()?;
    /// let other = here.lock("leader").distributed(); // another client of the engine
    /// assert_eq!(other.holder()?.unwrap().identifier(), Some("node-7"));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn identifier(&self) -> Option<&str> {
        self.identifier.as_deref()
    }

    pub(crate) fn unknown() -> Self {
        Self {
            evidence: Evidence::Nothing,
            pid: None,
            program: None,
            host: None,
            thread: None,
            function: None,
            place: None,
            purpose: None,
            since: None,
            token: None,
            has_ended: false,
            is_elsewhere: false,
            identifier: None,
        }
    }

    /// A process of which the kernel tells nothing but its number.
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "the system names nobody"))]
    pub(crate) fn named(pid: u32, evidence: Evidence) -> Self {
        let program = Some(process::program(pid)).filter(|program| !program.is_empty());
        let host = Some(Identity::current().host.clone());
        let has_ended = Life::of(pid) == Life::Gone;
        Self { evidence, pid: Some(pid), program, host, has_ended, ..Self::unknown() }
    }

    /// What a record says, of a process that is `pid` here.
    pub(crate) fn of(record: Record, pid: u32, evidence: Evidence) -> Self {
        let Record { token, process, thread, function, place, purpose, since, .. } = record;
        let is_elsewhere = evidence == Evidence::Record && !process.is_here();
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            evidence,
            pid: Some(pid).filter(|pid| *pid > 0),
            program: text(process.program),
            host: text(process.host),
            thread,
            function,
            place,
            purpose,
            since,
            token,
            has_ended: false,
            is_elsewhere,
            identifier: None,
        }
    }

    /// What the record says, of this process.
    pub(crate) fn into_own(self) -> Self {
        Self { evidence: Evidence::Own, ..self }
    }

    /// This process, which has the lock for `held` if that is known.
    pub(crate) fn own(place: Option<String>, held: Option<Duration>) -> Self {
        let Identity { pid, host, program, .. } = Identity::current().clone();
        Self {
            evidence: Evidence::Own,
            pid: Some(pid),
            program: Some(program),
            host: Some(host),
            place,
            since: held.and_then(|held| SystemTime::now().checked_sub(held)),
            ..Self::unknown()
        }
    }

    /// Those who hold a distributed lock. Of this process it is better known here, if it is one of them.
    pub(crate) fn of_contenders(here: Option<Self>, contenders: Vec<Contender>) -> Vec<Self> {
        let mut holders: Vec<_> =
            contenders.into_iter().filter(|one| one.holds).map(Self::of_contender).collect();
        let Some(here) = here else { return holders };
        match holders.iter().position(|one| (one.pid, &one.host) == (here.pid, &here.host)) {
            Some(own) => holders[own] = Self { token: holders[own].token, ..here },
            // It may call itself otherwise.
            None if holders.is_empty() => holders.push(here),
            None => {}
        }
        holders
    }

    /// One that calls itself `host/pid/program`, or otherwise.
    fn of_contender(contender: Contender) -> Self {
        let Contender { identifier, token, place, .. } = contender;
        let known = Self {
            evidence: Evidence::Engine,
            token: Some(token).filter(|token| *token > 0),
            ..Self::unknown()
        };
        let parts: Vec<_> = identifier.splitn(3, '/').collect();
        if let [host, pid, program] = parts[..]
            && let Ok(pid) = pid.parse()
        {
            let (host, program) = (Some(host.to_owned()), Some(program.to_owned()));
            let is_elsewhere = host.as_ref() != Some(&Identity::current().host);
            return Self { pid: Some(pid), host, program, is_elsewhere, ..known };
        }
        Self { identifier: Some(if identifier.is_empty() { place } else { identifier }), ..known }
    }

    fn write_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(identifier) = &self.identifier {
            return f.write_str(identifier);
        }
        let Some(pid) = self.pid.filter(|_| self.evidence != Evidence::Own) else {
            let own = self.evidence == Evidence::Own;
            return f.write_str(if own { "this process" } else { "a process that the kernel does not name" });
        };
        write!(f, "pid {pid}")?;
        if self.has_ended {
            return f.write_str(
                ", which has ended and left it to a process that shares its open file, as fuser(1) can tell",
            );
        }
        let host = self.host.as_deref().filter(|host| *host != Identity::current().host);
        match (self.program.as_deref(), host) {
            (Some(program), Some(host)) => write!(f, " ({program} on {host})"),
            (Some(program), None) => write!(f, " ({program})"),
            (None, Some(host)) => write!(f, " (on {host})"),
            (None, None) => Ok(()),
        }?;
        if self.is_elsewhere && host.is_none() { f.write_str(" in another pid namespace") } else { Ok(()) }
    }
}

/// Those who have a file, for a message.
pub(crate) struct Holders(Vec<Holder>);

impl Holders {
    /// `None`: nobody has it.
    pub(crate) fn new(holders: Vec<Holder>) -> Option<Self> {
        Some(Self(holders)).filter(|holders| !holders.0.is_empty())
    }

    pub(crate) fn are_elsewhere(&self) -> bool {
        self.0.iter().any(Holder::is_elsewhere)
    }
}

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return Ok(()) };
        first.fmt(f)?;
        if others.is_empty() { Ok(()) } else { write!(f, ", and {} more", others.len()) }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_process(f)?;
        if let Some(held) = self.since.and_then(|since| since.elapsed().ok()) {
            write!(f, " for {}", Seconds(held))?;
        }
        if let Some(purpose) = &self.purpose {
            write!(f, ", to {purpose}")?;
        }
        if let Some(place) = &self.place {
            write!(f, ", at {place}")?;
        }
        if let Some(function) = &self.function {
            write!(f, " in {function}")?;
        }
        match self.thread.as_deref() {
            Some("task") => f.write_str(", in a task"),
            Some(thread) => write!(f, ", thread {thread}"),
            None => Ok(()),
        }
    }
}
