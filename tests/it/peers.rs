//! One lock for a mixed fleet: a lock file that is taken here excludes, and is excluded by, the programs of
//! others.
//!
//! The table is generated: every peer × alone and shared × read and write × both directions. Two share when
//! both want to share; everything else excludes.

use std::path::Path;

use lockutils::Lock;
use lockutils_tests::{Child, Peer, Place};

/// A read or a write lock of ours.
fn ours(place: &Place, reads: bool) -> Lock {
    let lock = place.lock("job");
    if reads { lock.read() } else { lock }
}

/// Whether ours could be taken.
fn takes(lock: &Lock) -> bool {
    lock.try_acquire().expect("a lock that can be tried").is_some()
}

/// A line of the table that is not as it should be.
fn wrong(peer: Peer, reads: bool, what: &str, took: bool) -> Option<String> {
    let expected = peer.shared && reads;
    let ours = if reads { "read" } else { "write" };
    (took != expected)
        .then(|| format!("{peer:?}, ours {ours}, {what}: {}", if took { "both have it" } else { "refused" }))
}

/// Each peer, ready in its own place.
fn each_peer(test: &str, mut check: impl FnMut(Peer, &Place, &mut Child)) {
    for peer in Peer::ALL {
        let place = Place::new(test);
        let mut actor = peer.actor(&place.file("job"));
        check(peer, &place, &mut actor);
        actor.finish();
    }
}

#[test]
fn what_a_peer_holds_is_busy_for_us() {
    let mut table = Vec::new();
    each_peer("what_a_peer_holds_is_busy_for_us", |peer, place, actor| {
        actor.take();
        assert!(place.lock("job").is_locked().expect("no error"), "{peer:?} is not seen");
        for reads in [false, true] {
            table.extend(wrong(peer, reads, "the peer holds", takes(&ours(place, reads))));
        }
        actor.release();
        assert!(!place.lock("job").is_locked().expect("no error"), "{peer:?} is seen for ever");
        for reads in [false, true] {
            assert!(takes(&ours(place, reads)), "{peer:?} has let go");
        }
    });
    assert!(table.is_empty(), "{}", table.join("\n"));
}

#[test]
fn what_we_hold_is_busy_for_a_peer() {
    let mut table = Vec::new();
    each_peer("what_we_hold_is_busy_for_a_peer", |peer, place, actor| {
        for reads in [false, true] {
            let guard = ours(place, reads).acquire().expect("a free lock");
            let took = actor.try_take();
            table.extend(wrong(peer, reads, "we hold", took));
            if took {
                actor.release();
            }
            drop(guard);
            assert!(actor.try_take(), "we have let go, and {peer:?} does not get it");
            actor.release();
        }
    });
    assert!(table.is_empty(), "{}", table.join("\n"));
}

/// Every way of ours to wait ends when the peer lets go, and not before.
#[test]
fn we_wait_for_a_peer() {
    each_peer("we_wait_for_a_peer", |peer, place, actor| {
        let ways: [&[&str]; 4] = [&[], &["timeout=25000"], &["async"], &["async", "timeout=25000"]];
        for words in ways {
            actor.take();
            let mut waiter = place.waiter("job", words);
            assert!(waiter.is_silent(), "{words:?} has it beside {peer:?}");
            actor.release();
            waiter.expect("held");
            assert!(!actor.try_take(), "{peer:?} has it beside {words:?}");
            waiter.finish();
        }
    });
}

/// A peer that waits, by polling or in the kernel, gets its turn when we let go, and not before.
#[test]
fn a_peer_waits_for_us() {
    each_peer("a_peer_waits_for_us", |peer, place, actor| {
        let guard = place.lock("job").acquire().expect("a free lock");
        actor.say("wait");
        // filelock opens the file for a moment each time it looks: there is nothing to be seen of its wait.
        if peer.kind != "filelock" {
            place.is_open_in("job", actor);
        }
        assert!(actor.is_silent(), "{peer:?} has it beside us");
        drop(guard);
        actor.expect("held");
        assert!(place.try_acquire("job").is_none(), "{peer:?} has it");
    });
}

/// A peer that dies with the lock leaves it free.
#[test]
fn a_killed_peer_leaves_the_lock_free() {
    let peers = [Peer::alone("oslo"), Peer::alone("filelock"), Peer::alone("std")];
    for peer in peers.into_iter().filter(|peer| Peer::ALL.contains(peer)) {
        let place = Place::new("a_killed_peer_leaves_the_lock_free");
        let mut holder = peer.holder(&place.file("job"));
        let mut waiter = place.waiter("job", &[]);
        holder.kill();
        waiter.expect("held");
    }
}

/// The table has every library of `tests/install`, and both ways of those that share.
#[cfg_attr(lockutils_portable, ignore = "it takes no record locks there, which are all that some peers know")]
#[test]
fn the_table_is_complete() {
    let has = |kind, shared| Peer::ALL.contains(&Peer { kind, shared });
    for kind in ["oslo", "fasteners", "fasteners-rw", "filelock", "flock(1)", "std", "lockf"] {
        assert!(has(kind, false), "{kind}");
    }
    for kind in ["fasteners-rw", "flock(1)", "std", "lockf"] {
        assert!(has(kind, true), "{kind}");
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("install").is_file());
}
