//! F11: what is left.

use std::time::Duration;

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::Etcd;

use crate::etcd::{client, client_for};

fn leases(etcd: &Etcd) -> usize {
    let printed = etcd.ctl(&["lease", "list"]);
    printed.lines().skip(1).count()
}

/// By its own count.
fn watchers(etcd: &Etcd) -> usize {
    let text = crate::etcd::metrics(etcd);
    let line = text.lines().find_map(|line| line.strip_prefix("etcd_debugging_mvcc_watcher_total "));
    line.expect("it counts them").parse().expect("a number")
}

#[test]
fn a_client_that_is_closed_leaves_nothing() {
    let etcd = Etcd::start();
    let ours = client(&etcd.url());
    let grant = ours.take("job", Share::Write);
    let expiring = ours.take_for("other", Duration::from_secs(60));
    let waiter = client(&etcd.url());
    let wait = waiter.queue("job", Share::Write);
    eventually("two sessions, and one lock of its own", || leases(&etcd) == 3);
    eventually("who holds and who waits watch", || watchers(&etcd) >= 3);
    ours.backend.close();
    waiter.backend.close();
    drop((wait, grant, expiring));
    eventually("no lease is left", || leases(&etcd) == 0);
    eventually("no key is left", || etcd.keys("").is_empty());
    drop((ours, waiter));
    eventually("no watch is left", || watchers(&etcd) == 0);
}

/// Also when nobody closes it.
#[test]
fn a_client_that_is_dropped_leaves_nothing() {
    let etcd = Etcd::start();
    let ours = client(&etcd.url());
    let grant = ours.take("job", Share::Write);
    drop(ours);
    assert!(!grant.lease().is_lost(), "who has a lock keeps the session alive");
    drop(grant);
    eventually("nothing is left", || etcd.keys("").is_empty() && leases(&etcd) == 0);
}

#[test]
fn locks_that_expire_leave_no_lease() {
    let etcd = Etcd::start();
    let ours = client_for(&etcd.url(), Duration::from_secs(60));
    for _ in 0..5 {
        let grant = ours.take_for("job", Duration::from_secs(50));
        ours.extend(&grant, Duration::from_secs(70)).expect("it is held");
        ours.extend(&grant, Duration::from_secs(30)).expect("it is held");
        ours.release(&grant).expect("it is held");
    }
    eventually("the session alone has one", || leases(&etcd) == 1);
}

/// Waits that were given up are not watched for any more.
#[test]
fn waits_that_are_dropped_leave_no_watch() {
    let etcd = Etcd::start();
    let ours = client_for(&etcd.url(), Duration::from_secs(60));
    let grant = ours.take("job", Share::Write);
    eventually("its key is watched", || watchers(&etcd) == 1);
    let waits: Vec<_> = (0..30).map(|_| ours.queue("job", Share::Read)).collect();
    eventually("each of them watches", || watchers(&etcd) >= 31);
    drop(waits);
    eventually("the holder alone watches", || watchers(&etcd) == 1);
    ours.release(&grant).expect("it is held");
    eventually("nobody watches", || watchers(&etcd) == 0);
    assert!(etcd.keys("").is_empty());
}
