//! What is in the directory.

use std::fs::{self, DirEntry};
use std::time::{Duration, SystemTime};

use lockutils::{Error, Removal};

use super::Patient;
use super::finding::Finding;
use super::probe::SCRATCH;

/// More files than this make lists long.
const MANY: usize = 10_000;
/// So many of them are looked into.
const LOOKED_AT: usize = 1000;
/// What is younger may belong to somebody who is about to remove it.
const LEFT: Duration = Duration::from_secs(60);

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let entries: Vec<DirEntry> = match fs::read_dir(&patient.path) {
        Ok(entries) => entries.flatten().collect(),
        // That it cannot be listed was said.
        Err(_) => return Vec::new(),
    };
    let mut findings = vec![number(&entries)];
    findings.extend(left(&entries));
    findings.extend(future(&entries));
    findings.extend(Kinds::of(patient).findings(patient));
    findings
}

fn number(entries: &[DirEntry]) -> Finding {
    let number = entries.iter().filter(|entry| !is_beside(entry)).count();
    if number <= MANY {
        return Finding::ok("files", format_args!("{number} in the directory"));
    }
    let text = format!("{number} in the directory");
    Finding::warning("files", text, "remove those that are not used: lockutils clean --older-than 7d")
}

fn is_beside(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".lockutils-")
}

/// What those have left who were killed.
fn left(entries: &[DirEntry]) -> Option<Finding> {
    let is_old = |entry: &&DirEntry| {
        let changed = entry.metadata().and_then(|data| data.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > LEFT))
    };
    let names = entries.iter().filter(|entry| is_beside(entry)).filter(is_old);
    let names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let way_out = if names.iter().any(|name| name.starts_with(SCRATCH)) {
        format!("lockutils clean, and rm {SCRATCH}*")
    } else {
        "lockutils clean".to_owned()
    };
    let text = format!("of processes that were killed: {}", some(&names));
    (!names.is_empty()).then(|| Finding::warning("leftovers", text, way_out))
}

/// Files from the future: the clock was set back, and tokens of removed files may come again.
fn future(entries: &[DirEntry]) -> Option<Finding> {
    let soon = SystemTime::now() + LEFT;
    let from_there = entries.iter().find(|entry| {
        entry.metadata().and_then(|data| data.modified()).is_ok_and(|changed| changed > soon)
    })?;
    let name = from_there.file_name();
    let text = format!("{} was changed in the future: the clock was set back", name.to_string_lossy());
    Some(Finding::warning("clock", text, "set the clock by NTP, and let files stay until it has caught up"))
}

/// Files that are no lock files here, by what they are.
#[derive(Default)]
struct Kinds {
    of_other_mechanism: Vec<String>,
    foreign: Vec<String>,
    of_others: Vec<String>,
}

impl Kinds {
    fn of(patient: &Patient) -> Self {
        let locks = patient.locks.with_prefix("");
        let mut kinds = Self::default();
        let Ok(removals) = locks.cleaner("*").dry_run(true).removals() else { return kinds };
        removals.take(LOOKED_AT).for_each(|(name, removal)| kinds.note(name, removal));
        kinds
    }

    fn note(&mut self, name: String, removal: Result<Removal, Error>) {
        match removal {
            Ok(Removal::Foreign("it is a pid file" | "it was made for a lock of the kernel")) => {
                self.of_other_mechanism.push(name);
            }
            Ok(Removal::Foreign(_)) => self.foreign.push(name),
            Err(error) if error.is_permission() => self.of_others.push(name),
            _ => {}
        }
    }

    fn findings(&self, patient: &Patient) -> Vec<Finding> {
        let mut findings = Vec::new();
        let (here, other) = if patient.is_of_pid_files() { ("pid", "kernel") } else { ("kernel", "pid") };
        if !self.of_other_mechanism.is_empty() {
            let text = format!(
                "here it is \"{here}\", and these files were made with `mechanism = \"{other}\"`: {}",
                some(&self.of_other_mechanism)
            );
            let way_out =
                "use one mechanism for one directory, and clean with the old one before it is changed";
            findings.push(Finding::problem("mechanism", text, way_out));
        }
        if !self.foreign.is_empty() {
            let text = format!("no lock files, but in the directory: {}", some(&self.foreign));
            findings.push(Finding::warning(
                "files",
                text,
                "give locks a directory that has nothing else in it",
            ));
        }
        if !self.of_others.is_empty() {
            let text = format!("lock files that this user cannot open: {}", some(&self.of_others));
            let way_out =
                "run this as their user; or, if users share locks, set `lock_file_mode` and chmod the files";
            findings.push(Finding::warning("files", text, way_out));
        }
        findings
    }
}

/// Three names tell enough.
fn some(names: &[String]) -> String {
    let first = names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{first} and {} more", names.len() - 3) } else { first }
}
