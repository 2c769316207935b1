//! One name, one lock: every way to take an identity excludes every other. What is new is one line in
//! [`ways`]. Several suites let them meet, each somewhere else: in a process, in a file, in an engine.

mod attribute;
pub(crate) mod support;
pub(crate) mod ways;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lockutils::{Config, Locks, Mechanism};
use tempfile::TempDir;

use self::support::{LONG, TINY, Worker, elsewhere};
use self::ways::{Ask, Kind, PERMITS, Scope, WAYS, Way};

/// How many pairs meet at the same time.
const LANES: usize = 4;

/// Where the two of a pair meet.
pub(crate) struct Meeting {
    holder: Locks,
    comer: Locks,
    scopes: (Scope, Scope),
    /// How long those wait who wait in vain.
    moment: Duration,
    has: fn(&Way) -> bool,
    /// Kept as long as they meet.
    directory: TempDir,
}

impl Meeting {
    /// Within one registry.
    pub(crate) fn new(holder: Scope, comer: Scope) -> Self {
        Self::by(Mechanism::Kernel, holder, comer)
    }

    pub(crate) fn by(mechanism: Mechanism, holder: Scope, comer: Scope) -> Self {
        let directory = place(mechanism);
        let config = Config::new().lock_path(directory.path()).mechanism(mechanism);
        let locks = registry(config.backend_url("memory:"));
        let has: fn(&Way) -> bool = if mechanism == Mechanism::Pid { is_for_one } else { |_| true };
        let scopes = (holder, comer);
        Self { comer: locks.clone(), holder: locks, scopes, moment: TINY, has, directory }
    }

    /// Two registries of one directory meet in the file, as two processes do.
    pub(crate) fn in_the_file(mechanism: Mechanism) -> Self {
        let meeting = Self::by(mechanism, Scope::External, Scope::External);
        let config = Config::new().lock_path(meeting.directory.path()).mechanism(mechanism);
        Self { comer: registry(config), ..meeting }
    }

    /// Two registries of one engine meet in the engine, as two hosts do. A lock that was downgraded is shared in its own process
    /// only.
    pub(crate) fn in_the_engine(url: &str, moment: Duration) -> Self {
        let meeting = Self::in_stead_of_an_engine();
        let config = || Config::new().lock_path(meeting.directory.path()).backend_url(url);
        let has: fn(&Way) -> bool = |way| way.comes == way.stays;
        Self { holder: registry(config()), comer: registry(config()), moment, has, ..meeting }
    }

    /// Two registries without an engine meet in the lock file that takes its place.
    pub(crate) fn in_stead_of_an_engine() -> Self {
        let meeting = Self::by(Mechanism::Kernel, Scope::Distributed, Scope::Distributed);
        let config = || Config::new().lock_path(meeting.directory.path());
        let has: fn(&Way) -> bool = |way| exists(way, Scope::External) && !needs_an_engine(way);
        Self { holder: registry(config()), comer: registry(config()), has, ..meeting }
    }

    fn is_met(&self, way: &Way, scope: Scope) -> bool {
        exists(way, scope) && (self.has)(way)
    }

    /// Lets every way meet every other.
    pub(crate) fn all_pairs(&self) {
        self.meet(|_, _| true);
    }

    /// Lets every way meet one of each kind: for places that see no more of a way than its kind.
    pub(crate) fn one_of_each_kind(&self) {
        let first = |kind| WAYS.iter().find(|way| way.comes == kind).map(std::ptr::from_ref);
        let firsts = [Kind::Alone, Kind::Reader, Kind::Permit].map(first);
        let is_first = |way: &Way| firsts.contains(&Some(std::ptr::from_ref(way)));
        self.meet(|holder, comer| is_first(holder) || is_first(comer));
    }

    fn meet(&self, which: impl Fn(&Way, &Way) -> bool) {
        let pairs = Mutex::new(self.pairs(which));
        let wrong = Mutex::new(Vec::new());
        let next = || pairs.lock().expect("no pair panics").pop();
        let work = || {
            while let Some(pair) = next() {
                wrong.lock().expect("no pair panics").extend(pair.meet().err());
            }
        };
        thread::scope(|scope| (0..LANES).map(|_| scope.spawn(work)).for_each(drop));
        let wrong = wrong.into_inner().expect("no pair panics");
        assert!(wrong.is_empty(), "{} pairs went wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!((self.holder.len(), self.comer.len()), (0, 0), "names are left behind");
    }

    fn pairs(&self, which: impl Fn(&Way, &Way) -> bool) -> Vec<Pair<'_>> {
        let holders = WAYS.iter().filter(|way| self.is_met(way, self.scopes.0));
        let comers = || WAYS.iter().filter(|way| self.is_met(way, self.scopes.1));
        let pairs = holders.flat_map(|holder| comers().map(move |comer| (holder, comer)));
        let pairs = pairs.filter(|(holder, comer)| which(holder, comer));
        let pair =
            |(number, (holder, comer))| Pair { meeting: self, holder, comer, name: format!("pair-{number}") };
        pairs.enumerate().map(pair).collect()
    }
}

/// The portable path has no semaphores between processes.
/// Lock files refuse what only an engine has.
fn needs_an_engine(way: &Way) -> bool {
    let of_engines = ["expires", "ephemeral", "require"];
    way.uses.iter().any(|used| of_engines.iter().any(|option| used.ends_with(option)))
}

fn exists(way: &Way, scope: Scope) -> bool {
    !(cfg!(lockutils_portable) && scope == Scope::External && way.comes == Kind::Permit)
}

/// Pid files are for one at a time.
fn is_for_one(way: &Way) -> bool {
    (way.comes, way.stays) == (Kind::Alone, Kind::Alone)
}

/// A pid file is written to the disk each time.
fn place(mechanism: Mechanism) -> TempDir {
    let made = match mechanism {
        Mechanism::Pid => tempfile::tempdir_in("/dev/shm"),
        _ => tempfile::tempdir(),
    };
    made.expect("a directory")
}

fn registry(config: Config) -> Locks {
    Locks::new(config).expect("a registry")
}

struct Pair<'a> {
    meeting: &'a Meeting,
    holder: &'a Way,
    comer: &'static Way,
    name: String,
}

impl Pair<'_> {
    /// One holds, the other comes; then the one lets go.
    fn meet(&self) -> Result<(), String> {
        let mut met = Ok(None);
        let holder = self.ask(&self.meeting.holder, self.meeting.scopes.0, true);
        let held = (self.holder.take)(&holder, &mut || met = self.come());
        let outcome = match held {
            Ok(true) => met.and_then(|waiter| waiter.map_or(Ok(()), Waiter::gets_in)),
            Ok(false) => Err("a free lock was busy".to_owned()),
            Err(error) => Err(format!("the holder got an error: {error}")),
        };
        outcome.map_err(|wrong| format!("{:?} then {:?}: {wrong}", self.holder.uses, self.comer.uses))
    }

    /// Runs while the holder holds. What waits comes back.
    fn come(&self) -> Result<Option<Waiter>, String> {
        let shares = self.holder.stays.shares_with(self.comer.comes);
        let mut try_it = self.ask(&self.meeting.comer, self.meeting.scopes.1, false);
        if shares {
            // It is let in however slow the engine is today, and waits for nothing else.
            try_it.moment = LONG;
        }
        let tried = elsewhere(|| (self.comer.take)(&try_it, &mut || ()));
        match tried {
            Ok(inside) if inside == shares => {}
            Ok(true) => return Err("both were inside".to_owned()),
            Ok(false) => return Err("they did not share".to_owned()),
            Err(error) => return Err(format!("the comer got an error: {error}")),
        }
        if shares {
            return Ok(None);
        }
        let waiter = Waiter::start(self.comer, self.ask(&self.meeting.comer, self.meeting.scopes.1, true));
        if waiter.inside.load(SeqCst) { Err("a waiter came in".to_owned()) } else { Ok(Some(waiter)) }
    }

    fn ask(&self, locks: &Locks, scope: Scope, patient: bool) -> Ask {
        let (name, moment) = (self.name.clone(), self.meeting.moment);
        Ask { locks: locks.clone(), name, scope, patient, moment }
    }
}

/// A thread that waits for its turn.
struct Waiter {
    worker: Worker<Result<bool, lockutils::Error>>,
    inside: Arc<AtomicBool>,
}

impl Waiter {
    fn start(way: &'static Way, ask: Ask) -> Self {
        let inside = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&inside);
        let worker = Worker::waiting(move || (way.take)(&ask, &mut || tell.store(true, SeqCst)));
        Self { worker, inside }
    }

    fn gets_in(self) -> Result<(), String> {
        match self.worker.outcome()? {
            Ok(true) => Ok(()),
            Ok(false) => Err("the waiter gave up".to_owned()),
            Err(error) => Err(format!("the waiter got an error: {error}")),
        }
    }
}

/// Says how many of `comers` are in at once, while `holders` of the way are.
fn together(way: &'static Way, comers: usize, moment: Duration, scope: Scope, config: Config) -> usize {
    let inside = AtomicUsize::new(0);
    let ask = Ask { locks: registry(config), name: "a-b".to_owned(), scope, patient: false, moment };
    nest(way, &ask, comers, &inside);
    inside.load(SeqCst)
}

/// Each one that is in lets the next one try.
fn nest(way: &'static Way, ask: &Ask, left: usize, inside: &AtomicUsize) {
    let taken = (way.take)(ask, &mut || {
        inside.fetch_add(1, SeqCst);
        if left > 1 {
            elsewhere(|| nest(way, ask, left - 1, inside));
        }
    });
    taken.expect("busy is no error");
}

/// Each kind lets in as many as it says, within one registry of this configuration.
pub(crate) fn each_kind_admits_its_number(scope: Scope, moment: Duration, config: &Config) {
    for way in WAYS.iter().filter(|way| exists(way, scope)) {
        let admitted = match (way.comes, way.stays) {
            (Kind::Reader, _) => 5,
            (Kind::Permit, _) => PERMITS as usize,
            (Kind::Alone, _) => 1,
        };
        assert_eq!(together(way, 5, moment, scope, config.clone()), admitted, "{:?}", way.uses);
    }
}
