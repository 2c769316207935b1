//! Services of ours, on oslo.concurrency, and on flock(2) change one file under one lock.

use std::process::Command;

use lockutils_tests::{Child, Counter, Place, python};

const TIMES: u64 = 150;

/// How often the control is repeated until an addition is lost.
const ATTEMPTS: u32 = 20;

/// A Python process that adds to the counter under its own kind of lock.
fn theirs(place: &Place, counter: &Counter, kind: &str) -> Command {
    let mut command = python("count.py");
    command.arg(kind).arg(place.file("job")).arg(counter.path()).arg(TIMES.to_string());
    command
}

/// A process of ours that adds to several counters under the one lock.
fn ours(place: &Place, counters: &[&Counter]) -> Command {
    let files: Vec<String> = counters.iter().map(|counter| counter.path().display().to_string()).collect();
    place.command(&["count", "job", &files.join(","), &TIMES.to_string(), "threads=1"])
}

/// Lets them all run at once.
fn race(fleet: Vec<Command>) {
    let mut fleet: Vec<Child> = fleet.into_iter().map(|mut command| Child::spawn(&mut command)).collect();
    for child in &mut fleet {
        child.expect("ready");
    }
    for child in &mut fleet {
        child.say("go");
    }
    for mut child in fleet {
        child.expect("done");
        child.finish();
    }
}

/// Two of each of the three kinds: nothing is lost of what ours and oslo's share, nor of what ours and
/// flock's share. (Those two do not exclude each other, with us or without us, so each kind has a counter of
/// its own.)
#[cfg_attr(lockutils_portable, ignore = "it takes no record locks there, which are all that this peer knows")]
#[test]
fn six_processes_of_three_kinds_lose_nothing() {
    let place = Place::new("six_processes_of_three_kinds_lose_nothing");
    let (oslo, flock) = (Counter::new(place.file("oslo")), Counter::new(place.file("flock")));
    race(vec![
        theirs(&place, &oslo, "oslo"),
        theirs(&place, &flock, "flock"),
        ours(&place, &[&oslo, &flock]),
        theirs(&place, &oslo, "oslo"),
        theirs(&place, &flock, "flock"),
        ours(&place, &[&flock, &oslo]),
    ]);
    assert_eq!((oslo.value(), flock.value()), (4 * TIMES, 4 * TIMES));
}

/// The control: oslo.concurrency and flock(2) do not exclude each other, so that this way of counting would
/// show a lock that excludes only one of them.
#[test]
fn without_ours_oslo_and_flock_lose_some() {
    let place = Place::new("without_ours_oslo_and_flock_lose_some");
    let lost = |_| {
        let counter = Counter::new(place.file("counter"));
        race(["oslo", "flock", "oslo", "flock"].map(|kind| theirs(&place, &counter, kind)).into());
        counter.value() < 4 * TIMES
    };
    assert!(
        (0..ATTEMPTS).any(lost),
        "no addition was lost in {ATTEMPTS} races: the test above shows nothing"
    );
}
