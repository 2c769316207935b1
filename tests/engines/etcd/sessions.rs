//! Sessions whose signs of life do not arrive.

use lockutils::distributed::{Loss, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{Etcd, Proxy, Way};

use crate::contract::client::loss;
use crate::etcd::client;

/// F1 without a process of its own: nobody has it while its holder believes in it.
#[test]
fn a_holder_out_of_reach_knows_before_another_has_it() {
    let etcd = Etcd::start();
    for way in [Way::ToServer, Way::ToClient] {
        let proxy = Proxy::to(etcd.port());
        let (far, near) = (client(&proxy.url("etcd")), client(&etcd.url()));
        let grant = far.take("job", Share::Write);
        let mut wait = near.queue("job", Share::Write);
        proxy.freeze_one_way(way);
        let next = wait.looks_all_the_time();
        assert!(grant.lease().is_lost(), "two believe in it: {way:?}");
        assert!(next.token() > grant.token());
        proxy.heal();
        assert_eq!(loss(far.release(&grant)), Loss::Expired);
        near.verify(&next).expect("it is not touched");
        near.release(&next).expect("it is held");
        far.release(&far.take_at_turn(far.request("job", Share::Write))).expect("a new session");
    }
}

/// F7: etcd's own lock service grants the lock to such a waiter (etcd#11456).
#[test]
fn a_waiter_whose_session_ends_has_no_lock_without_a_key() {
    let etcd = Etcd::start();
    let proxy = Proxy::to(etcd.port());
    let (holder, far, last) = (client(&etcd.url()), client(&proxy.url("etcd")), client(&etcd.url()));
    let grant = holder.take("job", Share::Write);
    let wait = far.queue("job", Share::Write);
    let before = etcd.keys("job/");
    proxy.cut();
    eventually("its key is gone", || etcd.keys("job/").len() == 1);
    let behind = last.queue("job", Share::Write);
    proxy.heal();
    eventually("it is at the end of the queue", || etcd.keys("job/").len() == 3);
    let after = etcd.keys("job/");
    assert!(!after.contains(&before[1]), "a new place has a new name");
    holder.release(&grant).expect("it is held");
    last.release(&behind.grant()).expect("it is held");
    let next = wait.grant();
    assert_eq!(etcd.keys("job/"), after[2..], "it has the lock by its key");
    far.verify(&next).expect("it is held");
    far.release(&next).expect("it is held");
}

/// The same while nobody holds the lock any more: its turn comes when it has no key.
#[test]
fn a_waiter_without_a_key_is_not_next() {
    let etcd = Etcd::start();
    let proxy = Proxy::to(etcd.port());
    let (holder, far, other) = (client(&etcd.url()), client(&proxy.url("etcd")), client(&etcd.url()));
    let grant = holder.take("job", Share::Write);
    let mut wait = far.queue("job", Share::Write);
    proxy.freeze_one_way(Way::ToClient);
    eventually("its key is gone", || etcd.keys("job/").len() == 1);
    holder.release(&grant).expect("it is held");
    let grant = other.take("job", Share::Write);
    proxy.heal();
    eventually("it is there again", || etcd.keys("job/").len() == 2);
    wait.must_wait();
    other.release(&grant).expect("it is held");
    far.release(&wait.grant()).expect("it is held");
}

/// Whoever administers etcd may end a lease; its locks are lost at once, not at the next sign of life.
#[test]
fn a_key_that_is_removed_is_noticed() {
    let etcd = Etcd::start();
    let ours = crate::etcd::client_for(&etcd.url(), std::time::Duration::from_secs(600));
    let grant = ours.take("job", Share::Write);
    etcd.ctl(&["del", "--prefix", "job/"]);
    eventually("it is noticed", || grant.lease().is_lost());
    assert_eq!(grant.lease().loss(), Some(Loss::Removed));
    let grant = ours.take("job", Share::Write);
    let key = etcd.keys("job/").remove(0);
    let lease = key.trim_start_matches("job/").split('-').next().expect("a lease").to_owned();
    etcd.ctl(&["lease", "revoke", &lease]);
    eventually("it is noticed", || grant.lease().is_lost());
    ours.release(&ours.take("job", Share::Write)).expect("a new session");
}
