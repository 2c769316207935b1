//! The one error type. It tells by predicates; its text names the lock, the path, the wait and the way out.

mod text;

use std::fmt;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use self::text::{Seconds, Shown};
use crate::distributed::{Failure, Loss, Promise};
use crate::external::Mechanism;
use crate::name::NameRule;
use crate::registry::Long;

/// The error of every function here.
///
/// It says what happened by its `is_…` predicates, and its text, which can follow a colon in a message of
/// yours, names the lock, the path, how long was waited, who is in the way and what to do. Whenever a
/// function returns an error, nothing is held.
///
/// ```
/// let held = lockutils::lock("error-example").acquire()?;
/// let error = lockutils::lock("error-example").timeout(std::time::Duration::ZERO).acquire().unwrap_err();
/// assert!(error.is_timeout());
/// assert!(error.to_string().contains("`error-example`"));
/// # Ok::<(), lockutils::Error>(())
/// ```
pub struct Error(Box<Kind>);

pub(crate) enum Kind {
    Name {
        name: String,
        prefix: String,
        rule: NameRule,
    },
    NoLockPath {
        name: String,
    },
    Timeout(Wait),
    Cancelled(Wait),
    Busy(Wait),
    WouldDeadlock {
        name: String,
        held_at: Option<&'static Location<'static>>,
        asked_at: &'static Location<'static>,
        reads: bool,
    },
    LimitReached {
        name: String,
        limit: u32,
    },
    Mismatch {
        name: String,
        asked: u32,
        agreed: u32,
    },
    ZeroPermits {
        name: String,
    },
    Unsupported {
        name: String,
        what: &'static str,
        instead: &'static str,
    },
    NotAFile {
        path: PathBuf,
        what: &'static str,
    },
    OtherMechanism {
        path: PathBuf,
        found: Mechanism,
    },
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "there are no pid files"))]
    NamesNobody {
        path: PathBuf,
    },
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    FileSystem {
        path: PathBuf,
        name: &'static str,
        why: &'static str,
    },
    Insecure {
        path: PathBuf,
    },
    Lost {
        name: String,
        path: PathBuf,
    },
    /// The same of a distributed lock.
    LostInEngine {
        name: String,
        location: String,
        loss: Loss,
    },
    Engine {
        name: String,
        location: String,
        doing: &'static str,
        failure: Failure,
    },
    /// The engine does not promise what the lock requires.
    Unpromised {
        name: String,
        location: String,
        promise: Promise,
    },
    /// There is no engine that could promise what the lock requires, and nobody has said that lock files are meant.
    NoPromises {
        name: String,
        promise: Promise,
    },
    NoBackend {
        name: String,
    },
    Fenced {
        token: u64,
        highest: u64,
    },
    AlreadyInitialized {
        why: &'static str,
    },
    Config {
        what: String,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// A wait that ended without the lock, and what was known of it.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) name: String,
    pub(crate) path: Option<PathBuf>,
    pub(crate) waited: Duration,
    /// Where and since when this process holds it.
    pub(crate) holder: Option<(Option<&'static Location<'static>>, Long)>,
    /// This process has lost it, and somebody here has not let go yet.
    pub(crate) is_lost: bool,
    /// It is the waiting thread itself that holds it.
    pub(crate) own: bool,
    /// It was the file that others held: who.
    pub(crate) file: Option<InTheWay>,
    /// It was the engine that others had it from: which one, and who.
    pub(crate) engine: Option<(String, Option<String>)>,
    pub(crate) others: Others,
}

/// Who kept the file, as far as that could be told when the wait ended.
#[derive(Clone, Debug)]
pub(crate) enum InTheWay {
    /// Those who hold it.
    Holders(String),
    /// The same, where nobody can see whether they live, and the file stays if they do not.
    Elsewhere(String),
    /// Nobody holds it, but somebody waits who came first.
    Queue,
    Unknown,
}

/// What those in this process do with the lock who do not have it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    Read,
    /// They have permits: all that there are, if the number is known.
    HavePermits(Option<u32>),
    /// They have just let go, or still stand before the one who has given up.
    Come,
}

impl Error {
    /// True when the wait ran out. The lock is fine; somebody else has it.
    ///
    /// ```
    /// use std::time::Duration;
    /// # let held = lockutils::lock("is-timeout-example").acquire()?;
    /// let lock = lockutils::lock("is-timeout-example").timeout(Duration::from_millis(5)); // somebody has it
    /// assert!(lock.acquire().unwrap_err().is_timeout());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(*self.0, Kind::Timeout(_))
    }

    /// True when the lock was busy and the caller had said not to wait (`blocking = false` of the attribute).
    ///
    /// ```
    /// use lockutils::{Error, synchronized};
    ///
    /// #[synchronized("is-busy-example", blocking = false)]
    /// fn now() -> Result<(), Error> {
    ///     Ok(())
    /// }
    ///
    /// let held = lockutils::lock("is-busy-example").acquire()?;
    /// assert!(now().unwrap_err().is_busy());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_busy(&self) -> bool {
        matches!(*self.0, Kind::Busy(_))
    }

    /// True when the wait was ended by its [`Cancel`](crate::Cancel).
    ///
    /// ```
    /// let held = lockutils::lock("is-cancelled-example").acquire()?;
    /// let cancel = lockutils::Cancel::new();
    /// cancel.cancel(); // from anywhere, also while it waits
    /// let lock = lockutils::lock("is-cancelled-example").cancel_on(&cancel);
    /// assert!(lock.acquire().unwrap_err().is_cancelled());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.0, Kind::Cancelled(_))
    }

    /// True when the calling thread has the lock and would have waited for itself: it surely has it, since it
    /// took it under a guard that stays on its thread, which is that of the attribute, of
    /// [`run`](crate::Lock::run) and of re-entrant locks.
    ///
    /// ```
    /// let lock = lockutils::lock("is-would-deadlock-example");
    /// let inner = lock.run(|| lock.acquire().map(drop))?;
    /// assert!(inner.unwrap_err().is_would_deadlock());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_would_deadlock(&self) -> bool {
        matches!(*self.0, Kind::WouldDeadlock { .. })
    }

    /// True when the re-entrant owner has the lock as often as it may.
    ///
    /// ```
    /// let lock = lockutils::lock("is-limit-reached-example").reentrant(1);
    /// let once = lock.acquire()?;
    /// assert!(lock.acquire().unwrap_err().is_limit_reached());
    /// # drop(once);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_limit_reached(&self) -> bool {
        matches!(*self.0, Kind::LimitReached { .. })
    }

    /// True when a semaphore of this name is in use with another number of permits, or was asked for with
    /// none.
    ///
    /// ```
    /// let permit = lockutils::semaphore("is-mismatch-example", 4).acquire()?;
    /// assert!(lockutils::semaphore("is-mismatch-example", 5).acquire().unwrap_err().is_mismatch());
    /// # drop(permit);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_mismatch(&self) -> bool {
        matches!(*self.0, Kind::Mismatch { .. } | Kind::ZeroPermits { .. })
    }

    /// True when the name, with its prefix if it has one, cannot be the name of a lock.
    ///
    /// ```
    /// assert!(lockutils::lock("").acquire().unwrap_err().is_invalid_name());
    /// assert!(lockutils::lock("x").prefix("a/b").acquire().unwrap_err().is_invalid_name());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_invalid_name(&self) -> bool {
        matches!(*self.0, Kind::Name { .. })
    }

    /// True when an external lock was asked for and nothing says in which directory.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new())?; // nothing is configured
    /// assert!(locks.lock("x").external().acquire().unwrap_err().is_no_lock_path());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_no_lock_path(&self) -> bool {
        matches!(*self.0, Kind::NoLockPath { .. })
    }

    /// True when a distributed lock was asked for and nothing says where the engine is, nor where lock files are.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new())?; // nothing is configured
    /// assert!(locks.lock("x").distributed().acquire().unwrap_err().is_no_backend());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_no_backend(&self) -> bool {
        matches!(*self.0, Kind::NoBackend { .. })
    }

    /// True when the engine of a distributed lock could not be reached or has not answered in time. Nothing is held; what the
    /// engine may have done is undone as soon as it can be reached, or ends with the session.
    ///
    /// ```
    /// use lockutils::{Config, Locks};
    /// # #[cfg(feature = "redis")] {
    /// let nobody = Config::new().backend_url("redis://127.0.0.1:1"); // nobody listens there
    /// assert!(Locks::new(nobody)?.lock("x").distributed().acquire().unwrap_err().is_unreachable());
    /// # }
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_unreachable(&self) -> bool {
        matches!(*self.0, Kind::Engine { failure: Failure::Unreachable(_), .. })
    }

    /// True when the engine of a distributed lock has not done what it was asked for, for whatever reason: it could not be
    /// [reached](Self::is_unreachable), it does not let this user in, something else stands in the place of the lock.
    ///
    /// ```
    /// let held = lockutils::lock("is-engine-example").acquire()?;
    /// let error = lockutils::lock("is-engine-example").timeout(std::time::Duration::ZERO).acquire().unwrap_err();
    /// assert!(!error.is_engine(), "it is only busy");
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_engine(&self) -> bool {
        matches!(*self.0, Kind::Engine { .. })
    }

    /// True when the configuration cannot be used, or the directory that it names: everybody may write to it, so anybody
    /// could remove the files of others. Also when an engine shows a certificate that nobody vouches for who is trusted.
    ///
    /// ```
    /// use lockutils::{Config, Locks};
    /// let write_only = Config::new().lock_file_mode(0o200);
    /// assert!(Locks::new(write_only).unwrap_err().is_config());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_config(&self) -> bool {
        matches!(
            *self.0,
            Kind::Config { .. } | Kind::Insecure { .. } | Kind::Engine { failure: Failure::Untrusted(_), .. }
        )
    }

    /// True when [`init`](crate::init) came too late or twice.
    ///
    /// ```
    /// use lockutils::Config;
    /// lockutils::init(Config::new().lock_path("/run/nova"))?;
    /// let again = lockutils::init(Config::new().lock_path("/run/cinder"));
    /// assert!(again.unwrap_err().is_already_initialized());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_already_initialized(&self) -> bool {
        matches!(*self.0, Kind::AlreadyInitialized { .. })
    }

    /// True when the file system, the engine or this build cannot do what was asked for, or the engine does not promise what was
    /// [required](crate::Lock::require). It never means that a lock was skipped.
    ///
    /// ```
    /// let permits = lockutils::semaphore("is-unsupported-example", 4).reentrant(2); // permits belong to nobody
    /// assert!(permits.acquire().unwrap_err().is_unsupported());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_unsupported(&self) -> bool {
        match &*self.0 {
            Kind::Unsupported { .. }
            | Kind::FileSystem { .. }
            | Kind::Unpromised { .. }
            | Kind::NoPromises { .. } => true,
            // Those of link(2) where there are none.
            Kind::Io { doing: LINKING, source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                source.raw_os_error() == Some(nix::libc::EPERM)
            }
            Kind::Io { source, .. } => is_unsupported(source),
            _ => false,
        }
    }

    /// True when the lock file or its directory may not be opened, made or changed by this user, or when the engine of a
    /// distributed lock refuses this user. Another `lock_path` helps, or another owner or mode, or another user and password.
    ///
    /// ```no_run
    /// // Not run here, since root gets the lock.
    /// match lockutils::lock("x").external().lock_path("/root/locks").acquire() {
    ///     Ok(guard) => drop(guard), // the work
    ///     Err(error) if error.is_permission() => eprintln!("{error}"), // says what to do
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_permission(&self) -> bool {
        let kind = |source: &io::Error| source.kind();
        let of_file = matches!(
            self.io().map(kind),
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
        );
        of_file || matches!(*self.0, Kind::Engine { failure: Failure::Denied(_), .. })
    }

    /// True when what stands at the path of the lock file is not a regular file: a symbolic link, a
    /// directory, a FIFO, a device; or one of the other [`Mechanism`]. With [`Mechanism::Pid`], also when it is a file that does
    /// not say who has it.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// std::fs::create_dir(dir.path().join("x")).unwrap();
    /// assert!(locks.lock("x").external().acquire().unwrap_err().is_not_a_file());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_not_a_file(&self) -> bool {
        matches!(*self.0, Kind::NotAFile { .. } | Kind::NamesNobody { .. } | Kind::OtherMechanism { .. })
    }

    /// True when the lock was lost while it was held: its file was removed or replaced by somebody who did not take the
    /// lock for it, or the lease of a distributed lock has run out or was ended.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let guard = locks.lock("x").external().acquire()?;
    /// std::fs::remove_file(guard.path().unwrap()).unwrap(); // somebody cleans up by hand
    /// assert!(guard.check().unwrap_err().is_lost());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_lost(&self) -> bool {
        matches!(*self.0, Kind::Lost { .. } | Kind::LostInEngine { .. })
    }

    /// True when a [`Fence`](crate::Fence) has seen a larger fencing token.
    ///
    /// ```
    /// let fence = lockutils::Fence::from_highest(2);
    /// assert!(fence.check(1).unwrap_err().is_fenced());
    /// ```
    pub fn is_fenced(&self) -> bool {
        matches!(*self.0, Kind::Fenced { .. })
    }

    /// True when a system call on the lock file or its directory failed; the cause is this error's
    /// [`source`](std::error::Error::source), an [`io::Error`] with its number.
    ///
    /// ```
    /// use std::error::Error as _;
    /// # let dir = lockutils::testing::temp_locks()?;
    /// let file = dir.path().join("file");
    /// std::fs::write(&file, "").unwrap();
    /// let error = lockutils::lock("x").external().lock_path(&file).acquire().unwrap_err(); // no directory
    /// assert!(error.is_io());
    /// let cause = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
    /// assert_eq!(cause.kind(), std::io::ErrorKind::NotADirectory);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_io(&self) -> bool {
        matches!(*self.0, Kind::Io { .. })
    }

    /// The name of the lock, where the error is about one.
    ///
    /// ```
    /// let error = lockutils::semaphore("name-example", 0).prefix("nova").acquire().unwrap_err();
    /// assert_eq!(error.name(), Some("nova-name-example")); // with its prefix
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn name(&self) -> Option<&str> {
        match &*self.0 {
            Kind::Name { name, .. }
            | Kind::NoLockPath { name }
            | Kind::Timeout(Wait { name, .. })
            | Kind::Cancelled(Wait { name, .. })
            | Kind::Busy(Wait { name, .. })
            | Kind::WouldDeadlock { name, .. }
            | Kind::LimitReached { name, .. }
            | Kind::Lost { name, .. }
            | Kind::LostInEngine { name, .. }
            | Kind::Engine { name, .. }
            | Kind::Unpromised { name, .. }
            | Kind::NoPromises { name, .. }
            | Kind::NoBackend { name }
            | Kind::Mismatch { name, .. }
            | Kind::ZeroPermits { name }
            | Kind::Unsupported { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The path of the lock file or directory, where the error is about one.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// # std::fs::create_dir(dir.path().join("x")).unwrap();
    /// let error = locks.lock("x").external().acquire().unwrap_err(); // a directory is in its place
    /// assert_eq!(error.path().unwrap(), dir.path().join("x"));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Kind::Timeout(wait) | Kind::Cancelled(wait) | Kind::Busy(wait) => wait.path.as_deref(),
            Kind::NotAFile { path, .. }
            | Kind::NamesNobody { path }
            | Kind::OtherMechanism { path, .. }
            | Kind::Io { path, .. }
            | Kind::FileSystem { path, .. }
            | Kind::Insecure { path }
            | Kind::Lost { path, .. } => Some(path),
            _ => None,
        }
    }

    /// How long was waited, where the error ended a wait.
    ///
    /// ```
    /// use std::time::Duration;
    /// # let held = lockutils::lock("waited-example").acquire()?;
    /// let lock = lockutils::lock("waited-example").timeout(Duration::from_millis(5)); // somebody has it
    /// assert!(lock.acquire().unwrap_err().waited() >= Some(Duration::from_millis(5)));
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn waited(&self) -> Option<Duration> {
        match &*self.0 {
            Kind::Timeout(wait) | Kind::Cancelled(wait) | Kind::Busy(wait) => Some(wait.waited),
            _ => None,
        }
    }

    pub(crate) fn io(&self) -> Option<&io::Error> {
        if let Kind::Io { source, .. } = &*self.0 { Some(source) } else { None }
    }
}

fn is_unsupported(source: &io::Error) -> bool {
    use nix::errno::Errno;
    let known = [Errno::ENOSYS, Errno::ENOLCK, Errno::EOPNOTSUPP];
    source.raw_os_error().is_some_and(|number| known.contains(&Errno::from_raw(number)))
}

impl From<Kind> for Error {
    #[cold]
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

/// What a pid file is made by.
pub(crate) const LINKING: &str = "give its name to lock file";

/// What is done with a lock of an engine, where the way out depends on it.
pub(crate) const TAKING: &str = "take";
pub(crate) const LOOKING: &str = "look at";

impl Error {
    #[cold]
    pub(crate) fn io_at(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Kind::Io { doing, path: path.to_owned(), source: source.into() }.into()
    }

    /// What an engine has answered about a lock.
    #[cold]
    pub(crate) fn of_engine(name: &str, location: &str, doing: &'static str, failure: Failure) -> Self {
        let (name, location) = (name.to_owned(), location.to_owned());
        match failure {
            Failure::Lost(loss) => Kind::LostInEngine { name, location, loss },
            Failure::Unsupported { what, instead } => Kind::Unsupported { name, what, instead },
            failure => Kind::Engine { name, location, doing, failure },
        }
        .into()
    }

    /// Why what stands at the path of a lock file is none of the kind that is looked for.
    pub(crate) fn foreign(&self) -> Option<&'static str> {
        match *self.0 {
            Kind::NotAFile { .. } => Some("it is not a regular file"),
            Kind::NamesNobody { .. } => Some("it does not say who has it, as pid files do"),
            Kind::OtherMechanism { found: Mechanism::Kernel, .. } => {
                Some("it was made for a lock of the kernel")
            }
            Kind::OtherMechanism { found: Mechanism::Pid, .. } => Some("it is a pid file"),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&format_args!("{}", self.0)).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Kind::Io { source, .. } => Some(source),
            Kind::Config { source: Some(source), .. } => Some(&**source),
            Kind::Engine { failure, .. } => std::error::Error::source(failure),
            _ => None,
        }
    }
}

/// Keeps the kind: a time-out is [`io::ErrorKind::TimedOut`], a busy lock `WouldBlock`, a failed system call
/// its own.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &*error.0 {
            Kind::Timeout(_) => io::ErrorKind::TimedOut,
            Kind::Busy(_) => io::ErrorKind::WouldBlock,
            Kind::Cancelled(_) => io::ErrorKind::Interrupted,
            Kind::WouldDeadlock { .. } => io::ErrorKind::Deadlock,
            Kind::Unsupported { .. }
            | Kind::FileSystem { .. }
            | Kind::Unpromised { .. }
            | Kind::NoPromises { .. } => io::ErrorKind::Unsupported,
            Kind::Insecure { .. }
            | Kind::Engine { failure: Failure::Denied(_) | Failure::Untrusted(_), .. } => {
                io::ErrorKind::PermissionDenied
            }
            Kind::Engine { failure: Failure::Unreachable(_), .. } => io::ErrorKind::NotConnected,
            Kind::Name { .. }
            | Kind::NoLockPath { .. }
            | Kind::NoBackend { .. }
            | Kind::Config { .. }
            | Kind::ZeroPermits { .. } => io::ErrorKind::InvalidInput,
            Kind::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
