//! Lock files that are removed, by this crate and by others.

use std::fs;
use std::thread;

use lockutils::{Config, Locks, Removal};
use lockutils_tests::{BOUND, Child, Counter, Peer, Place, eventually, python};

const REMOVALS: usize = 20;

#[track_caller]
fn removal(place: &Place) -> Removal {
    place.lock("job").remove_file().expect("no error")
}

/// A process that has the file open, and no lock.
fn opener(place: &Place) -> Child {
    let mut opener = Child::spawn(python("actor.py").arg("open").arg(place.file("job")).arg("alone"));
    opener.take();
    opener
}

#[test]
fn a_file_that_nobody_uses_is_removed() {
    let place = Place::new("a_file_that_nobody_uses_is_removed");
    assert_eq!(removal(&place), Removal::Missing);
    drop(place.try_acquire("job"));
    assert_eq!(removal(&place), Removal::Removed);
    assert!(!place.file("job").exists());
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 0, "nothing is left");
}

/// Whoever has waited for the lock has nothing open any more but what it holds.
#[test]
fn a_file_that_was_waited_for_is_removed() {
    let place = Place::new("a_file_that_was_waited_for_is_removed");
    let next = Locks::new(Config::new().lock_path(place.path())).expect("a registry");
    for _ in 0..300 {
        let held = place.try_acquire("job").expect("nobody has it");
        thread::scope(|scope| {
            let waits = scope.spawn(|| next.lock("job").external().timeout(BOUND).acquire().map(drop));
            place.has_waiters("job", 1);
            drop(held);
            waits.join().expect("no panic").expect("its turn");
        });
        // Programs that other tests start have a copy of it for the moment in which they are started.
        eventually("it is removed", || {
            matches!(next.lock("job").external().remove_file(), Ok(Removal::Removed))
        });
    }
}

#[test]
fn a_held_file_is_busy() {
    let place = Place::new("a_held_file_is_busy");
    let holders = [place.holder("job")];
    assert_eq!(removal(&place), Removal::Busy, "ours");
    drop(holders);
    for peer in Peer::ALL {
        let holder = peer.holder(&place.file("job"));
        assert_eq!(removal(&place), Removal::Busy, "{peer:?}");
        holder.finish();
    }
    assert_eq!(removal(&place), Removal::Removed);
}

#[cfg_attr(
    lockutils_portable,
    ignore = "there are no leases there that tell whether somebody has the file open"
)]
#[test]
fn an_open_file_is_in_use() {
    let place = Place::new("an_open_file_is_in_use");
    let mut opener = opener(&place);
    assert_eq!(removal(&place), Removal::InUse);
    assert!(place.file("job").exists());
    assert!(place.try_acquire("job").is_some(), "and free");
    opener.release();
    assert_eq!(removal(&place), Removal::Removed);
}

/// oslo.concurrency polls and `flock(1)` sleeps, both on a file that they have opened before. Stopped in
/// between, they hold nothing and will lock that very file when they go on.
#[cfg_attr(
    lockutils_portable,
    ignore = "there are no leases there that tell whether somebody has the file open"
)]
#[test]
fn a_file_that_a_peer_is_about_to_lock_is_in_use() {
    for kind in ["oslo", "fasteners", "flock", "flock(1)"] {
        let place = Place::new("a_file_that_a_peer_is_about_to_lock_is_in_use");
        let guard = place.try_acquire("job").expect("a free lock");
        let mut peer = Peer::alone(kind).actor(&place.file("job"));
        peer.say("wait");
        place.is_open_in("job", &peer);
        assert_eq!(removal(&place), Removal::Busy, "we have it, and {kind} waits");
        peer.stop();
        drop(guard);
        if kind != "flock(1)" {
            // The shell is stopped here, and not its flock(1), which may have the lock by now.
            assert_eq!(removal(&place), Removal::InUse, "{kind} has it open");
        }
        assert_ne!(removal(&place), Removal::Removed, "{kind} has it open");
        peer.go_on();
        peer.expect("held");
        assert!(place.try_acquire("job").is_none(), "{kind} has it");
    }
}

/// A file that is removed by hand while somebody waits on it: the waiter gets a lock on the file that is
/// there, not on the one that it has opened, in every way to wait.
#[test]
fn a_removed_file_does_not_split() {
    for words in [&[][..], &["timeout=25000"], &["async"], &["read"]] {
        let place = Place::new("a_removed_file_does_not_split");
        let mut holder = place.holder("job");
        let mut waiter = place.waiter("job", words);
        fs::remove_file(place.file("job")).expect("it is there");
        let newcomer = place.try_acquire("job").expect("nobody has the new file");
        holder.release();
        place.has_waiters("job", 1);
        assert!(waiter.is_silent(), "{words:?} has a lock beside the newcomer's");
        drop(newcomer);
        waiter.expect("held");
        assert!(place.try_acquire("job").is_none());
    }
}

/// The guard of a file that was removed by hand says so.
#[test]
fn a_guard_knows_that_its_file_is_gone() {
    let place = Place::new("a_guard_knows_that_its_file_is_gone");
    let guard = place.try_acquire("job").expect("a free lock");
    assert!(!guard.is_lost().expect("no error"));
    fs::remove_file(place.file("job")).expect("it is there");
    assert!(guard.is_lost().expect("no error"));
    assert!(place.holder("job").finish().is_empty(), "another process does not see this lock");
    assert!(guard.is_lost().expect("no error"), "another file is not ours");
}

/// Processes count under a lock whose file another one removes all the time.
#[test]
fn removing_while_others_count_loses_nothing() {
    let place = Place::new("removing_while_others_count_loses_nothing");
    let counter = Counter::new(place.file("counter"));
    let file = counter.path().display().to_string();
    let counters: Vec<_> = (0..3).map(|_| place.helper(&["count-on", "job", &file])).collect();
    let mut removers = [place.helper(&["remove-on", "job"]), place.helper(&["remove-on", "job"])];
    for remover in &mut removers {
        (0..REMOVALS).for_each(|_| remover.expect("removed"));
    }
    let times = |child: Child| child.finish().join("").parse::<u64>().expect("a number");
    let sum: u64 = counters.into_iter().map(times).sum();
    assert_eq!(counter.value(), sum);
    assert!(sum > 0);
}
