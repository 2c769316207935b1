//! What a guard of a distributed lock knows and does.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use lockutils::distributed::{Caller, Share};
use lockutils::{Cancel, Evidence, LockGuard};

use super::backends::Watched;
use super::{alone, pair};
use crate::conformance::support::{LONG, TINY, Worker, block_on, elsewhere, poll, wait_until};

#[test]
fn two_hosts_exclude_each_other() {
    let (here, there) = pair("exclude");
    let guard = here.lock("x").distributed().acquire().expect("free");
    assert!(there.lock("x").distributed().try_acquire().expect("reachable").is_none());
    assert!(block_on(there.lock("x").distributed().try_acquire_async()).expect("reachable").is_none());
    assert!(there.lock("y").distributed().try_acquire().expect("reachable").is_some());
    let waiter =
        Worker::waiting(move || there.lock("x").distributed().acquire().map(|guard| guard.fencing_token()));
    let token = guard.fencing_token();
    guard.release().expect("it was held");
    assert!(waiter.join().expect("its turn") > token);
}

#[test]
fn a_thread_asks_by_itself_and_a_task_does_not() {
    let engine = Watched::new("callers");
    let locks = engine.locks();
    drop(locks.lock("x").distributed().acquire().expect("free"));
    let cancel = Cancel::new();
    drop(locks.lock("x").distributed().cancel_on(&cancel).acquire().expect("free"));
    drop(block_on(locks.lock("x").distributed().acquire_async()).expect("free"));
    let thread = Caller::Thread { until: None };
    let callers = engine.callers.lock().expect("nobody panics").clone();
    // With a `Cancel`, the thread must be free to hear of it. What it took, it gives back by itself.
    assert_eq!(callers, [thread, thread, Caller::Task, thread, Caller::Task, Caller::Task]);
}

#[test]
fn what_a_task_drops_is_let_go_in_the_background_and_comes_before_the_next() {
    let engine = Watched::new("leaving");
    let locks = engine.locks();
    let guard = block_on(locks.lock("x").distributed().acquire_async()).expect("free");
    engine.hold_releases();
    drop(guard);
    // The next one in this process waits for it, so that it does not find its own lock busy.
    let lock = locks.lock("x").distributed();
    let mut next = Box::pin(lock.acquire_async());
    assert!(poll(&mut next).is_pending());
    assert_eq!(engine.enters.load(SeqCst), 1);
    assert!(
        block_on(locks.lock("y").distributed().try_acquire_async()).expect("reachable").is_some(),
        "another name does not wait"
    );
    engine.let_releases_go();
    drop(block_on(next).expect("its turn"));
}

type LetGo = fn(LockGuard);

/// Who has given up waiting for that takes it from nobody who comes later.
#[test]
fn who_gives_up_lets_the_next_one_wait_for_what_is_let_go() {
    let engine = Watched::new("given-up");
    let locks = engine.locks();
    let lock = locks.lock("x").distributed();
    let taken = || block_on(lock.acquire_async()).expect("free");
    let drops: [(&str, LetGo); 2] = [("a guard", drop), ("a release", |guard| drop(guard.release_async()))];
    for (what, dropped) in drops {
        let guard = taken();
        engine.hold_releases();
        let before = engine.enters.load(SeqCst);
        dropped(guard);
        let mut given_up = Box::pin(lock.acquire_async());
        assert!(poll(&mut given_up).is_pending(), "{what}");
        drop(given_up);
        let (mut one, mut other) = (Box::pin(lock.try_acquire_async()), Box::pin(lock.acquire_async()));
        assert!(poll(&mut one).is_pending() && poll(&mut other).is_pending(), "{what}");
        assert_eq!(engine.enters.load(SeqCst), before, "{what}: nobody finds the own lock busy");
        engine.let_releases_go();
        drop(block_on(one).expect("reachable").expect("free"));
        drop(block_on(other).expect("its turn"));
    }
}

#[test]
fn readers_that_come_at_once_all_wait_for_what_is_let_go() {
    let engine = Watched::new("all-wait");
    let locks = engine.locks();
    drop({
        let guard = block_on(locks.lock("x").distributed().acquire_async()).expect("free");
        engine.hold_releases();
        guard
    });
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let locks = locks.clone();
            Worker::waiting(move || locks.lock("x").distributed().read().try_acquire())
        })
        .collect();
    assert_eq!(engine.enters.load(SeqCst), 1);
    engine.let_releases_go();
    for reader in readers {
        assert!(reader.join().expect("reachable").is_some(), "each is woken");
    }
}

#[test]
fn a_release_waits_until_it_is_confirmed() {
    let engine = Watched::new("confirmed");
    let locks = engine.locks();
    let guard = block_on(locks.lock("x").distributed().acquire_async()).expect("free");
    engine.hold_releases();
    let mut release = Box::pin(guard.release_async());
    assert!(poll(&mut release).is_pending());
    assert!(locks.lock("x").try_acquire().expect("a name").is_none(), "nobody here comes in before that");
    engine.let_releases_go();
    block_on(release).expect("it was held");
    assert!(locks.is_empty());
}

#[test]
fn readers_of_one_process_share_one_grant() {
    let engine = Watched::new("readers");
    let (locks, other) = (engine.locks(), super::registry("memory:readers"));
    let readers: Vec<_> =
        (0..5).map(|_| locks.lock("x").distributed().read().acquire().expect("shared")).collect();
    assert_eq!(engine.enters.load(SeqCst), 1);
    let token = readers[0].fencing_token();
    assert!(readers.iter().all(|reader| reader.fencing_token() == token && reader.is_shared()));
    assert!(other.lock("x").distributed().try_acquire().expect("reachable").is_none());
    drop(readers);
    assert_eq!(engine.releases.load(SeqCst), 1);
    assert!(other.lock("x").distributed().try_acquire().expect("reachable").is_some());
}

#[test]
fn many_readers_that_come_at_once_ask_once() {
    let engine = Watched::new("crowd");
    let other = super::registry("memory:crowd");
    let writer = other.lock("x").distributed().acquire().expect("free");
    let here = engine.locks();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let locks = here.clone();
            Worker::waiting(move || locks.lock("x").distributed().read().acquire())
        })
        .collect();
    assert_eq!(engine.enters.load(SeqCst), 1, "the others wait for the first one");
    drop(writer);
    let guards: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("its turn")).collect();
    assert_eq!((engine.enters.load(SeqCst), guards.len()), (1, 8));
}

#[test]
fn a_writer_elsewhere_is_not_starved_by_readers_here() {
    let (here, there) = pair("starve");
    let mut reader = here.lock("x").distributed().read().acquire().expect("free");
    let waiter = Worker::waiting(move || there.lock("x").distributed().acquire().map(drop));
    // Each one joins the one before, until that has been held for a second.
    let joined = std::time::Instant::now();
    loop {
        match here.lock("x").distributed().read().timeout(TINY).acquire() {
            Ok(next) => reader = next,
            Err(error) => break assert!(error.is_timeout(), "{error}"),
        }
        assert!(joined.elapsed() < LONG, "the writer would never come in");
    }
    drop(reader);
    waiter.join().expect("its turn");
}

#[test]
fn a_downgraded_lock_is_shared_here_only() {
    let (here, there) = pair("downgrade");
    let guard = here.lock("x").distributed().acquire().expect("free").downgrade().expect("no file");
    assert!(here.lock("x").distributed().read().try_acquire().expect("reachable").is_some());
    assert!(there.lock("x").distributed().read().try_acquire().expect("reachable").is_none());
    drop(guard);
    assert!(there.lock("x").distributed().try_acquire().expect("reachable").is_some());
}

#[test]
fn a_reentrant_lock_asks_once_and_keeps_its_token() {
    let engine = Watched::new("reentrant");
    let locks = engine.locks();
    let lock = locks.lock("x").distributed().reentrant(2);
    let outer = lock.acquire().expect("free");
    let inner = lock.acquire().expect("again");
    assert_eq!((outer.fencing_token(), engine.enters.load(SeqCst)), (inner.fencing_token(), 1));
    assert!(lock.acquire().expect_err("the limit").is_limit_reached());
    assert!(lock.try_acquire().expect("no failure").is_none());
    let held = locks.lock("x").distributed();
    assert!(held.held_by_current_thread() && held.hold_count() == 2);
    assert!(!elsewhere(|| held.held_by_current_thread()));
    let first = outer.fencing_token();
    outer.release().expect("held");
    assert_eq!(engine.releases.load(SeqCst), 0, "in whatever order they end");
    inner.release().expect("held");
    assert_eq!(engine.releases.load(SeqCst), 1);
    assert!(lock.acquire().expect("free").fencing_token() > first);
}

#[test]
fn an_internal_outer_level_lets_the_inner_one_ask() {
    let engine = Watched::new("levels");
    let locks = engine.locks();
    let outer = locks.lock("x").reentrant(3).acquire().expect("free");
    let inner = locks.lock("x").distributed().reentrant(3).acquire().expect("free");
    assert_eq!(engine.enters.load(SeqCst), 1);
    drop(inner);
    assert_eq!(engine.releases.load(SeqCst), 1);
    drop(outer);
}

#[test]
fn a_thread_that_reads_may_read_again_behind_a_writer_that_waits() {
    let (here, there) = pair("reread");
    let lock = here.lock("x").distributed().read();
    let ran = lock.run(|| {
        let waiter = Worker::waiting(move || there.lock("x").distributed().acquire().map(drop));
        lock.run(|| ()).expect("it would wait for itself");
        waiter
    });
    ran.expect("free").join().expect("its turn");
}

#[test]
fn who_has_it_and_who_waits_is_known_everywhere() {
    let (here, there) = pair("contenders");
    let lock = here.lock("x").distributed();
    assert!(!lock.is_locked().expect("reachable") && lock.contenders().expect("reachable").is_empty());
    let guard = lock.acquire().expect("free");
    let other = there.lock("x").distributed().identifier("node-7").read();
    let waiter = Worker::waiting({
        let other = other.clone();
        move || other.acquire().map(drop)
    });
    assert!(other.is_locked().expect("reachable") && block_on(other.is_locked_async()).expect("reachable"));
    let seen = block_on(lock.contenders_async()).expect("reachable");
    let shown: Vec<_> = seen.iter().map(|one| (&*one.identifier, one.share, one.holds)).collect();
    let me = shown[0].0.split('/').nth(1).expect("host/pid/program");
    assert_eq!(me, std::process::id().to_string());
    assert_eq!((shown[0].1, shown[0].2), (Share::Write, true));
    assert_eq!(shown[1], ("node-7", Share::Read, false));
    assert_eq!(seen[0].token, guard.fencing_token());
    // Of this process more is known than the engine knows.
    let holder = lock.holder().expect("reachable").expect("held");
    assert_eq!((holder.evidence(), holder.pid()), (Evidence::Own, Some(std::process::id())));
    let holder = other.holder().expect("reachable").expect("held");
    assert_eq!((holder.evidence(), holder.pid()), (Evidence::Engine, Some(std::process::id())));
    assert_eq!(holder.fencing_token(), Some(guard.fencing_token()));
    drop(guard);
    waiter.join().expect("its turn");
    wait_until("nobody has it", || !lock.is_locked().expect("reachable"));
}

#[test]
fn permits_are_those_of_all_hosts() {
    let (here, there) = pair("permits");
    let one = here.semaphore("x", 2).distributed().acquire().expect("free");
    let two = there.semaphore("x", 2).distributed().acquire().expect("free");
    assert!(here.semaphore("x", 2).distributed().try_acquire().expect("reachable").is_none());
    drop(one);
    // There it is not known here any more how many there are.
    let error = here.semaphore("x", 3).distributed().try_acquire().expect_err("two");
    assert!(error.is_mismatch() && error.to_string().contains("2 permits, but 3"), "{error}");
    assert!(here.semaphore("x", 2).distributed().try_acquire().expect("reachable").is_some());
    drop(two);
}

#[test]
fn the_file_comes_between_for_those_who_want_both() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = || lockutils::Config::new().lock_path(directory.path()).backend_url("memory:both");
    let (here, there) =
        (lockutils::Locks::new(config()).expect("one"), lockutils::Locks::new(config()).expect("two"));
    let both = here.lock("x").external().distributed().acquire().expect("free");
    assert!(both.path().is_some());
    assert!(there.lock("x").external().try_acquire().expect("a file").is_none());
    assert!(there.lock("x").distributed().try_acquire().expect("reachable").is_none());
    drop(both);
    // Who fails at the second gives the first back.
    let engine = there.lock("x").distributed().acquire().expect("free");
    let lock = here.lock("x").external().distributed();
    assert!(lock.try_acquire().expect("reachable").is_none());
    assert!(lock.clone().timeout(TINY).acquire().expect_err("busy").is_timeout());
    assert!(block_on(lock.clone().timeout(TINY).acquire_async()).expect_err("busy").is_timeout());
    assert!(block_on(lock.try_acquire_async()).expect("reachable").is_none());
    assert!(there.lock("y").external().try_acquire().expect("free").is_some());
    drop(engine);
    assert!(there.lock("x").external().try_acquire().expect("a file").is_some(), "the file was given back");
}

#[test]
fn a_snapshot_tells_of_engines() {
    let (here, there) = pair("snapshot");
    let held = here.lock("a").distributed().acquire().expect("free");
    let busy = there.lock("b").distributed().acquire().expect("free");
    let waiter = Worker::waiting({
        let here = here.clone();
        move || here.lock("b").distributed().acquire().map(drop)
    });
    let seen: Vec<_> = here
        .snapshot()
        .into_iter()
        .map(|state| (state.name, state.holders, state.waiters, state.has_engine, state.waits_for_engine))
        .collect();
    assert_eq!(seen, [("a".to_owned(), 1, 0, true, false), ("b".to_owned(), 0, 1, false, true)]);
    drop((held, busy));
    waiter.join().expect("its turn");
}

#[test]
fn nothing_of_a_lock_is_left_after_its_last_user() {
    let locks = alone("left");
    for n in 0..100 {
        let guard = locks.lock(format!("x-{n}")).distributed().acquire().expect("free");
        assert_eq!(locks.len(), 1);
        drop(guard);
    }
    let waits = locks.lock("y").distributed().timeout(Duration::ZERO);
    drop(waits.acquire().expect("one try"));
    assert!(locks.is_empty());
}
