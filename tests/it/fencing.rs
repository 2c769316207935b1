//! Fencing tokens: each holder's is larger than those of all before it.

use std::fs;
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Fence, Lock, LockGuard};
use lockutils_tests::{Peer, Place};

use crate::conformance::support::own;

/// Takes the lock in every way that gives a guard.
fn in_every_way(lock: &Lock) -> Vec<u64> {
    let limited = || lock.clone().timeout(Duration::from_secs(60));
    let ways: [&dyn Fn() -> LockGuard; 7] = [
        &|| lock.acquire().expect("free"),
        &|| lock.try_acquire().expect("no error").expect("free"),
        &|| limited().acquire().expect("free"),
        &|| lock.clone().fair().acquire().expect("free"),
        &|| block_on(lock.acquire_async()).expect("free"),
        &|| block_on(limited().acquire_async()).expect("free"),
        &|| lock.acquire().expect("free").downgrade().expect("no error"),
    ];
    let mut tokens: Vec<u64> = ways.iter().map(|way| way().fencing_token()).collect();
    let reentrant = lock.clone().reentrant(2);
    let (outer, inner) = (reentrant.acquire().expect("free"), reentrant.acquire().expect("its own"));
    assert_eq!(outer.fencing_token(), inner.fencing_token());
    tokens.push(inner.fencing_token());
    tokens
}

#[test]
fn tokens_grow_from_holder_to_holder() {
    let place = Place::new("tokens_grow_from_holder_to_holder");
    let registry = own();
    for lock in [registry.lock("job"), place.lock("job")] {
        let tokens: Vec<u64> = (0..3).flat_map(|_| in_every_way(&lock)).collect();
        assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
        let guard = lock.acquire().expect("free");
        assert_eq!(guard.fencing_token(), guard.fencing_token(), "one for one hold");
    }
}

/// Whoever asks late, or never, changes nothing for those who come later.
#[test]
fn tokens_of_internal_locks_are_drawn_when_they_are_asked_for() {
    let lock = own().lock("job");
    let silent = lock.acquire().expect("free");
    drop(silent);
    let first = lock.acquire().expect("free");
    thread::sleep(Duration::from_millis(2));
    let token = first.fencing_token();
    drop(first);
    assert!(lock.acquire().expect("free").fencing_token() > token);
}

#[test]
fn those_who_share_have_the_token_of_the_writer_before_them() {
    let place = Place::new("those_who_share_have_the_token_of_the_writer_before_them");
    let registry = own();
    for lock in [registry.lock("job"), place.lock("job")] {
        let keeper = lock.clone();
        (0..2).for_each(|_| drop(keeper.acquire().expect("free")));
        let written = keeper.acquire().expect("free").fencing_token();
        let read = || lock.clone().read().acquire().expect("nobody writes");
        let (one, two) = (read(), read());
        assert_eq!((one.fencing_token(), two.fencing_token()), (written, written));
        drop((one, two));
        assert!(lock.acquire().expect("free").fencing_token() > written);
    }
}

/// Where nobody has written yet, those who share agree on a token all the same, also with other processes.
#[test]
fn those_who_share_a_new_file_have_one_token() {
    let place = Place::new("those_who_share_a_new_file_have_one_token");
    let other =
        lockutils::Locks::new(lockutils::Config::new().lock_path(place.path())).expect("a configuration");
    let take = |locks: &lockutils::Locks, name: &str| {
        let lock = if name == "read" { locks.lock(name).read() } else { locks.semaphore(name, 2) };
        lock.external().acquire().expect("shared")
    };
    // The portable path has no semaphores between processes.
    let kinds = if cfg!(lockutils_portable) { &["read"][..] } else { &["read", "permit"] };
    for name in kinds.iter().copied() {
        let (here, there) = (take(place.locks(), name), take(&other, name));
        assert_eq!(here.fencing_token(), there.fencing_token(), "{name}");
        let fence = Fence::new();
        for guard in [&here, &there, &here] {
            fence.check(guard.fencing_token()).expect("they hold it together");
        }
        drop((here, there));
        assert!(place.lock(name).acquire().expect("free").fencing_token() > fence.highest());
    }
}

#[test]
fn a_reader_of_a_new_file_comes_before_the_next_writer() {
    let place = Place::new("a_reader_of_a_new_file_comes_before_the_next_writer");
    let read = place.lock("job").read().acquire().expect("free").fencing_token();
    let written = place.lock("job").acquire().expect("free").fencing_token();
    assert!(0 < read && read < written);
}

/// Other processes go on from there, also after one has died, and after peers that know of no tokens.
#[test]
fn tokens_grow_across_processes_and_deaths() {
    let place = Place::new("tokens_grow_across_processes_and_deaths");
    let mut last = 0;
    let mut grows = |token: u64, what: &str| {
        assert!(token > last, "{what}: {token} after {last}");
        last = token;
    };
    let here = || place.lock("job").acquire().expect("free").fencing_token();
    let stored = || place.lock("job").holder().expect("no error").and_then(|holder| holder.fencing_token());
    for _ in 0..3 {
        grows(here(), "this process");
        let mut other = place.holder("job");
        grows(stored().expect("in the file"), "another one");
        other.kill();
        grows(here(), "after its death");
        Peer::alone("oslo").holder(&place.file("job")).release();
        grows(here(), "after oslo");
        fs::write(place.file("job"), "").expect("emptied");
        grows(here(), "after the file was emptied, as filelock does");
        fs::remove_file(place.file("job")).expect("removed");
        grows(here(), "after the file was removed");
    }
}

/// A file that knows a token ahead of the clock is believed: the clock may have been set back.
#[test]
fn a_token_ahead_of_the_clock_is_gone_on_from() {
    let place = Place::new("a_token_ahead_of_the_clock_is_gone_on_from");
    let ahead = 9_000_000_000_000_000_000_u64;
    fs::write(place.file("job"), format!("lockutils 1 free token={ahead:020}\n")).expect("written");
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let mut other = place.holder("job");
        tokens.push(
            place.lock("job").holder().expect("no error").expect("held").fencing_token().expect("stored"),
        );
        other.release();
    }
    assert_eq!(tokens, [ahead + 1, ahead + 2, ahead + 3]);
}

/// A token that nobody can have drawn is not believed, and what one file knows is no matter of others.
#[test]
fn an_absurd_token_spoils_nothing() {
    let place = Place::new("an_absurd_token_spoils_nothing");
    let ahead = 9_000_000_000_000_000_000_u64;
    for stored in [u64::MAX, ahead] {
        fs::write(place.file("job"), format!("lockutils 1 free token={stored:020}\n")).expect("written");
        let mut tokens: Vec<u64> = Vec::new();
        for _ in 0..3 {
            tokens.push(place.lock("job").acquire().expect("free").fencing_token());
        }
        assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
        assert_eq!(tokens[0] > ahead, stored == ahead, "{tokens:?}");
        let others = [place.lock("other"), own().lock("job")];
        assert!(others.iter().all(|lock| lock.acquire().expect("free").fencing_token() < ahead));
    }
    // Within one process, what the file knows counts for those who do not use it, too.
    let keeper = place.lock("job");
    (0..2).for_each(|_| drop(keeper.acquire().expect("free")));
    let between = keeper.acquire().expect("free").fencing_token();
    assert!(
        keeper.clone().internal().lock_path(place.path()).acquire().expect("free").fencing_token() > between
    );
}

#[test]
fn all_of_several_locks_have_tokens() {
    let place = Place::new("all_of_several_locks_have_tokens");
    let take = || place.locks().lock_all(["a", "b"]).external().acquire().expect("free");
    let tokens = |guards: lockutils::LockAllGuard| -> Vec<u64> {
        guards.guards().iter().map(LockGuard::fencing_token).collect()
    };
    let (first, second) = (tokens(take()), tokens(take()));
    assert!(first.iter().zip(&second).all(|(one, next)| one < next), "{first:?} {second:?}");
}

#[test]
fn a_fence_refuses_what_is_older_than_what_it_has_seen() {
    let fence = Fence::new();
    for token in [1, 1, 5, 5] {
        fence.check(token).expect("not smaller than any before");
    }
    for token in [0, 1, 4] {
        assert!(fence.check(token).expect_err("smaller").is_fenced());
    }
    assert_eq!(fence.highest(), 5);
    assert!(Fence::from_highest(fence.highest()).check(4).expect_err("it goes on").is_fenced());
}

/// Of many threads that check at once, none passes with a token that is smaller than one that has passed before it
/// began.
#[test]
fn a_fence_holds_against_threads() {
    let fence = Fence::new();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let fence = &fence;
            scope.spawn(move || {
                for round in 0..20_000 {
                    let (before, token) = (fence.highest(), round * 4 + thread);
                    assert!(fence.check(token).is_err() || token >= before, "{token} after {before}");
                }
            });
        }
    });
}

/// The whole story: a paused holder loses its file to an operator, and the next holder writes. The old one goes on.
#[test]
fn a_paused_holder_is_refused() {
    let place = Place::new("a_paused_holder_is_refused");
    let fence = Fence::new();
    let paused = place.lock("job").acquire().expect("free");
    fence.check(paused.fencing_token()).expect("the first");
    fs::remove_file(place.file("job")).expect("removed");
    let other = place.holder("job");
    let holders = place.lock("job").holders().expect("no error");
    let next = holders.last().and_then(lockutils::Holder::fencing_token).expect("in the new file");
    fence.check(next).expect("later");
    assert!(paused.is_lost().expect("a look"));
    assert!(paused.check().expect_err("lost").is_lost());
    assert!(fence.check(paused.fencing_token()).expect_err("older").is_fenced());
    drop(other);
}
