//! Every system call of every way to take a lock and to let it go, refused with every error that it may have.
//!
//! The helper program answers its own calls in the kernel's place, one at a time; all others are real.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use lockutils::{Lock, LockGuard};
use lockutils_tests::{BOUND, Child, Place, eventually, state};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// How soon the lock is to be free.
const SOON: Duration = Duration::from_secs(5);
/// How many refusals there are at least.
const LEAST: usize = 5000;
const LEAST_BY_PID: usize = 5500;
/// How many processes take locks at once.
const HELPERS: usize = 2;

/// What another process does with the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rival {
    Nobody,
    /// It has the lock, and lets go when the helper waits.
    LetsGo,
    /// It has the lock until the helper has given up.
    Stays,
}

/// What there is before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// No lock file, and no directory for it.
    Nothing,
    /// A lock file without content.
    Empty,
    /// A lock file that was used, or the place where one was.
    Used,
    /// The pid file of a process that has ended.
    Dead,
}

/// A way to take a lock.
#[derive(Clone, Copy, Debug)]
struct Way {
    verb: &'static str,
    words: &'static [&'static str],
    before: Before,
    rival: Rival,
    /// By pid files.
    by_pid: bool,
}

impl Way {
    const fn alone(verb: &'static str, words: &'static [&'static str]) -> Self {
        Self { verb, words, before: Before::Used, rival: Rival::Nobody, by_pid: false }
    }

    const fn with(before: Before, verb: &'static str, words: &'static [&'static str]) -> Self {
        Self { before, ..Self::alone(verb, words) }
    }

    const fn after(rival: Rival, verb: &'static str, words: &'static [&'static str]) -> Self {
        Self { rival, ..Self::alone(verb, words) }
    }

    const fn by_pid(self) -> Self {
        Self { by_pid: true, ..self }
    }

    fn is_read(&self) -> bool {
        self.words.contains(&"read") || self.verb == "downgrade"
    }

    /// It removes files and takes no lock for its user.
    fn removes(&self) -> bool {
        matches!(self.verb, "remove" | "clean")
    }
}

const WAYS: [Way; 17] = [
    // What a process asks once about itself is asked here too.
    Way::with(Before::Nothing, "first", &[]),
    Way::alone("wait", &[]),
    Way::with(Before::Empty, "wait", &["read"]),
    Way::alone("wait", &["read"]),
    Way::alone("downgrade", &[]),
    Way::alone("try", &[]),
    Way::after(Rival::Stays, "try", &[]),
    Way::after(Rival::LetsGo, "wait", &[]),
    Way::after(Rival::LetsGo, "wait", &["timeout=25000"]),
    Way::after(Rival::Stays, "wait", &["timeout=5"]),
    Way::after(Rival::LetsGo, "wait", &["async"]),
    Way::after(Rival::LetsGo, "wait", &["read"]),
    Way::alone("wait", &["semaphore=1"]),
    Way::with(Before::Empty, "try", &["semaphore=1"]),
    Way::after(Rival::LetsGo, "wait", &["semaphore=1"]),
    Way::alone("remove", &[]),
    Way::alone("clean", &[]),
];

const PID_WAYS: [Way; 9] = [
    Way::with(Before::Nothing, "first", &[]).by_pid(),
    Way::alone("wait", &[]).by_pid(),
    Way::with(Before::Dead, "wait", &[]).by_pid(),
    Way::with(Before::Dead, "try", &[]).by_pid(),
    Way::after(Rival::Stays, "try", &[]).by_pid(),
    Way::after(Rival::LetsGo, "wait", &[]).by_pid(),
    Way::after(Rival::LetsGo, "wait", &["async"]).by_pid(),
    Way::after(Rival::Stays, "wait", &["timeout=5"]).by_pid(),
    Way::with(Before::Dead, "remove", &[]).by_pid(),
];

/// What is refused: a call, by its number, and perhaps all that follow.
#[derive(Clone, Debug)]
struct Refusal {
    call: String,
    number: usize,
    and_on: bool,
    errno: Errno,
}

/// What any call on a file may say: its medium or server fails, there is no memory, a sandbox forbids it or
/// knows nothing of it.
const ANY: [Errno; 8] = [
    Errno::EIO,
    Errno::ESTALE,
    Errno::ENOMEM,
    Errno::EACCES,
    Errno::EPERM,
    Errno::ENOSYS,
    Errno::EINVAL,
    Errno::EOPNOTSUPP,
];

/// What else the manual page of the call says, its file systems included.
fn others(call: &str) -> &'static [Errno] {
    use Errno::*;
    match call {
        "openat" => &[
            EINTR,
            EAGAIN,
            EBADF,
            EBUSY,
            EDQUOT,
            EEXIST,
            EFBIG,
            EISDIR,
            ELOOP,
            EMFILE,
            ENAMETOOLONG,
            ENFILE,
            ENODEV,
            ENOENT,
            ENOSPC,
            ENOTDIR,
            ENXIO,
            EOVERFLOW,
            EROFS,
            ETXTBSY,
        ],
        "mkdir" => &[EINTR, EDQUOT, EEXIST, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EROFS],
        "linkat" => {
            &[EBADF, EDQUOT, EEXIST, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EROFS, EXDEV]
        }
        "renameat" | "renameat2" => &[
            EBADF,
            EBUSY,
            EDQUOT,
            EEXIST,
            ELOOP,
            EMLINK,
            ENAMETOOLONG,
            ENOENT,
            ENOSPC,
            ENOTDIR,
            EROFS,
            EXDEV,
        ],
        "unlinkat" => &[EBADF, EBUSY, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EROFS],
        "fchmod" | "fchmodat" => &[EBADF, EINTR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EROFS],
        "stat" | "lstat" | "newfstatat" | "statx" => {
            &[EBADF, EINTR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EOVERFLOW]
        }
        "fstat" | "statfs" | "fstatfs" => &[EBADF, EINTR, EOVERFLOW],
        "fdatasync" => &[EBADF, EDQUOT, EINTR, ENOSPC, EROFS],
        "getdents64" => &[EBADF, EINTR, ENOENT, ENOTDIR],
        "flock" => &[EBADF, EDEADLK, EINTR, ENOLCK, EAGAIN],
        "fcntl" => &[EAGAIN, EBADF, EBUSY, EDEADLK, EINTR, EMFILE, ENOLCK, EOVERFLOW],
        "pread64" | "read" => &[EAGAIN, EBADF, EINTR, EISDIR, ENXIO, EOVERFLOW, ESPIPE],
        "pwrite64" | "write" => {
            &[EAGAIN, EBADF, EDQUOT, EFBIG, EINTR, ENOSPC, ENXIO, EOVERFLOW, EROFS, ESPIPE]
        }
        "lseek" | "readlink" => &[EBADF, ENOENT],
        "inotify_init1" => &[EMFILE, ENFILE],
        "inotify_add_watch" => &[EBADF, EEXIST, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR],
        "inotify_rm_watch" => &[EBADF],
        "eventfd2" => &[EMFILE, ENFILE, ENODEV],
        "poll" | "ppoll" => &[EINTR],
        "mmap" => &[EAGAIN, ENFILE, EOVERFLOW, ENODEV],
        "mprotect" => &[],
        "clone" | "clone3" => &[EAGAIN, EBUSY, ENOSPC, EUSERS],
        // What it says of the write before it; the descriptor is gone.
        "close" => &[EDQUOT, EINTR, ENOSPC],
        call => panic!("what {call} may say is not known"),
    }
}

fn errnos(call: &str) -> impl Iterator<Item = Errno> {
    let any = match call {
        "close" => &ANY[..2],
        _ => &ANY[..],
    };
    any.iter().chain(others(call)).copied()
}

/// What a kernel or a file system may go on saying.
const LASTING: [Errno; 8] = [
    Errno::EIO,
    Errno::EACCES,
    Errno::ENOSYS,
    Errno::ENOENT,
    Errno::ENOSPC,
    Errno::EROFS,
    Errno::EMFILE,
    Errno::ENOLCK,
];

impl Refusal {
    /// All for these calls, in the order in which they were made.
    fn all(calls: &[String]) -> Vec<Self> {
        let mut refusals = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let number = calls[..=at].iter().filter(|other| *other == call).count();
            for errno in errnos(call) {
                let refusal = Self { call: call.clone(), number, and_on: false, errno };
                if number == 1 && LASTING.contains(&errno) {
                    refusals.push(Self { and_on: true, ..refusal.clone() });
                }
                refusals.push(refusal);
            }
        }
        refusals
    }

    /// As the helper program reads it.
    fn plan(&self) -> String {
        let Self { call, number, and_on, errno } = self;
        format!("{call} {number}{} {}", if *and_on { "+" } else { "" }, *errno as i32)
    }

    /// Whether the kernel says by this that somebody else has the lock, or the file for a moment.
    fn is_busy(&self) -> bool {
        matches!(self.errno, Errno::EAGAIN) || self.errno == Errno::EACCES && self.call == "fcntl"
    }
}

/// A process of its own for each run.
struct Helper {
    child: Child,
    /// What it has open from the beginning.
    open: Open,
}

impl Helper {
    fn new(place: &Place) -> Self {
        let child = place.helper(&["refuse", "job"]);
        let open = Open::of(&format!("/proc/{}", child.pid()), place);
        Self { child, open }
    }

    fn ask(&mut self, what: &str) -> String {
        self.child.say(what);
        self.child.line()
    }
}

/// One run, in a place of its own.
struct Run<'a> {
    way: &'a Way,
    refusal: Option<&'a Refusal>,
    place: Place,
    directory: PathBuf,
    helper: &'a mut Helper,
    /// The directory in `/proc` of the process of this run.
    process: String,
}

/// Where the descriptors lead to that a process watches with, and keeps.
const WATCHES: [&str; 2] = ["anon_inode:inotify", "anon_inode:[eventfd]"];

/// What a process has open, by what that leads to.
#[derive(Default)]
struct Open {
    below: usize,
    watches: usize,
    others: usize,
}

/// What there was in a run.
struct Seen {
    calls: Vec<String>,
    refused: usize,
    /// The descriptors that have nothing to do with locks.
    open: usize,
}

impl<'a> Run<'a> {
    fn new(helper: &'a mut Helper, way: &'a Way, refusal: Option<&'a Refusal>) -> Self {
        let place = if way.by_pid { Place::of_pid_files("refusals") } else { Place::new("refusals") };
        let directory = match way.before {
            Before::Nothing => place.file("locks"),
            _ => place.path().to_owned(),
        };
        let lock = place.lock("job").lock_path(&directory);
        match way.before {
            Before::Nothing => {}
            Before::Empty => fs::write(place.file("job"), "").expect("a file"),
            Before::Used => drop(lock.acquire().expect("the lock")),
            Before::Dead => fs::write(place.file("job"), dead()).expect("a file"),
        }
        let plan = refusal.map_or_else(|| "none 1 0".into(), Refusal::plan);
        let words = [&[&*directory.to_string_lossy(), &*plan, way.verb], way.words].concat().join(" ");
        let process = format!("/proc/{}", helper.ask(&words));
        Self { way, refusal, place, directory, helper, process }
    }

    fn carry_out(mut self) -> Seen {
        let said = self.taken();
        self.is_possible(&said);
        self.is_let_go(&said);
        self.can_be_used_again();
        let seen = self.helper.ask("forget");
        let (refused, calls) = seen.split_once(' ').expect("a number, and names");
        let (refused, calls) =
            (refused.parse().expect("a number"), calls.split(' ').map(str::to_owned).collect());
        let open = self.closes();
        assert_eq!(self.helper.ask("done"), "ended", "{self}");
        Seen { calls, refused, open }
    }

    /// Has it do its work, with its rival in the way; returns what it said.
    fn taken(&mut self) -> String {
        let mut rival = (self.way.rival != Rival::Nobody).then(|| self.rival());
        self.helper.child.say("first");
        let (started, mut asleep) = (Instant::now(), 0);
        loop {
            if let Some(said) = self.helper.child.said_within(Duration::from_millis(1)) {
                return said;
            }
            assert!(started.elapsed() < BOUND, "{self}: it says nothing");
            // Between two calls it may seem to sleep.
            asleep = if sleeps(&self.process) { asleep + 1 } else { 0 };
            if asleep == 2 && self.way.rival == Rival::LetsGo {
                drop(rival.take());
            }
        }
    }

    /// Another who has what the helper wants.
    fn rival(&self) -> LockGuard {
        let lock = if self.way.words.contains(&"semaphore=1") {
            self.place.locks().semaphore("job", 1).external().lock_path(&self.directory)
        } else {
            self.lock()
        };
        lock.acquire().expect("nobody has it")
    }

    /// The lock, as another process sees it.
    fn lock(&self) -> Lock {
        self.place.lock("job").lock_path(&self.directory)
    }

    fn file(&self) -> PathBuf {
        self.directory.join("job")
    }

    /// Whether it may say this.
    fn is_possible(&self, said: &str) {
        let (rival, refusal) = (self.way.rival, self.refusal);
        let is_tried = self.way.verb == "try";
        let possible = match said {
            "held" => rival != Rival::Stays && !self.way.removes(),
            "busy" => is_tried && (rival != Rival::Nobody || refusal.is_some_and(Refusal::is_busy)),
            "timeout" => rival == Rival::Stays && !is_tried,
            said if said.starts_with("error ") => refusal.is_some_and(|_| self.is_told_well(said)),
            said => self.way.removes() && !said.starts_with("panicked"),
        };
        assert!(possible, "{self}: {said}");
    }

    /// An error has a kind, a place and a way out.
    fn is_told_well(&self, said: &str) -> bool {
        let Some((kinds, text)) = said["error ".len()..].split_once(": ") else { return false };
        let place = self.directory.display().to_string();
        !kinds.is_empty() && text.contains(&place) && text.contains("; ")
    }

    /// It excludes others as long as it says that it has the lock, and not any more. A pid file that it cannot remove keeps
    /// others out until it takes it again.
    fn is_let_go(&mut self, said: &str) {
        if said == "held" {
            self.is_held();
            let said = self.helper.ask("release");
            let told = said.starts_with("error ") && self.refusal.is_some() && self.is_told_well(&said);
            assert!(said == "released" || told, "{self}: {said}");
            if told && self.way.by_pid {
                assert_eq!(self.helper.ask("again"), "held", "{self}");
                assert_eq!(self.helper.ask("release"), "released", "{self}");
            }
        }
        if self.way.by_pid && self.way.removes() && said.starts_with("error ") {
            // It is tried again first.
            return;
        }
        let free = self.lock().timeout(SOON).acquire();
        free.unwrap_or_else(|error| panic!("{self}: {said}, and then: {error}")).release().expect("no error");
        eventually(&format!("{self}: nobody waits"), || {
            self.place.waiters(&self.file().to_string_lossy()) == 0
        });
    }

    /// Neither we nor those who know one kind of lock only can take it.
    fn is_held(&self) {
        let lock = self.lock();
        let tried = lock.try_acquire().expect("it can be tried");
        assert!(tried.is_none(), "{self}: another has it too");
        if self.way.by_pid {
            return;
        }
        let reads = lock.clone().read().try_acquire().expect("it can be tried").is_some();
        assert_eq!(reads, self.way.is_read(), "{self}: another reads");
        let file = fs::File::options().read(true).write(true).open(self.file());
        let file = file.expect("the lock file");
        #[expect(clippy::disallowed_methods, reason = "the standard library's own lock is the peer here")]
        let tried = file.try_lock();
        assert!(tried.is_err(), "{self}: another has its flock");
        assert!(has_record_lock(&file), "{self}: another may lock the record");
    }

    /// The same process gets it, and it excludes.
    fn can_be_used_again(&mut self) {
        if self.has_no_proc() {
            return;
        }
        if self.way.removes() {
            let said = self.helper.ask("again");
            assert!(!said.starts_with("error") && !said.starts_with("panicked"), "{self}: again: {said}");
            let left = fs::read_dir(&self.directory).expect("a directory").flatten();
            // What it could not give up, beside the lock, keeps nobody out, and goes with the next `clean`.
            let is_claim = |name: &OsString| name.to_string_lossy().starts_with(".lockutils-pid-");
            let is_kept = self.refusal.is_some_and(|refusal| refusal.call == "unlinkat");
            let left = left.map(|entry| entry.file_name());
            let left: Vec<_> = left.filter(|name| !is_kept || !is_claim(name)).collect();
            let expected: &[&str] = if self.way.by_pid { &[] } else { &["other"] };
            assert!(left == expected, "{self}: {said}, and there is {left:?}");
            return;
        }
        eventually(&format!("{self}: it gets the lock"), || {
            let said = self.helper.ask("again");
            // A thread that waits for nobody may have it for a moment, and the limit is short.
            assert!(said == "held" || self.way.rival == Rival::Stays, "{self}: again: {said}");
            said == "held"
        });
        self.is_held();
        assert_eq!(self.helper.ask("release"), "released", "{self}");
        drop(self.lock().timeout(SOON).acquire().expect("it is free"));
    }

    /// A process that finds no `/proc` when it looks first has none.
    fn has_no_proc(&self) -> bool {
        let is_none = self.refusal.is_some_and(|Refusal { call, errno, .. }| {
            let reads = ["openat", "statx", "read", "readlink"];
            reads.contains(&&**call) && [Errno::ENOENT, Errno::ENOSYS].contains(errno)
        });
        self.way.by_pid && self.way.verb == "first" && is_none
    }

    /// All that it has opened is closed, but for the directory and what it watches with. Says how many others there
    /// are.
    fn closes(&self) -> usize {
        let mut others = 0;
        eventually(&format!("{self}: it closes its files"), || {
            let Open { below, watches, others: now } = Open::of(&self.process, &self.place);
            others = now;
            below <= 1 && watches <= 2 + self.helper.open.watches
        });
        others
    }
}

impl Open {
    /// What a process has open, and how much of it is below a place.
    fn of(process: &str, place: &Place) -> Self {
        let descriptors = fs::read_dir(format!("{process}/fd")).expect("it lives");
        let links = descriptors.flatten().filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        let mut open = Self::default();
        for link in links {
            let is_watch = WATCHES.iter().any(|watch| link.as_os_str() == *watch);
            let kind = match () {
                () if link.starts_with(place.path()) => &mut open.below,
                () if is_watch => &mut open.watches,
                () => &mut open.others,
            };
            *kind += 1;
        }
        open
    }
}

impl std::fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Way { verb, words, before, rival, .. } = self.way;
        write!(f, "{verb} {words:?}, before: {before:?}, rival: {rival:?}")?;
        let Some(Refusal { call, number, and_on, errno }) = self.refusal else { return Ok(()) };
        write!(f, ", {call} {number}{} says {errno:?}", if *and_on { " and on" } else { "" })
    }
}

/// Whether a process sleeps, with all its threads.
fn sleeps(process: &str) -> bool {
    let Ok(tasks) = fs::read_dir(format!("{process}/task")) else { return false };
    tasks.flatten().all(|task| state(task.path()) == Some('S'))
}

/// Whether somebody else has a record lock on the file.
#[expect(clippy::cast_possible_truncation, reason = "the constants of `l_type` and `l_whence` are small")]
fn has_record_lock(file: &fs::File) -> bool {
    let mut probe = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe)).expect("it can be asked");
    i32::from(probe.l_type) != libc::F_UNLCK
}

/// What a killed holder has left.
fn dead() -> &'static str {
    static DEAD: OnceLock<String> = OnceLock::new();
    DEAD.get_or_init(|| {
        let place = Place::of_pid_files("refusals");
        place.holder("job").kill();
        fs::read_to_string(place.file("job")).expect("text")
    })
}

/// Every call of every way to take a lock and to let it go is refused with every error, once or from then on: nobody is
/// told of a lock that excludes nobody, and nothing is left behind.
#[test]
fn every_call_is_refused_with_every_error() {
    refuse(&WAYS, Place::new, LEAST);
}

#[test]
fn every_call_for_a_pid_file_is_refused_with_every_error() {
    refuse(&PID_WAYS, Place::of_pid_files, LEAST_BY_PID);
}

fn refuse(ways: &[Way], place: fn(&str) -> Place, least: usize) {
    let (place, started) = (place("refusals"), Instant::now());
    let mut helper = Helper::new(&place);
    let plans: Vec<_> = ways.iter().flat_map(|way| plans(&mut helper, way)).collect();
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut helper = Helper::new(&place);
        while let Some((way, open, refusal)) = plans.get(next.fetch_add(1, Relaxed)) {
            let seen = Run::new(&mut helper, way, Some(refusal)).carry_out();
            assert_eq!(seen.open, *open, "{way:?}, {refusal:?}: descriptors");
            // Threads do not always make the same calls.
            refused.fetch_add(usize::from(seen.refused > 0), Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..HELPERS {
            scope.spawn(work);
        }
    });
    let refused = refused.into_inner();
    println!("{refused} refusals in {:?}", started.elapsed());
    assert!(refused >= least, "only {refused} refusals");
}

/// What is to be refused to this way, and how many descriptors are open at its end if nothing is.
fn plans<'a>(helper: &mut Helper, way: &'a Way) -> Vec<(&'a Way, usize, Refusal)> {
    let seen = Run::new(helper, way, None).carry_out();
    assert!(seen.calls.len() > 5, "{way:?}: {:?}", seen.calls);
    println!("{} {:?}: {}", way.verb, way.words, seen.calls.join(" "));
    let refusals = Refusal::all(&seen.calls).into_iter();
    // What says that a pid file has gone, which is there, has it stay for ever.
    let is_a_lie =
        |refusal: &Refusal| way.by_pid && refusal.call == "unlinkat" && refusal.errno == Errno::ENOENT;
    refusals.filter(|refusal| !is_a_lie(refusal)).map(|refusal| (way, seen.open, refusal)).collect()
}
