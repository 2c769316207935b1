//! Which of one process share a grant, and who only looks at one.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::backends::Watched;

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
