//! Very many files: what each costs, and that memory does not grow with them.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use lockutils_tests::{Place, eventually, lockutils};

fn make(place: &Place, numbers: std::ops::Range<usize>) {
    for number in numbers {
        // Not in the order of their names.
        File::create(place.file(&format!("volume-{:06}", number * 7919 % 100_000))).expect("a file");
    }
}

/// The greatest memory that a look has needed, in KiB, and what it printed: looked up while the command pauses, since what
/// the system tells of a process that has ended includes the one that it was forked from.
fn peak(place: &Place, words: &[&str], lines: usize) -> (u64, String) {
    let printed = place.file(".lockutils-printed");
    let out = Stdio::from(File::create(&printed).expect("a file"));
    let mut command = place.lockutils(&[words, &["--watch", "3600"]].concat());
    let mut child = command.stdout(out).spawn().expect("it can be started");
    let read = || fs::read_to_string(&printed).expect("text");
    for quarter in 1..=4 {
        eventually("a quarter more is listed", || {
            thread::sleep(Duration::from_millis(200));
            read().matches('\n').count() >= lines * quarter / 4
        });
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it pauses");
    child.kill().and_then(|()| child.wait()).expect("it can be killed");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).and_then(|peak| peak.parse().ok());
    (peak.expect("a number of KiB"), read())
}

/// A word for each of the names would be 0.8 MiB more, its text 1.5 MiB, what is told of it 20 MiB.
#[test]
fn memory_does_not_grow_with_the_number_of_files() {
    let place = Place::new("memory_does_not_grow");
    make(&place, 0..1_000);
    let (few, _) = peak(&place, &["list"], 1_002);
    make(&place, 1_000..70_000);
    let (more, _) = peak(&place, &["list"], 70_002);
    make(&place, 70_000..100_000);
    let _holder = place.holder("volume-077777");
    for (words, heads) in [(&["list"][..], 2), (&["list", "--json"], 0)] {
        let (most, text) = peak(&place, words, 100_000 + heads);
        assert!(most < few + 10 * 1024, "{few} KiB for a thousand files, {most} for a hundred thousand");
        assert!(most < more + 1024, "{more} KiB for seventy thousand files, {most} for a hundred thousand");
        let names = |line: &str| {
            let at = line.find("volume-")?;
            Some(line[at..at + "volume-000000".len()].to_owned())
        };
        let listed: Vec<String> = text.lines().filter_map(names).collect();
        assert_eq!(listed.len(), 100_000, "each comes once");
        assert!(listed.is_sorted_by(|one, next| one < next), "in the order of the names");
        assert_eq!(text.matches("held").count(), 1, "one is held");
    }
}

fn calls(place: &Place) -> usize {
    let log = place.file(".lockutils-strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&log).arg(lockutils()).arg("list");
    let done = command.env("LOCKUTILS_LOCK_PATH", place.path()).stdout(Stdio::null()).status();
    assert!(done.expect("strace(1) can be started").success());
    let log = fs::read_to_string(log).expect("a log");
    // Without optimizations, the standard library looks at each descriptor that it closes.
    log.lines().filter(|line| !line.contains("F_GETFD")).count()
}

/// Open, look, ask who is in the way, read, close; and the list of all locks is not read for each.
#[test]
fn a_file_costs_a_few_system_calls() {
    let place = Place::new("a_file_costs_a_few_system_calls");
    make(&place, 0..1_000);
    let few = calls(&place);
    make(&place, 1_000..3_000);
    let more = calls(&place);
    assert!(more - few <= 2_000 * 5 + 100, "{few} calls for a thousand files, {more} for three thousand");
}
