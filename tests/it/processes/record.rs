//! What a lock file says of its holder, and what is said where the file and the kernel disagree.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::pin::{Pin, pin};
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use lockutils::{Config, Evidence, Holder, Locks, synchronized};
use lockutils_tests::{BOUND, Child, Peer, Place, eventually};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::conformance::support::seed;

fn holder(place: &Place, name: &str) -> Holder {
    place.lock(name).holder().expect("no error").expect("somebody has it")
}

fn content(place: &Place, name: &str) -> String {
    fs::read_to_string(place.file(name)).expect("text")
}

/// A holder and what is there to be known of it.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn another_process_is_named_with_everything() {
    let place = Place::new("another_process_is_named_with_everything");
    assert_eq!(place.lock("job").holder().expect("no file is no error"), None);
    let before = SystemTime::now() - Duration::from_millis(1);
    let other = place.holder("job");
    let holder = holder(&place, "job");
    assert_eq!(holder.evidence(), Evidence::Both);
    assert_eq!(holder.pid(), Some(other.pid().as_raw().cast_unsigned()));
    assert_eq!(holder.program(), Some("helper"));
    assert_eq!(holder.host(), Some(&*hostname()));
    assert_eq!(holder.thread(), Some("main"));
    assert!(holder.place().is_some_and(|place| place.starts_with("tests/src/bin/helper/")), "{holder:?}");
    assert!(holder.since().is_some_and(|since| since >= before && since <= SystemTime::now()));
    assert!(holder.fencing_token().is_some());
    let text = holder.to_string();
    assert!(text.starts_with(&format!("pid {} (helper) for ", other.pid())), "{text}");
    assert!(text.ends_with(", thread main"), "{text}");
}

/// What the registry does not know of its own process stands in the file.
#[test]
fn this_process_is_named_with_what_the_file_says() {
    let place = Place::new("this_process_is_named_with_what_the_file_says");
    let guard = place.try_acquire("job").expect("free");
    let seen = holder(&place, "job");
    assert_eq!((seen.evidence(), seen.pid()), (Evidence::Own, Some(std::process::id())));
    assert_eq!(seen.fencing_token(), Some(guard.fencing_token()));
    assert!(seen.thread().is_some());
    let text = seen.to_string();
    assert!(text.starts_with("this process for ") && text.contains(", at tests/"), "{text}");
}

fn hostname() -> String {
    let name = Command::new("uname").arg("-n").output().expect("uname(1)").stdout;
    String::from_utf8(name).expect("text").trim().to_owned()
}

/// Who lets go of a lock that somebody waits for leaves the note to that one: a writer writes its own, and others blank
/// it, since it would name somebody who has let go.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn who_waited_writes_over_the_note() {
    for words in [&[][..], &["timeout=25000"], &["async"], &["read"], &["semaphore=2"]] {
        let place = Place::new("who_waited_writes_over_the_note");
        let guard = place.try_acquire("job").expect("free");
        let mut waiter = place.waiter("job", words);
        // So long that the one who lets go looks for those who wait.
        eventually("the clock has moved", || {
            guard.held().expect("it is external") > Duration::from_millis(9)
        });
        let before = content(&place, "job");
        drop(guard);
        waiter.expect("held");
        let after = content(&place, "job");
        let alone = !words.contains(&"read") && !words.contains(&"semaphore=2");
        assert_eq!(after.contains(&format!("\npid {} started ", waiter.pid())), alone, "{words:?}: {after}");
        assert_eq!(after.starts_with("lockutils 1 held "), alone, "{words:?}: {after}");
        assert!(token(&after) >= token(&before), "{words:?}: {after}");
        let holder = holder(&place, "job");
        assert_eq!(holder.pid(), Some(waiter.pid().as_raw().cast_unsigned()), "{words:?}: {holder:?}");
        let evidence = if alone { Evidence::Both } else { Evidence::Kernel };
        assert_eq!(holder.evidence(), evidence, "{words:?}: {holder:?}");
        waiter.release();
        assert!(content(&place, "job").starts_with("lockutils 1 free "), "{words:?}");
    }
}

/// It can be read by people, names whom it should, and is blank when the lock is free.
#[test]
fn the_file_can_be_read() {
    let place = Place::new("the_file_can_be_read");
    for round in 0..3 {
        let mut other = place.holder("job");
        let held = content(&place, "job");
        assert!(held.starts_with("lockutils 1 held token="), "{held}");
        assert!(held.contains(&format!("\npid {} started ", other.pid())), "{held}");
        assert!(held.contains("\nprogram helper\n"), "{held}");
        other.release();
        let free = content(&place, "job");
        assert!(free.starts_with("lockutils 1 free token="), "{round}: {free}");
        assert_eq!(free.trim().lines().count(), 1, "{free}");
        assert_eq!(free.len(), held.len(), "nothing is cut off");
        assert_eq!(token(&free), token(&held));
        assert_eq!(place.lock("job").holder().expect("no error"), None);
    }
}

/// Whoever was given the lock is named, though the task has not looked; the one who has let go is not.
#[cfg_attr(lockutils_portable, ignore = "a lock there comes to nobody who does not look")]
#[test]
fn a_task_that_has_not_looked_is_named() {
    let place = Place::new("a_task_that_has_not_looked_is_named");
    let (other, lock) = (place.holder("job"), place.lock("job"));
    let mut waiting = pin!(lock.acquire_async());
    assert!(polled(waiting.as_mut()).is_none());
    place.has_waiters("job", 1);
    drop(other);
    let me = format!("\npid {} ", std::process::id());
    eventually("the task is named", || content(&place, "job").contains(&me));
    let written = token(&content(&place, "job"));
    let guard = polled(waiting.as_mut()).expect("it is there").expect("no error");
    assert_eq!(guard.fencing_token(), written);
    guard.release().expect("it is there");
    assert!(content(&place, "job").contains(" free token="), "{}", content(&place, "job"));
}

/// Whenever a task is dropped, before the lock has come or after, no note of it stays, and the tokens grow.
#[cfg_attr(lockutils_portable, ignore = "a lock there comes to nobody who does not look")]
#[test]
fn a_task_that_is_dropped_leaves_no_note() {
    let place = Place::new("a_task_that_is_dropped_leaves_no_note");
    let registry =
        || Locks::new(Config::new().lock_path(place.path())).expect("a registry").lock("job").external();
    let [holder, dropped, next] = [registry(), registry(), registry()];
    let (mut random, mut last, mut noted) = (StdRng::seed_from_u64(seed()), 0, 0);
    for round in 0..1_000 {
        let held = holder.acquire().expect("nobody else wants it");
        let mut waiting = Box::pin(dropped.acquire_async());
        assert!(polled(waiting.as_mut()).is_none());
        place.has_waiters("job", 1);
        let before = held.fencing_token();
        drop(held);
        (0..random.random_range(0..20_000)).for_each(|_| std::hint::spin_loop());
        noted += usize::from(token(&content(&place, "job")) > before);
        drop(waiting);
        let left = content(&place, "job");
        assert!(!left.contains(" held token=") || token(&left) == before, "round {round}: {left}");
        let guard = next.clone().timeout(BOUND).acquire().expect("nobody else wants it");
        assert!(guard.fencing_token() > last, "round {round}");
        last = guard.fencing_token();
        guard.release().expect("it is there");
        let content = content(&place, "job");
        assert!(content.contains(&format!(" free token={last:020}")), "round {round}: {content}");
    }
    assert!(noted > 10, "only {noted} were dropped with the lock");
}

/// A wait that was given up goes on for the next one who wants the lock, and in its name.
#[cfg_attr(lockutils_portable, ignore = "a wait that is given up there is over, and leaves nothing to count")]
#[test]
fn who_takes_a_wait_up_is_named() {
    let place = Place::new("who_takes_a_wait_up_is_named");
    let other = place.holder("job");
    for _ in 0..3 {
        let given_up = annotated_wait(&place, Duration::from_millis(1)).expect_err("another has it");
        assert!(given_up.is_timeout());
    }
    thread::scope(|scope| {
        let waits = thread::Builder::new().name("the-next".into());
        let waits =
            waits.spawn_scoped(scope, || place.lock("job").timeout(BOUND).acquire()).expect("a thread");
        place.has_waiters("job", 1);
        drop(other);
        let guard = waits.join().expect("no panic").expect("its turn");
        let content = content(&place, "job");
        assert!(content.contains("\nthread the-next\n") && !content.contains("function"), "{content}");
        drop(guard);
    });
}

#[synchronized("job", external, locks = place.locks(), timeout = limit)]
fn annotated_wait(place: &Place, limit: Duration) -> Result<(), lockutils::Error> {
    Ok(())
}

/// What a future has for us at once.
pub(super) fn polled<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn token(content: &str) -> u64 {
    let token = content.lines().next().and_then(|line| line.split_once("token="));
    token.expect("a token").1.trim().parse().expect("a number")
}

#[synchronized("job", external, lock_path = path)]
fn annotated<T>(path: &std::path::Path, work: impl FnOnce() -> T) -> Result<T, lockutils::Error> {
    Ok(work())
}

#[synchronized("task", external, lock_path = path)]
async fn annotated_task<T>(path: &std::path::Path, work: impl FnOnce() -> T) -> Result<T, lockutils::Error> {
    Ok(work())
}

#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn an_attribute_names_its_function_and_a_task_is_called_one() {
    let place = Place::new("an_attribute_names_its_function_and_a_task_is_called_one");
    let seen = annotated(place.path(), || holder(&place, "job")).expect("free");
    let task = futures_lite::future::block_on(annotated_task(place.path(), || holder(&place, "task")));
    let task = task.expect("free");
    assert_eq!(seen.function(), Some(concat!(module_path!(), "::annotated")));
    assert_eq!(task.function(), Some(concat!(module_path!(), "::annotated_task")));
    assert_eq!((task.thread(), task.pid()), (Some("task"), Some(std::process::id())));
    // The attribute took it in another registry than the one that was asked, as another process would have.
    assert_eq!(task.evidence(), Evidence::Both);
}

/// A process of the portable path, which knows nothing of boots, starts and namespaces, is known by its number.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn a_holder_that_knows_little_of_itself_is_named() {
    let place = Place::new("a_holder_that_knows_little_of_itself_is_named");
    let other = place.holder("job");
    let text = content(&place, "job");
    let known = text.lines().nth(1).expect("the process");
    let little =
        format!("{:<1$}", format!("pid {} started 0 boot - namespace 0 clock 0", other.pid()), known.len());
    fs::write(place.file("job"), text.replace(known, &little)).expect("written");
    let seen = holder(&place, "job");
    assert_eq!((seen.evidence(), seen.pid()), (Evidence::Both, Some(other.pid().as_raw().cast_unsigned())));
    assert!(seen.place().is_some());
}

/// Those who share one lock of the file are known to the kernel, which names each process.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn readers_are_named_by_the_kernel() {
    let place = Place::new("readers_are_named_by_the_kernel");
    let readers: Vec<Child> = (0..3).map(|_| place.holder_with("job", &["read"])).collect();
    let holders = place.lock("job").holders().expect("no error");
    let mut pids: Vec<_> = holders.iter().filter_map(Holder::pid).collect();
    let mut expected: Vec<_> = readers.iter().map(|child| child.pid().as_raw().cast_unsigned()).collect();
    pids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(pids, expected);
    assert!(holders.iter().all(|holder| holder.evidence() == Evidence::Kernel));
    assert!(holders.iter().all(|holder| holder.program() == Some("helper")));
}

/// Who shares it from now on is no longer in the file, since others may write nothing there.
#[test]
fn a_downgraded_holder_is_named_by_the_kernel() {
    let place = Place::new("a_downgraded_holder_is_named_by_the_kernel");
    let guard = place.try_acquire("job").expect("free").downgrade().expect("no error");
    assert!(content(&place, "job").starts_with("lockutils 1 free"));
    let seen = place.lock("job").holder().expect("no error").expect("it is shared");
    assert_eq!((seen.evidence(), seen.pid()), (Evidence::Own, Some(std::process::id())));
    drop(guard);
}

/// Whoever takes the file by other means is named as far as the kernel knows.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn peers_are_named_by_the_kernel() {
    for peer in Peer::ALL {
        let place = Place::new("peers_are_named_by_the_kernel");
        drop(place.try_acquire("job"));
        let other = peer.holder(&place.file("job"));
        let seen = holder(&place, "job");
        assert_eq!(seen.evidence(), Evidence::Kernel, "{peer:?}");
        // `flock(1)` takes the lock for the shell that has started it, and ends.
        let is_it = seen.pid() == Some(other.pid().as_raw().cast_unsigned());
        let has_ended = seen.to_string().ends_with(
            ", which has ended and left it to a process that shares its open file, as fuser(1) can tell",
        );
        assert!(if peer.kind == "flock(1)" { has_ended } else { is_it }, "{peer:?}: {seen}");
        let error = place.lock("job").timeout(Duration::from_millis(5)).acquire().expect_err("it is held");
        let pid = format!("; its file is held by pid {}", seen.pid().expect("known"));
        assert!(error.to_string().contains(&pid), "{error}");
    }
}

/// Who died with the lock is not said to have it.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn the_record_of_a_dead_process_is_not_believed() {
    let place = Place::new("the_record_of_a_dead_process_is_not_believed");
    let mut dead = place.holder("job");
    dead.kill();
    assert!(content(&place, "job").starts_with("lockutils 1 held"), "nobody was there to clear it");
    assert_eq!(place.lock("job").holder().expect("no error"), None);
    let other = Peer::alone("flock(1)").holder(&place.file("job"));
    let seen = holder(&place, "job");
    assert_eq!(seen.evidence(), Evidence::KernelAgainstRecord);
    assert_ne!(seen.pid(), Some(dead.pid().as_raw().cast_unsigned()));
    assert_eq!(seen.fencing_token(), None, "that is in the record");
    drop(other);
    eventually("the lock is free", || place.try_acquire("job").is_some());
    assert!(content(&place, "job").starts_with("lockutils 1 free"));
}

/// The same where the number belongs to another process by now: it was started at another time.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn a_number_that_was_given_anew_is_not_believed() {
    let place = Place::new("a_number_that_was_given_anew_is_not_believed");
    let mut dead = place.holder("job");
    let record = content(&place, "job");
    dead.kill();
    let me = format!("pid {}", std::process::id());
    fs::write(place.file("job"), record.replace(&format!("pid {}", dead.pid()), &me)).expect("written");
    let _other = Peer::alone("lockf").holder(&place.file("job"));
    let seen = holder(&place, "job");
    assert_eq!(seen.evidence(), Evidence::KernelAgainstRecord);
    assert_ne!(seen.pid(), Some(std::process::id()));
}

/// A record of another boot says nothing, and one of another host is all there is to know.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn records_of_other_systems() {
    for (key, evidence) in [("boot ", Evidence::KernelAgainstRecord), ("host ", Evidence::Record)] {
        let place = Place::new("records_of_other_systems");
        let mut dead = place.holder("job");
        let record = content(&place, "job");
        dead.kill();
        // Another host has another boot too.
        let other = record
            .replace(" boot ", " boot x")
            .replace("\nhost ", if key == "host " { "\nhost x" } else { "\nhost " });
        fs::write(place.file("job"), other.replace(&format!("pid {}", dead.pid()), "pid 1"))
            .expect("written");
        // An OFD lock alone has no owner that could be named.
        let _ofd = Peer::shared("ofd").holder(&place.file("job"));
        let seen = holder(&place, "job");
        let expected = if evidence == Evidence::Record { evidence } else { Evidence::Nothing };
        assert_eq!(seen.evidence(), expected, "{key}");
    }
}

/// What others have written into the file stays as it is, however long the lock is used.
#[test]
fn the_content_of_others_is_left_alone() {
    for text in ["4711\n", "lockutils", "\n", "lockutils 2 held token=1\n", &"x".repeat(9000)] {
        let place = Place::new("the_content_of_others_is_left_alone");
        fs::write(place.file("job"), text).expect("written");
        for _ in 0..3 {
            let guard = place.try_acquire("job").expect("free");
            assert!(guard.fencing_token() > 0);
            assert_eq!(content(&place, "job"), text);
            assert_eq!(holder(&place, "job").evidence(), Evidence::Own);
            drop(guard);
            assert_eq!(content(&place, "job"), text);
        }
        let removal = place.lock("job").remove_file().expect("no error");
        assert_eq!(removal, lockutils::Removal::Foreign("it has content that is not of this crate"));
    }
}

/// What somebody writes into the file while it is held stays, too; and what only begins like a record is none.
#[cfg_attr(lockutils_portable, ignore = "there are no semaphores between processes there")]
#[test]
fn what_others_write_meanwhile_is_left_alone() {
    let place = Place::new("what_others_write_meanwhile_is_left_alone");
    let text = "precious ".repeat(100);
    let ways: [fn(lockutils::LockGuard); 2] = [drop, |guard| drop(guard.downgrade().expect("no error"))];
    for way in ways {
        let _ = fs::remove_file(place.file("job"));
        let guard = place.try_acquire("job").expect("free");
        fs::write(place.file("job"), &text).expect("written");
        way(guard);
        assert_eq!(content(&place, "job"), text);
    }
    for text in
        ["lockutils 1 is my file of notes, and they go on for a while\n", "lockutils 1 held token=17\n"]
    {
        fs::write(place.file("job"), text).expect("written");
        drop(place.try_acquire("job").expect("free"));
        drop(place.locks().semaphore("job", 2).external().acquire().expect("free"));
        assert_eq!(content(&place, "job"), text);
    }
}

/// What has another name may be precious under that one.
#[test]
fn a_file_with_several_names_is_not_written() {
    let place = Place::new("a_file_with_several_names_is_not_written");
    let precious = place.path().join("precious");
    fs::write(&precious, "").expect("written");
    fs::hard_link(&precious, place.file("job")).expect("linked");
    let guard = place.try_acquire("job").expect("free");
    assert_eq!(content(&place, "job"), "");
    assert_eq!(place.actor("job", &[]).finish(), Vec::<String>::new());
    drop(guard);
    assert_eq!(fs::read(&precious).expect("there"), b"");
    fs::remove_file(&precious).expect("removed");
    let _guard = place.try_acquire("job").expect("free");
    assert!(content(&place, "job").starts_with("lockutils 1 held"));
}

/// Who may only read the file is told who has it.
#[test]
fn the_holder_of_a_file_that_may_only_be_read() {
    let place = Place::new("the_holder_of_a_file_that_may_only_be_read");
    let other = place.holder("job");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(place.file("job"), fs::Permissions::from_mode(0o444)).expect("a mode");
    let line = place.helper(&["as-nobody", "holder", "job"]).line();
    assert!(line.starts_with(&format!("pid {} (helper) for ", other.pid())), "{line}");
    symlink(place.file("job"), place.file("link")).expect("a link");
    assert!(place.lock("link").holder().expect_err("not followed").is_not_a_file());
}

/// Those who ask disturb neither those who have the lock nor those who want it.
#[cfg_attr(lockutils_portable, ignore = "who asks there has the lock for some microseconds")]
#[test]
fn asking_takes_nothing() {
    let place = Place::new("asking_takes_nothing");
    drop(place.try_acquire("job"));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                place.lock("job").holders().expect("no error");
            }
        });
        let mut actor = place.actor("job", &[]);
        let mut undisturbed = 0;
        while undisturbed < 300 && actor.try_take() {
            actor.release();
            undisturbed += 1;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(undisturbed, 300, "somebody else had it then");
    });
}
