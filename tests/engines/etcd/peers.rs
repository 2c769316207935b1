//! `etcdctl lock` excludes ours, and ours exclude it.

use std::time::Duration;

use lockutils::distributed::{Promise, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{EnginePeer, Etcd};

use crate::etcd::client;

const SHARES: [Share; 3] = [Share::Write, Share::Read, Share::Permit(3)];

#[test]
fn who_has_it_by_etcdctl_excludes_all_of_ours() {
    let etcd = Etcd::start();
    let ours = client(&format!("{}/locks", etcd.url()));
    let mut peer = EnginePeer::etcdctl_lock(&etcd, "locks/job").holder();
    let contenders = ours.contenders("job", Share::Write);
    assert_eq!(contenders.len(), 1);
    assert!(contenders[0].holds && contenders[0].identifier.is_empty(), "{contenders:?}");
    assert_eq!(contenders[0].token.to_string(), peer.ask("fence"));
    for share in SHARES {
        assert!(ours.try_take("job", share).is_none(), "{share:?}");
    }
    let waits = SHARES.map(|share| ours.queue("job", share));
    peer.release();
    for wait in waits {
        ours.release(&wait.grant()).expect("it is held");
    }
    assert!(peer.try_take());
    peer.finish();
}

#[test]
fn ours_exclude_etcdctl() {
    let etcd = Etcd::start();
    let ours = client(&format!("{}/locks", etcd.url()));
    let mut peer = EnginePeer::etcdctl_lock(&etcd, "locks/job").spawn();
    for share in SHARES {
        let grant = ours.take("job", share);
        assert!(!peer.try_take(), "{share:?}");
        peer.say("wait");
        eventually("it waits", || ours.contenders("job", share).len() == 2);
        ours.release(&grant).expect("it is held");
        peer.expect("held");
        assert!(ours.try_take("job", share).is_none(), "{share:?}");
        peer.release();
    }
    peer.finish();
}

/// In the order of arrival: ours, theirs, ours.
#[test]
fn ours_and_theirs_have_their_turn_as_they_came() {
    let etcd = Etcd::start();
    let ours = client(&etcd.url());
    assert!(ours.backend.promises().has(Promise::ArrivalOrder));
    let first = ours.take("job", Share::Write);
    let mut peer = EnginePeer::etcdctl_lock(&etcd, "job").lease(Duration::from_secs(30)).spawn();
    peer.say("wait");
    eventually("it waits", || ours.contenders("job", Share::Write).len() == 2);
    let mut last = ours.queue("job", Share::Write);
    ours.release(&first).expect("it is held");
    peer.expect("held");
    last.must_wait();
    peer.release();
    ours.release(&last.grant()).expect("it is held");
    peer.finish();
}

/// F10: whoever has it, its number is larger than all before.
#[test]
fn numbers_grow_over_ours_and_theirs() {
    let etcd = Etcd::start();
    let (one, other) = (client(&etcd.url()), client(&etcd.url()));
    let mut peer = EnginePeer::etcdctl_lock(&etcd, "job").spawn();
    let mut last = 0;
    for round in 0..1000 {
        let token = if round % 100 == 0 {
            peer.take();
            let token = peer.ask("fence").parse().expect("a number");
            peer.release();
            token
        } else {
            let ours = if round % 2 == 0 { &one } else { &other };
            let grant = ours.take_at_turn(ours.request("job", SHARES[round % 3]));
            ours.release(&grant).expect("it is held");
            grant.token()
        };
        assert!(token > last, "{token} after {last}");
        last = token;
    }
    peer.finish();
}
