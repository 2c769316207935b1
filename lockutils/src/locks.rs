//! A registry of locks with its configuration, and the one of the process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Weak};

use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use crate::config::{self, Config};
use crate::distributed::{Backend, Engine};
use crate::error::{Error, Kind};
use crate::external::{Directory, FileId};
use crate::internal::Mode;
use crate::lock::Lock;
use crate::many::LockAll;
use crate::name;
use crate::registry::{CellRef, Home, Namespace};
use crate::trace;

/// A registry of named locks together with its configuration. Cheap to clone; clones share everything.
///
/// One is the process-wide default, behind [`lock`](crate::lock), [`semaphore`](crate::semaphore),
/// [`lock_all`](crate::lock_all) and the attribute; it is configured by [`init`](crate::init) or the
/// environment. A library or a test can have its own with [`Locks::new`]: internal locks of two registries do
/// not exclude each other; external ones of the same directory do, since they meet in the file.
///
/// ```
/// use lockutils::{Config, Locks};
///
/// static NOVA: Locks = lockutils::with_prefix("nova");
///
/// let guard = NOVA.lock("volumes").acquire()?;
/// assert_eq!(guard.name(), "nova-volumes");
///
/// let own = Locks::new(Config::new())?;
/// let other = own.lock("nova-volumes").acquire()?; // another registry, another lock
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone)]
pub struct Locks(Root);

#[derive(Clone)]
enum Root {
    /// The registry of the process, with a prefix that a static has said.
    Process(Option<&'static str>),
    /// Any other: one count to share both.
    Own(Arc<Own>),
}

struct Own {
    /// `None`: that of the process.
    shared: Option<Arc<Shared>>,
    /// Said by `with_prefix`; otherwise the configuration decides.
    prefix: Option<String>,
}

/// What all clones share.
pub(crate) struct Shared {
    /// Set by `init` or `new`, or bound from the environment by the first external lock.
    config: OnceCell<Config>,
    /// What the environment says, once somebody has asked.
    environment: OnceCell<Config>,
    /// The environment, as internal locks saw it that were taken before `config` was set.
    early: OnceCell<Config>,
    /// `main`, once one of the two above is there and has no prefix; otherwise null. It stays so: `init` does not
    /// change the prefix of locks that were taken.
    unprefixed: AtomicPtr<Namespace>,
    /// Held while one of the two above is decided.
    binding: Mutex<()>,
    /// The locks of the configured directory, and those of none. Made when they are first needed.
    main: OnceCell<Home>,
    /// The locks of directories that were named on a call.
    others: Mutex<Vec<Other>>,
    /// The engine, once it is needed, in this process; or one that was given.
    engine: Mutex<Option<Arc<Engine>>>,
    given: Option<Given>,
    /// Whether it was told that lock files stand in for an engine that nobody has named.
    told_of_stand_in: AtomicBool,
}

/// A client of an engine of the user's.
type Given = Arc<dyn Backend>;

struct Other {
    path: PathBuf,
    namespace: Weak<Namespace>,
}

impl Other {
    /// Whether it is this directory, however it is spelled. Asked of the system each time: it may have been
    /// made since.
    fn is(&self, path: &Path) -> bool {
        self.namespace.strong_count() > 0 && same_directory(&self.path, path)
    }
}

/// Two spellings of one directory: by what they lead to, or, while there is nothing, by the nearest directory
/// above that there is and the rest of the path.
fn same_directory(one: &Path, other: &Path) -> bool {
    one == other || resolved(one) == resolved(other)
}

fn resolved(path: &Path) -> (Option<FileId>, PathBuf) {
    let mut rest = PathBuf::new();
    for above in path.ancestors() {
        if let Some(id) = FileId::of_directory(above) {
            return (Some(id), rest);
        }
        // `new/..` is nowhere as long as there is no `new`: then it is read as it would be if there were.
        match above.file_name() {
            Some(name) => rest = Path::new(name).join(rest),
            None => rest = Path::new("..").join(rest),
        }
    }
    (None, path.to_owned())
}

static PROCESS: Shared = Shared::new();

/// The process-wide registry.
///
/// ```
/// let held = lockutils::lock("seen").acquire()?;
/// assert!(!lockutils::locks().is_empty());
/// # Ok::<(), lockutils::Error>(())
/// ```
#[inline]
pub fn locks() -> &'static Locks {
    const { &Locks(Root::Process(None)) }
}

/// Configures the process-wide registry: once, at the start. Functions that were annotated before are bound
/// late and follow it.
///
/// A directory that `config` does not set is taken from the environment (`LOCKUTILS_LOCK_PATH`, else
/// `OSLO_LOCK_PATH`), together with the mechanism that is used there (`LOCKUTILS_MECHANISM`); an engine that it does not
/// set likewise (`LOCKUTILS_BACKEND_URL`), together with its session (`LOCKUTILS_SESSION_TTL`). Without this call, the process takes its configuration [from the environment](Config::from_env) when it first needs it.
///
/// # Errors
///
/// - [`Error::is_already_initialized`] when it was called before, or when a lock was taken already that would
///   be another one from now on: an external one, or any if the prefix changes.
/// - [`Error::is_config`] when the configuration cannot be used.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("lockutils-doc-init-{}", std::process::id()));
/// lockutils::init(lockutils::Config::new().lock_path(&dir))?;
/// let guard = lockutils::lock("volumes").external().acquire()?;
/// assert_eq!(guard.path().unwrap(), dir.join("volumes"));
/// # drop(guard);
/// # std::fs::remove_dir_all(dir).ok();
/// # Ok::<(), lockutils::Error>(())
/// ```
pub fn init(config: Config) -> Result<(), Error> {
    let config = config.or_environment().bound()?;
    let _binding = PROCESS.binding.lock();
    let separated = |config: &Config| name::join(config.prefix(), "").to_string();
    if PROCESS.early.get().is_some_and(|early| separated(early) != separated(&config)) {
        let why = "locks were taken before the configuration gave them a prefix";
        return Err(Kind::AlreadyInitialized { why }.into());
    }
    let others = PROCESS.others.lock();
    if config.path().is_some_and(|path| others.iter().any(|other| other.is(path))) {
        let why = "a lock in use has named the configured directory as its own `lock_path`";
        return Err(Kind::AlreadyInitialized { why }.into());
    }
    PROCESS.config.set(config).map_err(|_| {
        Kind::AlreadyInitialized { why: "the process has its lock configuration already" }.into()
    })
}

/// The process-wide registry with a prefix before each name: what a service or a library declares once.
/// `nova` and `nova-` are the same. It takes the place of oslo's `lock_with_prefix`,
/// `synchronized_with_prefix` and `remove_external_lock_file_with_prefix`.
///
/// A prefix that cannot be part of a file name is reported by each acquire.
///
/// ```
/// static NOVA: lockutils::Locks = lockutils::with_prefix("nova");
///
/// #[lockutils::synchronized("volumes", locks = NOVA)]
/// fn resize() {}
///
/// resize();
/// assert_eq!(NOVA.lock("volumes").acquire()?.name(), "nova-volumes");
/// # Ok::<(), lockutils::Error>(())
/// ```
pub const fn with_prefix(prefix: &'static str) -> Locks {
    Locks(Root::Process(Some(prefix)))
}

impl Locks {
    /// Makes a registry of its own.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] when the configuration cannot be used. Nothing is opened or made yet.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new().lock_file_prefix("mine"))?;
    /// assert_eq!(locks.lock("x").acquire()?.name(), "mine-x");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::make(config, None)
    }

    /// Makes a registry whose [`distributed`](Lock::distributed) locks are kept by this client of an engine, whatever
    /// `backend_url` says: for an engine of one's own, and for tests that look at one. The registry
    /// [closes](Backend::close) it in the end. It is not used in a forked child, where such locks are errors.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// ```
    /// use lockutils::{Config, Locks, distributed::{self, BackendUrl}};
    /// let backend = distributed::connect(&BackendUrl::parse("memory:")?, std::time::Duration::from_secs(10))?;
    /// let locks = Locks::with_backend(Config::new(), backend)?;
    /// let guard = locks.lock("x").distributed().acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn with_backend(config: Config, backend: Arc<dyn Backend>) -> Result<Self, Error> {
        Self::make(config, Some(backend))
    }

    /// The client of the engine that keeps the [`distributed`](Lock::distributed) locks of this registry; `None` if lock files
    /// take its place. For what it [promises](Backend::promises), and which [cluster](Backend::cluster) it is.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] when its URL cannot be used. It is not asked whether it can be reached.
    ///
    /// ```
    /// use lockutils::{Config, Locks, distributed::Promise};
    /// let locks = Locks::new(Config::new().backend_url("memory:"))?;
    /// assert!(locks.backend()?.unwrap().promises().has(Promise::Fenced));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn backend(&self) -> Result<Option<Arc<dyn Backend>>, Error> {
        Ok(self.shared().engine()?.map(|engine| Arc::clone(engine.backend())))
    }

    fn make(config: Config, given: Option<Given>) -> Result<Self, Error> {
        let (home, config) = (Home::Own(Arc::new(Namespace::new())), config.bound()?);
        let shared = Shared {
            main: OnceCell::with_value(home),
            config: OnceCell::with_value(config),
            engine: Mutex::new(given.clone().map(Engine::of)),
            given,
            ..Shared::new()
        };
        Ok(Self(Root::Own(Arc::new(Own { shared: Some(Arc::new(shared)), prefix: None }))))
    }

    /// The same registry with a prefix before each name, instead of the one it had.
    ///
    /// ```
    /// let cinder = lockutils::locks().with_prefix("cinder");
    /// assert_eq!(cinder.lock("x").acquire()?.name(), "cinder-x");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[must_use]
    pub fn with_prefix(&self, prefix: impl Into<String>) -> Self {
        let shared = match &self.0 {
            Root::Process(_) => None,
            Root::Own(own) => own.shared.clone(),
        };
        Self(Root::Own(Arc::new(Own { shared, prefix: Some(prefix.into()) })))
    }

    /// Names a lock. See [`lockutils::lock`](crate::lock).
    ///
    /// ```
    /// let guard = lockutils::locks().lock("volumes").acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn lock(&self, name: impl AsRef<str>) -> Lock {
        match &self.0 {
            Root::Process(prefix) => Lock::new(Self(Root::Process(*prefix)), name.as_ref(), Mode::Write),
            Root::Own(_) => Lock::new(self.clone(), name.as_ref(), Mode::Write),
        }
    }

    /// Names a semaphore. See [`lockutils::semaphore`](crate::semaphore).
    ///
    /// ```
    /// let permit = lockutils::locks().semaphore("uploads", 4).acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn semaphore(&self, name: impl AsRef<str>, permits: u32) -> Lock {
        Lock::new(self.clone(), name.as_ref(), Mode::Permit(permits))
    }

    /// Names several locks that are taken together. See [`lockutils::lock_all`](crate::lock_all).
    ///
    /// ```
    /// let guards = lockutils::locks().lock_all(["b", "a"]).acquire()?;
    /// assert_eq!(guards.names().collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn lock_all<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> LockAll {
        LockAll::new(names.into_iter().map(|name| self.lock(name)).collect())
    }

    /// How many locks are in use: held, waited for, or kept by a handle. What has one identity, which is its
    /// full name and its directory, counts once. While others take and let go, the number is that of no
    /// single moment.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new())?;
    /// let guard = locks.lock("x").acquire()?;
    /// assert_eq!(locks.len(), 1);
    /// drop(guard);
    /// assert_eq!(locks.len(), 0);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        let shared = self.shared();
        let others = shared.others.lock();
        shared.main().len()
            + others
                .iter()
                .filter_map(|other| other.namespace.upgrade())
                .map(|home| home.len())
                .sum::<usize>()
    }

    /// A reference to each lock in use, in all directories.
    pub(crate) fn live(&self) -> Vec<CellRef> {
        let shared = self.shared();
        let others: Vec<_> =
            shared.others.lock().iter().filter_map(|other| other.namespace.upgrade()).collect();
        [shared.main().live()].into_iter().chain(others.iter().map(|home| home.live())).flatten().collect()
    }

    /// Whether no lock is in use.
    ///
    /// ```
    /// assert!(lockutils::Locks::new(lockutils::Config::new())?.is_empty());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives memory back that the registry keeps for names to come: worth a call after very many of them.
    ///
    /// ```
    /// lockutils::locks().shrink();
    /// ```
    pub fn shrink(&self) {
        self.shared().main().shrink();
    }

    /// The directory of the lock files, if one is configured.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new().lock_path("/run/nova"))?;
    /// assert_eq!(locks.lock_path().unwrap().to_str(), Some("/run/nova"));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn lock_path(&self) -> Option<PathBuf> {
        self.shared().asked().ok().and_then(|config| config.path().map(Path::to_owned))
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        match &self.0 {
            Root::Process(_) => &PROCESS,
            Root::Own(own) => own.shared.as_deref().unwrap_or(&PROCESS),
        }
    }

    /// What all clones share, unless this one has been given a prefix.
    #[inline]
    pub(crate) fn shared_as_configured(&self) -> Option<&Shared> {
        if self.said_prefix().is_none() { Some(self.shared()) } else { None }
    }

    /// The prefix of this registry's names.
    pub(crate) fn prefix(&self) -> Result<&str, Error> {
        self.said_prefix().map_or_else(|| self.shared().effective().map(Config::prefix), Ok)
    }

    /// What `with_prefix` has said, whatever the configuration is.
    #[inline]
    pub(crate) fn said_prefix(&self) -> Option<&str> {
        match &self.0 {
            Root::Process(prefix) => *prefix,
            Root::Own(own) => own.prefix.as_deref(),
        }
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks")
            .field("lock_path", &self.lock_path())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// That of the process.
    const fn new() -> Self {
        Self {
            config: OnceCell::new(),
            environment: OnceCell::new(),
            early: OnceCell::new(),
            unprefixed: AtomicPtr::new(ptr::null_mut()),
            binding: Mutex::new(()),
            main: OnceCell::new(),
            others: Mutex::new(Vec::new()),
            engine: Mutex::new(None),
            given: None,
            told_of_stand_in: AtomicBool::new(false),
        }
    }

    /// [`main`](Self::main), if it is known that the configuration gives its locks no prefix: then the name that was
    /// written is the full one.
    #[inline]
    pub(crate) fn unprefixed(&self) -> Option<&Namespace> {
        // SAFETY: null, or `main` of this, which is never replaced.
        unsafe { self.unprefixed.load(Acquire).as_ref() }
    }

    /// Remembers that for [`unprefixed`](Self::unprefixed).
    pub(crate) fn note_unprefixed(&self) {
        let main: &Namespace = self.main();
        self.unprefixed.store(ptr::from_ref(main).cast_mut(), Release);
    }

    /// The configuration, if anybody has needed it before.
    #[inline]
    pub(crate) fn known(&self) -> Option<&Config> {
        self.config.get().or_else(|| self.early.get())
    }

    /// The configuration as it is now, for a question: nothing comes too early by that.
    pub(crate) fn asked(&self) -> Result<&Config, Error> {
        self.known().map_or_else(|| self.environment(), Ok)
    }

    fn environment(&self) -> Result<&Config, Error> {
        self.environment.get_or_try_init(|| Config::from_env().bound())
    }

    /// The configuration as it is now, which for internal locks may still change.
    #[inline]
    pub(crate) fn effective(&self) -> Result<&Config, Error> {
        match self.known() {
            Some(config) => Ok(config),
            None => self.look_at_environment(),
        }
    }

    #[cold]
    fn look_at_environment(&self) -> Result<&Config, Error> {
        let _binding = self.binding.lock();
        match self.config.get() {
            Some(config) => Ok(config),
            None => self.early.get_or_try_init(|| self.environment().cloned()),
        }
    }

    /// The configuration, for good.
    pub(crate) fn settled(&self) -> Result<&Config, Error> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let early = self.effective()?;
        let _binding = self.binding.lock();
        Ok(self.config.get_or_init(|| early.clone()))
    }

    /// Whether distributed locks are lock files.
    pub(crate) fn has_files_for_engine(&self) -> Result<bool, Error> {
        Ok(self.given.is_none() && self.effective()?.has_files_for_engine())
    }

    /// Lock files stand in for an engine that nobody has named: that is told of once.
    pub(crate) fn tell_of_stand_in(&self, name: &str) {
        if !self.told_of_stand_in.load(Relaxed) && !self.told_of_stand_in.swap(true, Relaxed) {
            trace::no_engine(name);
        }
    }

    /// The engine of distributed locks, opened if need be. `None`: lock files take its place.
    pub(crate) fn engine(&self) -> Result<Option<Arc<Engine>>, Error> {
        if self.has_files_for_engine()? {
            return Ok(None);
        }
        let config = self.settled()?;
        let mut engine = self.engine.lock();
        if let Some(open) = engine.as_ref().filter(|open| open.is_mine()) {
            return Ok(Some(Arc::clone(open)));
        }
        let Some(url) = config.backend_url.as_ref().filter(|_| self.given.is_none()) else {
            let what = "an engine that was given to `Locks::with_backend` cannot be used in a forked process";
            return Err(Kind::Config { what: what.to_owned(), source: None }.into());
        };
        let opened = Engine::open(url, config.ttl())?;
        // What a parent has opened is dropped, which does nothing here.
        *engine = Some(Arc::clone(&opened));
        Ok(Some(opened))
    }

    /// The locks without a directory of their own.
    #[inline]
    pub(crate) fn main(&self) -> &Home {
        self.main.get_or_init(|| Home::Process(Box::leak(Box::new(Namespace::new()))))
    }

    /// The locks of the configured directory. `None`: none is configured.
    pub(crate) fn configured(&self) -> Result<Option<&Home>, Error> {
        if self.effective()?.path().is_none() {
            // Nothing is settled by a lock that cannot be taken.
            return Ok(None);
        }
        let config = self.settled()?;
        let Some(path) = config.path() else { return Ok(None) };
        self.main()
            .directory
            .get_or_init(|| Arc::new(Directory::new(path.to_owned(), config.mode(), config.rules())));
        Ok(Some(self.main()))
    }

    /// The configured locks, if this is their directory. What is known of it may still be the environment, which
    /// `init` replaces: so it is settled first, and then looked at again.
    fn configured_at(&self, is_it: impl Fn(&Path) -> bool) -> Result<Option<&Home>, Error> {
        let leads_there = |config: &Config| config.path().is_some_and(&is_it);
        if leads_there(self.effective()?) && leads_there(self.settled()?) {
            self.configured()
        } else {
            Ok(None)
        }
    }

    /// The locks of a directory that was named on the call: the configured ones, if it is that directory.
    pub(crate) fn named(&self, path: &Path) -> Result<Home, Error> {
        let path = config::absolute(path)?;
        loop {
            if let Some(home) = self.configured_at(|main| main == path)? {
                return Ok(home.clone());
            }
            let before = self.effective()?;
            let mut others = self.others.lock();
            // `init` looks at the others and sets the configuration under the same lock.
            let config = self.known().unwrap_or(before);
            let known = others
                .iter()
                .find(|other| other.path == path && other.namespace.strong_count() > 0)
                .or_else(|| others.iter().find(|other| other.is(&path)));
            if let Some(namespace) = known.and_then(|other| other.namespace.upgrade()) {
                return Ok(Home::Own(namespace));
            }
            if !config.path().is_some_and(|main| same_directory(main, &path)) {
                return Ok(add(&mut others, path, config));
            }
            drop(others);
            if let Some(home) = self.configured_at(|main| same_directory(main, &path))? {
                return Ok(home.clone());
            }
        }
    }
}

fn add(others: &mut Vec<Other>, path: PathBuf, config: &Config) -> Home {
    let namespace = Namespace::new();
    let _ = namespace.directory.set(Arc::new(Directory::new(path.clone(), config.mode(), config.rules())));
    let namespace = Arc::new(namespace);
    others.retain(|other| other.namespace.strong_count() > 0);
    others.push(Other { path, namespace: Arc::downgrade(&namespace) });
    Home::Own(namespace)
}
