//! Distributed locks that are lost, and who hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

use lockutils::distributed::Loss;
use lockutils::{Fence, LockGuard, Locks};

use super::{alone, pair};
use crate::conformance::support::{LONG, block_on, elsewhere, poll, wait_until};

const MOMENT: Duration = Duration::from_millis(30);

/// A guard whose lock has run out, and somebody else's who has it now.
fn lost(test: &str) -> (Locks, LockGuard, LockGuard) {
    let (here, there) = pair(test);
    let guard = here.lock("x").distributed().expires(MOMENT).acquire().expect("free");
    let heir = there.lock("x").distributed().acquire().expect("it is let go when its time is over");
    (here, guard, heir)
}

#[test]
fn every_call_says_that_it_is_lost() {
    let (here, guard, heir) = lost("every-call");
    assert!(guard.is_lost().expect("no file"));
    assert_eq!(guard.remaining(), Some(Duration::ZERO));
    assert!(guard.check().expect_err("lost").is_lost());
    assert!(block_on(guard.check_async()).expect_err("lost").is_lost());
    assert!(guard.extend(LONG).expect_err("lost").is_lost());
    assert!(block_on(guard.extend_async(LONG)).expect_err("lost").is_lost());
    assert!(heir.fencing_token() > guard.fencing_token());
    let lock = here.lock("x").distributed();
    assert!(!lock.held_by_current_thread() && lock.hold_count() == 0);
    let error = guard.release().expect_err("lost");
    assert_eq!(
        error.to_string(),
        "distributed lock `x` (memory:every-call) is lost: the time that it was taken for (`expires`) is over, and somebody \
         else may have it by now; stop what it protects, and take it again"
    );
    assert!(!heir.is_lost().expect("no file"), "what somebody else has is not touched");
    heir.check().expect("it has it");
}

#[test]
fn who_waits_for_a_guard_that_is_lost_is_told_that_it_is() {
    let (here, guard, heir) = lost("told-in-vain");
    let lock = here.lock("x").distributed();
    let error = elsewhere(|| lock.clone().timeout(MOMENT).acquire().expect_err("the guard is here"));
    let said = error.to_string();
    assert!(
        error.is_timeout() && said.contains("; this process has lost it, and a guard of it is still here"),
        "{said}"
    );
    assert!(said.contains("losses.rs:") && said.ends_with("; let go of that one first"), "{said}");
    drop((guard, heir));
    drop(lock.acquire().expect("free"));
}

#[test]
fn a_lock_of_an_engine_has_no_file_to_be_removed() {
    let error = alone("no-file").lock("x").distributed().remove_file().expect_err("it has none");
    assert!(error.is_unsupported());
    assert_eq!(
        error.to_string(),
        "a distributed lock has no file (lock `x`); use `destroy` to remove what its engine has of it"
    );
}

#[test]
fn a_release_in_a_task_says_it_too() {
    let (_here, guard, heir) = lost("task");
    assert!(block_on(guard.release_async()).expect_err("lost").is_lost());
    heir.release().expect("not touched");
}

#[test]
fn the_guard_of_a_reentrant_lock_knows_as_much() {
    let (here, there) = pair("reentrant-loss");
    let lock = here.lock("x").distributed().expires(LONG).reentrant(2);
    let (outer, inner) = (lock.acquire().expect("free"), lock.acquire().expect("again"));
    assert_eq!((inner.name(), inner.path()), ("x", None));
    inner.check().expect("held");
    inner.extend(LONG * 2).expect("held");
    assert!(outer.remaining().expect("it ends") > LONG, "all holds are one");
    let (tell, told) = mpsc::channel();
    inner.on_lost(move |why| tell.send(why).expect("the test listens"));
    outer.extend(MOMENT).expect("held");
    assert_eq!(block_on(inner.lost()), Loss::Over);
    assert_eq!(told.recv_timeout(LONG), Ok(Loss::Over));
    let heir = there.lock("x").distributed().acquire().expect("its turn");
    for guard in [outer, inner] {
        assert!(guard.is_lost().expect("no file"));
        assert_eq!(guard.remaining(), Some(Duration::ZERO));
        assert!(guard.check().expect_err("lost").is_lost());
        assert!(guard.extend(LONG).expect_err("lost").is_lost());
        assert!(guard.release().expect_err("lost").is_lost());
    }
    heir.check().expect("what somebody else has is not touched");
    let reader = here.lock("y").distributed().read().expires(LONG).reentrant(2).acquire().expect("free");
    assert!(reader.remaining().is_some() && reader.name() == "y");
    reader.check().expect("held");
    let near = here.lock("z").reentrant(2).acquire().expect("free");
    assert!(near.extend(LONG).expect_err("internal").is_unsupported() && near.remaining().is_none());
    near.check().expect("held");
}

#[test]
fn the_guard_of_several_locks_knows_of_the_first_loss() {
    let (here, there) = pair("several-loss");
    let guards = here.lock_all(["a", "b"]).distributed().acquire().expect("free");
    guards.check().expect("held");
    block_on(guards.check_async()).expect("held");
    let (tell, told) = mpsc::channel();
    guards.on_lost(move |why| tell.send(why).expect("the test listens"));
    let mut lost = Box::pin(guards.lost());
    assert!(poll(&mut lost).is_pending());
    for name in ["b", "a"] {
        there.lock(name).distributed().destroy().expect("reachable");
        assert_eq!(block_on(guards.lost()), Loss::Destroyed);
    }
    assert_eq!(block_on(lost), Loss::Destroyed);
    assert_eq!(told.iter().collect::<Vec<_>>(), [Loss::Destroyed], "once");
    assert!(guards.check().expect_err("lost").is_lost());
    assert!(block_on(guards.check_async()).expect_err("lost").is_lost());
    let near = here.lock_all(["a", "b"]);
    drop(guards);
    assert!(poll(&mut Box::pin(near.acquire().expect("free").lost())).is_pending());
}

#[test]
fn dropping_what_is_lost_does_not_wait_and_touches_nothing() {
    let (here, guard, heir) = lost("drop");
    drop(guard);
    heir.check().expect("not touched");
    assert!(here.lock("x").distributed().try_acquire().expect("reachable").is_none());
}

#[test]
fn those_who_wait_for_a_loss_are_told_once() {
    let locks = alone("told");
    let guard = locks.lock("x").distributed().expires(MOMENT).acquire().expect("free");
    let (tell, told) = mpsc::channel();
    guard.on_lost(|_| panic!("a test panics here"));
    for _ in 0..2 {
        let tell = tell.clone();
        guard.on_lost(move |why| tell.send(why).expect("the test listens"));
    }
    drop(tell);
    assert_eq!(block_on(guard.lost()), Loss::Over);
    assert_eq!(told.iter().collect::<Vec<_>>(), [Loss::Over, Loss::Over]);
    let (tell, told) = mpsc::channel();
    guard.on_lost(move |why| tell.send(why).expect("the test listens"));
    assert_eq!(told.recv_timeout(LONG), Ok(Loss::Over), "at once, if it is lost");
}

#[test]
fn nobody_is_told_of_what_was_let_go() {
    let locks = alone("untold");
    let told = Arc::new(AtomicUsize::new(0));
    let guard = locks.lock("x").distributed().expires(MOMENT).acquire().expect("free");
    let counted = Arc::clone(&told);
    guard.on_lost(move |_| {
        counted.fetch_add(1, SeqCst);
    });
    drop(guard);
    assert_eq!(Arc::strong_count(&told), 1, "what was to be told is gone with the guard");
    let other = locks.lock("y").distributed().expires(MOMENT).acquire().expect("free");
    block_on(other.lost());
    assert_eq!(told.load(SeqCst), 0);
}

#[test]
fn other_locks_are_never_lost_in_this_way() {
    let guard = alone("internal").lock("x").acquire().expect("free");
    guard.on_lost(|_| panic!("it is internal"));
    let mut lost = Box::pin(guard.lost());
    assert!(poll(&mut lost).is_pending() && guard.remaining().is_none());
    assert!(guard.extend(LONG).expect_err("it has no time").is_unsupported());
}

#[test]
fn a_time_can_be_extended_and_shortened() {
    let locks = alone("extend");
    let guard = locks.lock("x").distributed().expires(LONG).acquire().expect("free");
    guard.extend(LONG * 2).expect("it is held");
    assert!(guard.remaining().expect("it ends") > LONG);
    guard.extend(MOMENT).expect("it is held");
    assert_eq!(block_on(guard.lost()), Loss::Over);
    let kept = locks.lock("y").distributed().acquire().expect("free");
    assert!(kept.extend(LONG).expect_err("it is kept alive").is_unsupported());
}

#[test]
fn a_lock_is_lost_when_somebody_destroys_it() {
    let (here, there) = pair("destroy");
    let lock = here.lock("x").distributed();
    let guard = lock.acquire().expect("free");
    let other = there.lock("x").distributed();
    other.destroy().expect("reachable");
    assert_eq!(block_on(guard.lost()), Loss::Destroyed);
    assert!(guard.release().expect_err("destroyed").is_lost());
    // Whoever has destroyed it has no lock any more; a new handle has a new one.
    assert!(other.acquire().expect_err("destroyed").is_lost());
    assert!(block_on(other.try_acquire_async()).expect_err("destroyed").is_lost());
    drop(other);
    drop(there.lock("x").distributed().acquire().expect("a new one"));
    assert!(block_on(here.lock("x").destroy_async()).expect_err("internal").is_unsupported());
}

#[test]
fn a_lock_that_is_not_ephemeral_outlives_its_session() {
    let (here, there) = pair("persists");
    let guard = here.lock("x").distributed().ephemeral(false).acquire().expect("free");
    assert_eq!(guard.remaining(), None);
    std::mem::forget(guard);
    drop(here);
    let lock = there.lock("x").distributed();
    assert!(lock.try_acquire().expect("reachable").is_none());
    lock.destroy().expect("reachable");
    drop(lock);
    drop(there.lock("x").distributed().acquire().expect("free"));
}

#[test]
fn the_end_of_a_registry_frees_what_was_forgotten() {
    let (here, there) = pair("forgotten");
    std::mem::forget(here.lock("x").acquire().expect("free"));
    let guard = here.lock("y").distributed().acquire().expect("free");
    drop(here);
    assert!(
        there.lock("y").distributed().try_acquire().expect("reachable").is_none(),
        "a guard keeps its session"
    );
    drop(guard);
    wait_until("it is free", || there.lock("y").distributed().try_acquire().expect("reachable").is_some());
}

/// A holder that is late writes nothing that its heir has written.
#[test]
fn a_fence_keeps_those_out_who_are_late() {
    let (_here, guard, heir) = lost("fence");
    let fence = Fence::new();
    fence.check(heir.fencing_token()).expect("the first");
    assert!(fence.check(guard.fencing_token()).expect_err("late").is_fenced());
}

#[test]
fn a_reentrant_lock_that_is_lost_is_not_taken_again() {
    let locks = alone("reentrant-lost");
    let lock = locks.lock("x").distributed().expires(MOMENT).reentrant(3);
    let outer = lock.acquire().expect("free");
    wait_until("it is lost", || outer.is_lost().expect("no file"));
    assert!(lock.acquire().expect_err("lost").is_lost());
    assert!(lock.try_acquire().expect_err("lost").is_lost());
    assert!(outer.release().expect_err("lost").is_lost());
    lock.acquire().expect("a new one").release().expect("held");
}

#[test]
fn several_locks_say_that_one_is_lost() {
    let locks = alone("several");
    let all = locks.lock_all(["a", "b"]).distributed().expires(MOMENT);
    let guards = all.acquire().expect("free");
    wait_until("they are lost", || guards.is_lost().expect("no file"));
    assert!(guards.release().expect_err("lost").is_lost());
    let guards = block_on(all.acquire_async()).expect("free");
    wait_until("they are lost", || guards.is_lost().expect("no file"));
    assert!(block_on(guards.release_async()).expect_err("lost").is_lost());
}
