//! Whether locks exclude in the directory: by trying.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use lockutils::{Lock, LockGuard, Removal};

use super::Patient;
use super::finding::Finding;
use super::probe::{Kind, Scratch};

/// A lock that nobody else wants takes microseconds.
const SLOW: Duration = Duration::from_millis(100);
/// Clocks of servers may differ by this.
const APART: Duration = Duration::from_secs(60);

const ELSEWHERE: &str =
    "choose a local directory as `lock_path`, such as one below /run, or configure `mechanism = \"pid\"`";

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let scratch = match Scratch::new(&patient.path) {
        Ok(scratch) => scratch,
        Err(error) => {
            let text = format!("no file can be made: {error}");
            let way_out =
                "make room, or change the owner or the mode of the directory, or choose another `lock_path`";
            return vec![Finding::problem("locks", text, way_out)];
        }
    };
    let mut findings = Vec::new();
    if patient.is_of_pid_files() {
        findings.push(links(&scratch));
    } else {
        findings.extend([Kind::Flock, Kind::Record].map(|kind| excludes(&scratch, kind)));
        findings.extend(apart(&scratch));
    }
    findings.extend(server_clock(&scratch));
    if !findings.iter().any(Finding::is_problem) {
        findings.extend(acquire(patient));
    }
    findings
}

fn check_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Flock => "flock",
        Kind::Record => "record locks",
    }
}

/// Two descriptors, and then two processes.
fn excludes(scratch: &Scratch, kind: Kind) -> Finding {
    let check = check_of(kind);
    match tried(scratch, kind) {
        Ok(Excludes::All) => Finding::ok(check, "one excludes the other, in a process and between processes"),
        Ok(Excludes::Nobody) => Finding::problem(
            check,
            format_args!("two had one {kind} at the same time: it excludes nobody"),
            ELSEWHERE,
        ),
        Ok(Excludes::Here) => {
            let text = format!("another process had the same {kind} at the same time");
            Finding::problem(check, text, ELSEWHERE)
        }
        Ok(Excludes::Unknown) => Finding::warning(
            check,
            "one excludes the other in a process; between processes it could not be tried",
            "mount /proc, and let this user start processes (ulimit -u)",
        ),
        Err(error) => Finding::problem(check, format_args!("cannot be taken: {error}"), ELSEWHERE),
    }
}

/// Who is kept out.
enum Excludes {
    Nobody,
    Here,
    All,
    /// This process, and of others it is not known.
    Unknown,
}

fn tried(scratch: &Scratch, kind: Kind) -> io::Result<Excludes> {
    let (one, other) = (scratch.open()?, scratch.open()?);
    if !kind.try_lock(&one)? {
        return Err(io::Error::other("it is busy on a file that nobody else has"));
    }
    if kind.try_lock(&other)? {
        return Ok(Excludes::Nobody);
    }
    Ok(match scratch.is_busy_elsewhere(kind) {
        Some(true) => Excludes::All,
        Some(false) => Excludes::Here,
        None => Excludes::Unknown,
    })
}

/// Locally, the two kinds do not see each other. A server may make one of them out of the other.
fn apart(scratch: &Scratch) -> Option<Finding> {
    let (one, other) = (scratch.open().ok()?, scratch.open().ok()?);
    let are_apart = Kind::Flock.try_lock(&one).ok()? && Kind::Record.try_lock(&other).ok()?;
    let text = "flock and record locks are one kind here, as a server makes them";
    let way_out = "none is needed if nothing else warns; locks of this crate take both";
    (!are_apart).then(|| Finding::warning("record locks", text, way_out))
}

/// Pid files get their names by link(2).
fn links(scratch: &Scratch) -> Finding {
    let second = scratch.path().with_extension("link");
    let linked = std::fs::hard_link(scratch.path(), &second);
    let _ = std::fs::remove_file(&second);
    match linked {
        Ok(()) => Finding::ok("links", "hard links work, which pid files need"),
        Err(error) => {
            let text = format!("pid files need hard links, and there are none here: {error}");
            let way_out =
                "choose another `lock_path`, or `mechanism = \"kernel\"` if the file system keeps locks";
            Finding::problem("links", text, way_out)
        }
    }
}

/// The times of new files are those of the server, if there is one.
fn server_clock(scratch: &Scratch) -> Option<Finding> {
    let made = scratch.path().metadata().and_then(|data| data.modified()).ok()?;
    let now = SystemTime::now();
    let apart = now.duration_since(made).or_else(|_| made.duration_since(now)).ok()?;
    let text = format!("a new file is dated {} s apart from the clock of this host", apart.as_secs());
    (apart > APART).then(|| Finding::warning("clock", text, "set both clocks by NTP"))
}

/// What a service does, with a name that no service has.
fn acquire(patient: &Patient) -> Vec<Finding> {
    let locks = patient.locks.with_prefix("");
    let name = format!("lockutils-doctor-{}", std::process::id());
    let lock = locks.lock(&name).external();
    let started = Instant::now();
    let released = lock.try_acquire().and_then(|guard| guard.map(LockGuard::release).transpose());
    let took = started.elapsed();
    let taken = match released {
        Ok(Some(())) if took < SLOW => {
            Finding::ok("locks", format_args!("one was taken and let go in {} µs", took.as_micros()))
        }
        Ok(Some(())) => {
            let text = format!("taking one and letting it go took {} ms", took.as_millis());
            Finding::warning(
                "locks",
                text,
                "look whether the file system or the host is overloaded, or choose another",
            )
        }
        Ok(None) => Finding::problem("locks", "one that nobody else wants is busy", ELSEWHERE),
        Err(error) => Finding::error("locks", error),
    };
    let removed = (!taken.is_problem()).then(|| removal(&lock, &patient.path.join(name)));
    [Some(taken), removed].into_iter().flatten().collect()
}

/// The kernel must be able to say whether somebody has a file open.
fn removal(lock: &Lock, path: &Path) -> Finding {
    let way_out = "remove lock files only while nobody uses the directory";
    let removed = lock.remove_file();
    if !matches!(removed, Ok(Removal::Removed | Removal::Missing)) {
        // Nobody else knows the file.
        let _ = std::fs::remove_file(path);
    }
    match removed {
        Ok(Removal::Removed | Removal::Missing) => {
            Finding::ok("cleaning", "lock files can be removed safely")
        }
        Ok(Removal::InUse) => Finding::warning(
            "cleaning",
            "somebody opens lock files that are not his, so clean may find all of them in use",
            "let scanners of viruses and of contents leave the directory alone",
        ),
        Ok(Removal::Refused(why) | Removal::Foreign(why)) => Finding::warning("cleaning", why, way_out),
        Ok(_) => Finding::warning("cleaning", "a lock file could not be removed", way_out),
        Err(error) => Finding::warning("cleaning", error, way_out),
    }
}
