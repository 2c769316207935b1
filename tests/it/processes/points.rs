//! A kill at every single system call of an acquire and a release.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use lockutils_tests::{BOUND, Place};

/// How soon the lock is to be free.
const SOON: Duration = Duration::from_millis(300);

/// A system call: its name, and which one of that name it is in its process.
type Point = (String, usize);

/// The calls of a process from the first that has to do with the lock to the one that says that it was let go.
fn points(place: &Place, words: &[&str]) -> Vec<Point> {
    let (mut child, log) = place.strace(&[], &[&["release", "job"], words].concat());
    child.expect("released");
    child.finish();
    let log = fs::read_to_string(log).expect("a log");
    let directory = place.path().display().to_string();
    let (mut seen, mut points, mut begun) = (HashMap::new(), Vec::new(), false);
    for (name, line) in log.lines().filter_map(|line| Some((name(line)?, line))) {
        let number = seen.entry(name).and_modify(|number| *number += 1).or_insert(1);
        begun |= line.contains(&directory);
        if begun {
            points.push((name.to_owned(), *number));
        }
        if line.contains(r#""released\n""#) {
            break;
        }
    }
    points
}

/// The call of a line of strace(1): `4711 flock(3, LOCK_UN) = 0`.
fn name(line: &str) -> Option<&str> {
    let name = line.split_once(' ')?.1.trim_start().split_once('(')?.0;
    name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_').then_some(name)
}

/// Kills a process at this point, and says how long it took until another had the lock; `None` if the process
/// was not killed.
fn killed_at((call, number): &Point, is_new: bool, words: &[&str]) -> Option<Duration> {
    let place = prepared(is_new);
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=SIGKILL:when={number}"));
    let words = [&["release", "job"], words].concat();
    let said = place.strace(&["-e", &trace, "-e", &inject], &words).0.said_within(BOUND);
    let dead = Instant::now();
    let guard = place.lock("job").timeout(SOON).acquire();
    let took = dead.elapsed();
    let guard = guard.unwrap_or_else(|error| panic!("killed at {call} {number} ({said:?}): {error}"));
    assert!(!place.actor("job", &[]).try_take(), "killed at {call} {number}: it excludes nobody");
    drop(guard);
    assert!(place.actor("job", &[]).try_take(), "killed at {call} {number}: it cannot be used");
    said.is_none().then_some(took)
}

fn prepared(is_new: bool) -> Place {
    let place = Place::new("a_kill_at_every_call");
    if !is_new {
        drop(place.try_acquire("job"));
    }
    place
}

/// Wherever a process is killed while it takes the lock or lets it go, another has the lock at once.
#[test]
fn a_kill_at_every_call_of_acquire_and_release() {
    let (mut kills, mut slowest) = (0, Duration::ZERO);
    for is_new in [true, false] {
        for words in [&[][..], &["read"], &["fair"]] {
            let points = points(&prepared(is_new), words);
            assert!(points.len() > 10, "{words:?}: {points:?}");
            for took in points.iter().filter_map(|point| killed_at(point, is_new, words)) {
                kills += 1;
                slowest = slowest.max(took);
            }
        }
    }
    println!("{kills} kills; the lock was free after {slowest:?} at the latest");
    assert!(kills > 60, "only {kills} kills");
}
