//! What a service configures.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::distributed::{self, BackendUrl};
use crate::error::{Error, Kind, Shown};
use crate::external::Mechanism;
use crate::external::filesystem::{Policy, Rules};
use crate::name::{self, LONGEST, NameRule};
use crate::observe::Limits;

#[cfg(feature = "oslo-config")]
mod oslo;
#[cfg(feature = "serde")]
mod serialize;

/// Where lock files are and how they are called: the `[lockutils]` section of a service's configuration.
///
/// Made in code, from any serde format (feature `serde`), [from the environment](Self::from_env) or from an
/// oslo ini file (feature `oslo-config`, `Config::from_oslo_ini`); given to [`init`](crate::init) for the
/// whole process or to [`Locks::new`](crate::Locks::new). What is said on a call or in an attribute comes
/// first, then what a [`Locks`](crate::Locks) says, then this.
///
/// | key | what | default |
/// |---|---|---|
/// | `lock_path` | the directory of the lock files | none: external locks are refused |
/// | `lock_file_prefix` | put before each name, with a hyphen | none |
/// | `lock_file_mode` | the mode of new lock files, exactly (the umask is not applied) | `0o600` |
/// | `disable_process_locking` | external locks become internal ones | `false` |
/// | `mechanism` | `kernel` or `pid`: locks of the kernel, or files that name their owner | [`kernel`](Mechanism) |
/// | `network_filesystems` | whether lock directories on network file systems are refused, warned of or allowed | [by kind](crate::Policy) |
/// | `insecure_lock_path` | lets the lock directory be one that everybody may write to, without a sticky bit | `false` |
/// | `backend_url` | where the engine of [distributed](crate::distributed) locks is | none: lock files take its place, with a warning in the log |
/// | `session_ttl` | how long an engine keeps what a process holds after its last sign of life | 10 s |
/// | `timeout` | the limit of every wait that has none of its own | none: such waits end with the lock |
/// | `warn_wait` | how long a wait may take before a warning is logged (feature `tracing`) | none: nothing is logged |
/// | `warn_hold` | the same of how long a lock is held | none: nothing is logged |
///
/// A directory that is missing is made, with mode 0700; a relative one is resolved once, when the
/// configuration is taken over. To disable process locking is for tests, and for services of one process. The
/// `timeout` does not count for attributes that cannot fail.
///
/// ```
/// use lockutils::Config;
///
/// let config = Config::new().lock_path("/run/nova").lock_file_prefix("nova");
/// assert_eq!(config.lock_path.unwrap().to_str(), Some("/run/nova"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Config {
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    /// The directory of the lock files.
    pub lock_path: Option<PathBuf>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    /// What stands before each name.
    pub lock_file_prefix: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none", with = "serialize::mode"))]
    /// The mode of new lock files; unset means `0o600`.
    pub lock_file_mode: Option<u32>,
    /// Whether external locks become internal ones.
    pub disable_process_locking: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_default"))]
    /// How lock files exclude other processes.
    pub mechanism: Mechanism,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    /// What to do about lock directories on network file systems; unset means by kind.
    pub network_filesystems: Option<Policy>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    /// Whether everybody may write to the lock directory.
    pub insecure_lock_path: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    /// Where the engine of distributed locks is.
    pub backend_url: Option<BackendUrl>,
    #[cfg_attr(
        feature = "serde",
        serde(skip_serializing_if = "Option::is_none", with = "serialize::duration")
    )]
    /// How long an engine keeps what a process holds after its last sign of life; unset means 10 s.
    pub session_ttl: Option<Duration>,
    #[cfg_attr(
        feature = "serde",
        serde(skip_serializing_if = "Option::is_none", with = "serialize::duration")
    )]
    /// The limit of waits that have none of their own.
    pub timeout: Option<Duration>,
    #[cfg_attr(
        feature = "serde",
        serde(skip_serializing_if = "Option::is_none", with = "serialize::duration")
    )]
    /// How long a wait may take before that is logged.
    pub warn_wait: Option<Duration>,
    #[cfg_attr(
        feature = "serde",
        serde(skip_serializing_if = "Option::is_none", with = "serialize::duration")
    )]
    /// How long a lock may be held before that is logged.
    pub warn_hold: Option<Duration>,
    /// What the environment says of `disable_process_locking` and is no boolean: refused when it is bound.
    #[cfg_attr(feature = "serde", serde(skip))]
    no_boolean: Option<String>,
    /// The same of `mechanism`.
    #[cfg_attr(feature = "serde", serde(skip))]
    no_mechanism: Option<String>,
    /// What is wrong with a `backend_url` that was given as a text.
    #[cfg_attr(feature = "serde", serde(skip))]
    no_url: Option<String>,
    /// What the environment says of `session_ttl` and is no length of time.
    #[cfg_attr(feature = "serde", serde(skip))]
    no_ttl: Option<String>,
}

const DISABLE: &str = "LOCKUTILS_DISABLE_PROCESS_LOCKING";
const MECHANISM: &str = "LOCKUTILS_MECHANISM";
const BACKEND_URL: &str = "LOCKUTILS_BACKEND_URL";
const SESSION_TTL: &str = "LOCKUTILS_SESSION_TTL";

impl Config {
    /// Makes a configuration in which nothing is set.
    ///
    /// ```
    /// assert!(lockutils::Config::new().lock_path.is_none());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the environment: `LOCKUTILS_LOCK_PATH`, else `OSLO_LOCK_PATH`; `LOCKUTILS_LOCK_FILE_PREFIX`;
    /// `LOCKUTILS_DISABLE_PROCESS_LOCKING` (`true`, `yes`, `on` or `1`; `false`, `no`, `off` or `0`);
    /// `LOCKUTILS_MECHANISM` (`kernel` or `pid`); `LOCKUTILS_BACKEND_URL`; `LOCKUTILS_SESSION_TTL` (`10s`, or `10`). An empty
    /// variable counts as unset.
    ///
    /// This is what the process uses when nobody calls [`init`](crate::init). A value that cannot be used is
    /// an error ([`Error::is_config`]) where the configuration is taken over: of [`init`](crate::init), of
    /// [`Locks::new`](crate::Locks::new), or of each lock that is taken without them.
    ///
    /// ```
    /// let config = lockutils::Config::from_env();
    /// # let _ = config;
    /// ```
    pub fn from_env() -> Self {
        let set = |key| env::var_os(key).filter(|value| !value.is_empty());
        let text = |key| set(key).map(|value| value.to_string_lossy().into_owned());
        let (said, named) = (text(DISABLE), text(MECHANISM));
        let disabled = said.as_deref().and_then(boolean);
        let mechanism = named.as_deref().and_then(Mechanism::named);
        let lived = text(SESSION_TTL);
        let session_ttl = lived.as_deref().and_then(length);
        let config = Self {
            lock_path: set("LOCKUTILS_LOCK_PATH").or_else(|| set("OSLO_LOCK_PATH")).map(PathBuf::from),
            // What is no text becomes one with a control character, which is refused when it is bound.
            lock_file_prefix: set("LOCKUTILS_LOCK_FILE_PREFIX").map(|prefix| {
                prefix.into_string().unwrap_or_else(|other| format!("{}\0", other.to_string_lossy()))
            }),
            disable_process_locking: disabled.unwrap_or(false),
            mechanism: mechanism.unwrap_or_default(),
            no_boolean: said.filter(|_| disabled.is_none()),
            no_mechanism: named.filter(|_| mechanism.is_none()),
            session_ttl,
            no_ttl: lived.filter(|_| session_ttl.is_none()),
            ..Self::default()
        };
        match text(BACKEND_URL) {
            Some(url) => config.backend_url(url),
            None => config,
        }
    }

    /// Sets the directory of the lock files.
    ///
    /// ```
    /// let config = lockutils::Config::new().lock_path("/run/nova");
    /// assert!(config.lock_path.is_some());
    /// ```
    #[must_use]
    pub fn lock_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.lock_path = Some(path.into());
        self
    }

    /// Sets what stands before each name. `nova` and `nova-` are the same.
    ///
    /// ```
    /// let config = lockutils::Config::new().lock_file_prefix("nova");
    /// assert_eq!(config.lock_file_prefix.as_deref(), Some("nova"));
    /// ```
    #[must_use]
    pub fn lock_file_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.lock_file_prefix = Some(prefix.into());
        self
    }

    /// Sets the mode of new lock files, such as `0o660` for a group that shares them.
    ///
    /// A mode that lets others open the file lets them hold the lock.
    ///
    /// ```
    /// let config = lockutils::Config::new().lock_file_mode(0o660);
    /// assert_eq!(config.lock_file_mode, Some(0o660));
    /// ```
    #[must_use]
    pub fn lock_file_mode(mut self, mode: u32) -> Self {
        self.lock_file_mode = Some(mode);
        self
    }

    /// Makes external locks internal, as oslo's option of this name does.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new().disable_process_locking(true))?;
    /// let guard = locks.lock("x").external().acquire()?; // needs no lock_path
    /// assert!(guard.path().is_none());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[must_use]
    pub fn disable_process_locking(mut self, yes: bool) -> Self {
        self.disable_process_locking = yes;
        self.no_boolean = None;
        self
    }

    /// Sets where the engine of [`distributed`](crate::Lock::distributed) locks is: `redis://…`, `etcd://…`, `zookeeper://…`,
    /// `memory:` for tests, or `file:///run/nova` for the lock files of this host. See [`distributed`](crate::distributed).
    ///
    /// What cannot be used is an error ([`Error::is_config`]) where the configuration is taken over. User, password and keys of
    /// the URL are not shown in messages, nor by [`Debug`]; they are when the configuration is serialised.
    ///
    /// ```
    /// let config = lockutils::Config::new().backend_url("etcd://root:secret@a:2379,b:2379");
    /// assert!(!format!("{config:?}").contains("secret"));
    /// ```
    #[must_use]
    pub fn backend_url(mut self, url: impl AsRef<str>) -> Self {
        let parsed = BackendUrl::parse(url.as_ref());
        self.no_url = parsed.as_ref().err().map(ToString::to_string);
        self.backend_url = parsed.ok();
        self
    }

    /// Sets how long an engine keeps what this process holds after its last sign of life. It is kept alive three times as
    /// often. Shorter: the locks of a process that died are free sooner, and a shorter interruption loses locks.
    ///
    /// ```
    /// let config = lockutils::Config::new().session_ttl(std::time::Duration::from_secs(30));
    /// assert!(config.session_ttl.is_some());
    /// ```
    #[must_use]
    pub fn session_ttl(mut self, ttl: Duration) -> Self {
        self.session_ttl = Some(ttl);
        self.no_ttl = None;
        self
    }

    /// Sets how lock files exclude other processes: by locks of the kernel, or by naming their owner.
    ///
    /// ```
    /// use lockutils::{Config, Mechanism};
    /// let config = Config::new().lock_path("/mnt/share/locks").mechanism(Mechanism::Pid);
    /// assert_eq!(config.mechanism, Mechanism::Pid);
    /// ```
    #[must_use]
    pub fn mechanism(mut self, mechanism: Mechanism) -> Self {
        self.mechanism = mechanism;
        self.no_mechanism = None;
        self
    }

    /// Says what to do about lock directories on network file systems, of whatever kind. The kernel keeps the locks of
    /// local ones by itself; on others, somebody else decides whether they are kept.
    ///
    /// ```
    /// use lockutils::{Config, Policy};
    /// let config = Config::new().network_filesystems(Policy::Refuse);
    /// assert_eq!(config.network_filesystems, Some(Policy::Refuse));
    /// ```
    #[must_use]
    pub fn network_filesystems(mut self, policy: Policy) -> Self {
        self.network_filesystems = Some(policy);
        self
    }

    /// Lets the lock directory be one that everybody may write to, although it has no sticky bit: then everybody may
    /// remove the lock files of others, and two hold one lock.
    ///
    /// ```
    /// let config = lockutils::Config::new().insecure_lock_path(true);
    /// assert!(config.insecure_lock_path);
    /// ```
    #[must_use]
    pub fn insecure_lock_path(mut self, yes: bool) -> Self {
        self.insecure_lock_path = yes;
        self
    }

    /// Limits every wait that has no limit of its own. A purely internal attribute without a limit ignores
    /// it.
    ///
    /// ```
    /// use std::time::Duration;
    /// let locks = lockutils::Locks::new(lockutils::Config::new().timeout(Duration::from_millis(5)))?;
    /// let guard = locks.lock("x").acquire()?;
    /// assert!(locks.lock("x").acquire().unwrap_err().is_timeout());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Logs a warning when a wait lasts longer than this (feature `tracing`): while it still lasts, with the holder and the
    /// place in the source that waits, and once more when it has got the lock.
    ///
    /// A wait for a lock file then goes the way of waits with a limit, which costs its wake-up some microseconds more.
    ///
    /// ```
    /// let config = lockutils::Config::new().warn_wait(std::time::Duration::from_secs(10));
    /// assert!(config.warn_wait.is_some());
    /// ```
    #[must_use]
    pub fn warn_wait(mut self, limit: Duration) -> Self {
        self.warn_wait = Some(limit);
        self
    }

    /// Logs a warning when a lock was held longer than this (feature `tracing`): when it is let go, with the place in the
    /// source where it was taken. Who waits for a lock that is never let go has [`warn_wait`](Self::warn_wait).
    ///
    /// Every acquire of the process then looks at the clock, which costs some hundred nanoseconds.
    ///
    /// ```
    /// let config = lockutils::Config::new().warn_hold(std::time::Duration::from_secs(60));
    /// assert!(config.warn_hold.is_some());
    /// ```
    #[must_use]
    pub fn warn_hold(mut self, limit: Duration) -> Self {
        self.warn_hold = Some(limit);
        self
    }

    /// Takes the directory from the environment if none is set, together with the mechanism that is used there; and the engine
    /// of distributed locks if none is set: as [`init`](crate::init) does, for a registry of one's own.
    ///
    /// ```
    /// let config = lockutils::Config::new().lock_path("/run/nova").or_environment();
    /// assert_eq!(config.lock_path.unwrap().to_str(), Some("/run/nova"));
    /// ```
    #[must_use]
    pub fn or_environment(mut self) -> Self {
        if self.path().is_none() {
            let there = Self::from_env();
            self.lock_path = there.lock_path;
            if self.mechanism == Mechanism::default() {
                (self.mechanism, self.no_mechanism) = (there.mechanism, there.no_mechanism);
            }
        }
        if self.backend_url.is_none() && self.no_url.is_none() {
            let there = Self::from_env();
            (self.backend_url, self.no_url) = (there.backend_url, there.no_url);
            if self.session_ttl.is_none() {
                (self.session_ttl, self.no_ttl) = (there.session_ttl, there.no_ttl);
            }
        }
        self
    }

    /// Whether lock files stand in for an engine.
    pub(crate) fn has_files_for_engine(&self) -> bool {
        self.backend_url.as_ref().is_none_or(|url| url.scheme() == FILE)
    }

    /// Their directory, if it is not that of external locks.
    pub(crate) fn backend_path(&self) -> Option<PathBuf> {
        let url = self.backend_url.as_ref().filter(|url| url.scheme() == FILE)?;
        Some(Path::new("/").join(url.path())).filter(|path| self.path() != Some(path))
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.session_ttl.unwrap_or(distributed::SESSION_TTL)
    }

    /// The directory; an empty one counts as unset.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.lock_path.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// The prefix; empty if none is set.
    pub(crate) fn prefix(&self) -> &str {
        self.lock_file_prefix.as_deref().unwrap_or_default()
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            mechanism: self.mechanism,
            network: self.network_filesystems,
            insecure: self.insecure_lock_path,
        }
    }

    pub(crate) fn mode(&self) -> u32 {
        self.lock_file_mode.unwrap_or(0o600)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { wait: self.warn_wait, hold: self.warn_hold }
    }

    /// Checks it, and resolves a relative directory once and for all.
    pub(crate) fn bound(mut self) -> Result<Self, Error> {
        if let Some(said) = &self.no_boolean {
            return Err(wrong(format!(
                "the environment variable {DISABLE} is {said:?}, which is no boolean: set it to {BOOLEANS}"
            )));
        }
        if let Some(said) = &self.no_mechanism {
            return Err(wrong(format!(
                "the environment variable {MECHANISM} is {said:?}, which is no mechanism: set it to kernel or pid"
            )));
        }
        if let Some(what) = &self.no_url {
            return Err(wrong(what.clone()));
        }
        if let Some(said) = &self.no_ttl {
            return Err(wrong(format!(
                "the environment variable {SESSION_TTL} is {said:?}, which is no length of time: set it to one such as 10s"
            )));
        }
        self.session_ttl.map_or(Ok(()), distributed::check_ttl)?;
        self.check_file_url()?;
        let prefix = self.prefix();
        if let Err(rule) = name::checked(prefix, "x", false) {
            let why = match rule {
                NameRule::TooLong(_) => {
                    format!("a file name has at most {LONGEST} bytes, and it leaves none for a name")
                }
                rule => rule.to_string(),
            };
            return Err(wrong(format!("lock_file_prefix {:?} cannot be used: {why}", Shown(prefix))));
        }
        if let Some(mode) = self.lock_file_mode.filter(|mode| *mode & !0o777 != 0 || mode & 0o600 != 0o600) {
            return Err(wrong(format!(
                "lock_file_mode {mode:#o} cannot be used: it is made of permission bits, and the owner must be able \
                 to read and write; write it in octal digits, such as \"0660\" (0o660)"
            )));
        }
        if let Some(path) = self.path() {
            self.lock_path = Some(absolute(path)?);
        }
        self.limits().announce();
        Ok(self)
    }
}

impl Config {
    /// The directory of `file:` is an absolute one of this host, and has no other options than external locks have.
    fn check_file_url(&self) -> Result<(), Error> {
        let Some(url) = self.backend_url.as_ref().filter(|url| url.scheme() == FILE) else { return Ok(()) };
        url.expect_keys(&[])?;
        let is_absolute = url.as_written().get(FILE.len()..).is_some_and(|rest| rest.starts_with(":///"));
        if !is_absolute || url.path().is_empty() {
            return Err(wrong(format!(
                "backend_url `{url}` cannot be used: write an absolute path behind three slashes, such as file:///run/nova"
            )));
        }
        absolute(&Path::new("/").join(url.path())).map(drop)
    }
}

/// The scheme of lock files.
const FILE: &str = "file";

/// A directory of lock files, wherever the process goes.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        let shown = path.to_string_lossy();
        return Err(wrong(format!("lock_path {:?} cannot be used: it has a NUL in it", Shown(&shown))));
    }
    std::path::absolute(path).map_err(|error| Error::io_at("find the current directory for", path, error))
}

#[cfg(feature = "serde")]
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A length of time: a number of seconds, as in a file, or with its units.
fn length(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.or_else(|| humantime::parse_duration(text).ok())
}

const BOOLEANS: &str = "true, yes, on or 1, or to false, no, off or 0";

/// The booleans of oslo.config, in any case.
fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

fn wrong(what: String) -> Error {
    Kind::Config { what, source: None }.into()
}
