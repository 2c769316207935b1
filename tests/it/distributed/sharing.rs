//! Which of one process share a grant, and who only looks at one.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use super::backends::Watched;
use super::registry;
use crate::conformance::support::{Worker, elsewhere, wait_until};

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
