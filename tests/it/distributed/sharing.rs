//! Which of one process share a grant, and who only looks at one.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use lockutils::Lock;
use lockutils::distributed::Loss;

use super::backends::Watched;
use super::{alone, pair, registry};
use crate::conformance::support::{LONG, Worker, block_on, elsewhere, wait_until};

/// Longer than anything takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a lock is taken while others look.
const ROUNDS: usize = 20_000;

/// A grant is let go by whoever has it, at once, however many look at it at that moment.
#[test]
fn a_look_holds_nothing_up() {
    let engine = Watched::new("looks");
    let locks = engine.locks();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    locks.snapshot();
                    locks.lock("x").distributed().hold_count();
                }
            });
        }
        let lock = locks.lock("x").distributed();
        let refused = (0..ROUNDS).find(|_| match lock.try_acquire() {
            Ok(Some(guard)) => guard.release().is_err(),
            refused => refused.is_err() || matches!(refused, Ok(None)),
        });
        is_over.store(true, SeqCst);
        assert_eq!(refused, None, "nobody else wants it");
    });
    assert_eq!(
        engine.releases.load(SeqCst),
        ROUNDS,
        "the engine was asked each time, before `release` came back"
    );
}

/// A writer elsewhere waits for the first read, and so the second one must not wait for the writer: also when another grant has
/// come and gone in this process meanwhile.
#[test]
fn a_thread_that_reads_may_read_again_whoever_has_read_meanwhile() {
    let engine = Watched::new("again");
    let (here, there) = (engine.locks(), registry("memory:again"));
    let lock = here.lock("x").distributed().read().timeout(PATIENCE);
    let waiter = lock.run(|| {
        wait_until("the first grant is too old to be joined", || {
            elsewhere(|| drop(lock.acquire().expect("shared")));
            engine.enters.load(SeqCst) == 2
        });
        let waiter = Worker::waiting(move || there.lock("x").distributed().acquire().map(drop));
        lock.run(|| ()).expect("it would wait for itself");
        waiter
    });
    waiter.expect("free").join().expect("its turn");
}

/// Each reader gets what it has asked for, also where others of its process read already.
#[test]
fn readers_share_only_what_they_ask_for_alike() {
    let engine = Watched::new("alike");
    let locks = engine.locks();
    let read = || locks.lock("x").distributed().read();
    let asked = |lock: &Lock| {
        let before = engine.enters.load(SeqCst);
        let guard = lock.acquire().expect("shared");
        (guard, engine.enters.load(SeqCst) > before)
    };
    let (plain, named, stays) = (read(), read().identifier("node-7"), read().ephemeral(false));
    let kept: Vec<_> = [&plain, &named, &stays].map(asked).into();
    assert!(kept.iter().all(|(_, asked)| *asked), "each is a grant of its own");
    for lock in [&plain, &named, &stays] {
        assert!(!asked(lock).1, "who asks for the same shares it");
        assert!(lock.try_acquire().expect("reachable").is_some());
        assert!(block_on(lock.try_acquire_async()).expect("reachable").is_some());
    }
    assert_eq!(engine.enters.load(SeqCst), 3);
    let seen = plain.contenders().expect("reachable");
    assert_eq!(seen.iter().filter(|one| one.identifier == "node-7").count(), 1);
    assert!(read().contender_pattern("-lock-").try_acquire().expect_err("no nodes").is_unsupported());
}

/// Of those that expire, each does at its own time.
#[test]
fn readers_that_expire_have_a_time_of_their_own() {
    let locks = alone("own-time");
    let lock = locks.lock("x").distributed().read();
    let plain = lock.acquire().expect("free");
    let (one, other) = (lock.clone().expires(LONG), lock.clone().expires(LONG));
    let (one, other) = (one.acquire().expect("shared"), other.acquire().expect("shared"));
    assert_eq!((plain.remaining(), one.remaining().is_some()), (None, true));
    one.extend(Duration::from_millis(1)).expect("it expires");
    assert_eq!(block_on(one.lost()), Loss::Over);
    other.check().expect("its time is its own");
    plain.check().expect("it has no time");
}

/// The engine gives readers no other one as long as it has a writer, so there is no time after which they ask for it.
#[test]
fn a_downgraded_lock_is_shared_here_for_as_long_as_it_lasts() {
    let (here, there) = pair("downgraded");
    let guard = here.lock("x").distributed().acquire().expect("free").downgrade().expect("no file");
    // Until one that was taken together with it is too old to be joined.
    let engine = Watched::new("downgraded-age");
    let clock = engine.locks().lock("x").distributed().read();
    let _first = clock.acquire().expect("free");
    wait_until("a second is over", || {
        drop(clock.acquire().expect("shared"));
        engine.enters.load(SeqCst) == 2
    });
    let read = here.lock("x").distributed().read();
    let readers = [read.clone(), read.clone().identifier("node-7"), read.clone().expires(LONG)];
    let joined: Vec<_> = readers.map(|read| read.try_acquire().expect("reachable").expect("shared")).into();
    assert!(joined.iter().all(|reader| reader.fencing_token() == guard.fencing_token()));
    assert!(read.timeout(PATIENCE).acquire().is_ok(), "it has not to wait for itself");
    drop(guard);
    let other = there.lock("x").distributed().read();
    assert!(other.try_acquire().expect("reachable").is_none(), "readers here have it as a writer has");
    drop(joined);
    assert!(other.try_acquire().expect("reachable").is_some());
}
