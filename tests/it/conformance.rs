//! One name, one lock: every way to take an identity excludes every other. What is new is one line in
//! [`ways`], and `every_public_way_has_its_line` fails while that line is missing.

mod attribute;
mod census;
pub(crate) mod support;
mod ways;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use lockutils::{Config, Locks, Mechanism};
use tempfile::TempDir;

use self::support::{Worker, elsewhere};
use self::ways::{Ask, Kind, PERMITS, WAYS, Way};

/// How many pairs meet at the same time.
const LANES: usize = 4;

/// Where the two of a pair meet.
struct Meeting {
    holder: Locks,
    comer: Locks,
    holder_external: bool,
    comer_external: bool,
    directory: TempDir,
    mechanism: Mechanism,
}

impl Meeting {
    fn new(holder_external: bool, comer_external: bool) -> Self {
        Self::by(Mechanism::Kernel, holder_external, comer_external)
    }

    fn by(mechanism: Mechanism, holder_external: bool, comer_external: bool) -> Self {
        // A pid file is written to the disk each time.
        let made = match mechanism {
            Mechanism::Pid => tempfile::tempdir_in("/dev/shm"),
            _ => tempfile::tempdir(),
        };
        let directory = made.expect("a directory");
        let holder = registry(&directory, mechanism);
        Self { comer: holder.clone(), holder, holder_external, comer_external, directory, mechanism }
    }

    /// Two registries of one directory meet in the file, as two processes do.
    fn in_the_file(mechanism: Mechanism) -> Self {
        let meeting = Self::by(mechanism, true, true);
        let comer = registry(&meeting.directory, mechanism);
        Self { comer, ..meeting }
    }

    /// Pid files are for one at a time.
    fn has(&self, way: &Way, external: bool) -> bool {
        exists(way, external)
            && (self.mechanism == Mechanism::Kernel || (way.comes, way.stays) == (Kind::Alone, Kind::Alone))
    }

    /// Lets every way meet every other.
    fn all_pairs(&self) {
        let pairs = Mutex::new(self.pairs());
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

    fn pairs(&self) -> Vec<Pair<'_>> {
        let holders = WAYS.iter().filter(|way| self.has(way, self.holder_external));
        let comers = || WAYS.iter().filter(|way| self.has(way, self.comer_external));
        let pairs = holders.flat_map(|holder| comers().map(move |comer| (holder, comer)));
        let pair =
            |(number, (holder, comer))| Pair { meeting: self, holder, comer, name: format!("pair-{number}") };
        pairs.enumerate().map(pair).collect()
    }
}

/// The portable path has no semaphores between processes.
fn exists(way: &Way, external: bool) -> bool {
    !(cfg!(lockutils_portable) && external && way.comes == Kind::Permit)
}

fn registry(directory: &TempDir, mechanism: Mechanism) -> Locks {
    Locks::new(Config::new().lock_path(directory.path()).mechanism(mechanism)).expect("a registry")
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
        let holder = self.ask(&self.meeting.holder, self.meeting.holder_external, true);
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
        let try_it = self.ask(&self.meeting.comer, self.meeting.comer_external, false);
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
        let waiter =
            Waiter::start(self.comer, self.ask(&self.meeting.comer, self.meeting.comer_external, true));
        if waiter.inside.load(SeqCst) { Err("a waiter came in".to_owned()) } else { Ok(Some(waiter)) }
    }

    fn ask(&self, locks: &Locks, external: bool, patient: bool) -> Ask {
        Ask { locks: locks.clone(), name: self.name.clone(), external, patient }
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

#[test]
fn internal_excludes_internal() {
    Meeting::new(false, false).all_pairs();
}

#[test]
fn internal_excludes_external() {
    Meeting::new(false, true).all_pairs();
}

#[test]
fn external_excludes_internal() {
    Meeting::new(true, false).all_pairs();
}

#[test]
fn external_excludes_external() {
    Meeting::new(true, true).all_pairs();
}

#[test]
fn two_registries_of_onedirectory_meet_in_the_file() {
    Meeting::in_the_file(Mechanism::Kernel).all_pairs();
}

#[cfg_attr(lockutils_portable, ignore = "there are no pid files there")]
#[test]
fn two_registries_of_one_directory_meet_in_the_pid_file() {
    Meeting::in_the_file(Mechanism::Pid).all_pairs();
}

#[cfg_attr(lockutils_portable, ignore = "there are no pid files there")]
#[test]
fn pid_files_exclude_within_the_process() {
    Meeting::by(Mechanism::Pid, true, false).all_pairs();
    Meeting::by(Mechanism::Pid, false, true).all_pairs();
}

/// Says how many of `comers` are in at once, while `holders` of the way are.
fn together(way: &'static Way, comers: usize, external: bool) -> usize {
    let directory = tempfile::tempdir().expect("a directory");
    let inside = AtomicUsize::new(0);
    let ask = Ask {
        locks: registry(&directory, Mechanism::Kernel),
        name: "a-b".to_owned(),
        external,
        patient: false,
    };
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

#[test]
fn each_kind_admits_its_number() {
    for way in WAYS {
        let admitted = match (way.comes, way.stays) {
            (Kind::Reader, _) => 5,
            (Kind::Permit, _) => PERMITS as usize,
            (Kind::Alone, _) => 1,
        };
        for external in [false, true].into_iter().filter(|external| exists(way, *external)) {
            assert_eq!(together(way, 5, external), admitted, "{:?}", way.uses);
        }
    }
}

/// A literal name is looked up once and kept: it must be the lock of that name all the same.
#[test]
fn a_literal_attribute_is_the_lock_of_its_name() {
    #[lockutils::synchronized("conformance-literal")]
    fn literal(body: &mut dyn FnMut()) {
        body();
    }
    for _ in 0..3 {
        let busy = || lockutils::lock("conformance-literal").try_acquire().map(|taken| taken.is_none());
        literal(&mut || assert!(elsewhere(busy).expect("a valid name")));
        assert!(!busy().expect("a valid name"));
    }
    let guard = lockutils::lock("conformance-literal").acquire().expect("free");
    let waiter = Worker::waiting(|| literal(&mut || ()));
    drop(guard);
    waiter.join();
}
