//! F5: a server that is frozen, killed, started again.

use std::time::{Duration, Instant};

use lockutils::distributed::{Failure, Request, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::Etcd;

use crate::contract::client::{entered, loss};
use crate::etcd::{TTL, client, client_for};

#[test]
fn a_frozen_server_costs_the_lock_and_no_call_takes_for_ever() {
    let etcd = Etcd::start();
    let ours = client(&format!("{}?request_timeout=1s", etcd.url()));
    let grant = ours.take("job", Share::Write);
    etcd.freeze();
    eventually("its holder knows", || grant.lease().is_lost());
    let started = Instant::now();
    let failed = entered(ours.backend.enter(Request::new("other", Share::Write))).expect_err("it is frozen");
    assert!(matches!(failed, Failure::Unreachable(_)), "{failed:?}");
    assert!(started.elapsed() < TTL * 3, "{:?}", started.elapsed());
    loss(ours.release(&grant));
    etcd.thaw();
    eventually("it can be had", || {
        let again = entered(ours.backend.enter(Request::new("job", Share::Write)));
        matches!(again, Ok(lockutils::distributed::Entered::Held(_)))
    });
    eventually("nothing is left", || etcd.keys("job/").is_empty() && etcd.keys("other/").is_empty());
}

#[test]
fn a_short_freeze_costs_nothing() {
    let etcd = Etcd::start();
    let (holder, waiter) = (client_for(&etcd.url(), TTL * 5), client_for(&etcd.url(), TTL * 5));
    let grant = holder.take("job", Share::Write);
    let wait = waiter.queue("job", Share::Write);
    let keys = etcd.keys("job/");
    etcd.freeze();
    std::thread::sleep(Duration::from_secs(1));
    etcd.thaw();
    holder.verify(&grant).expect("it is held");
    assert_eq!(etcd.keys("job/"), keys);
    holder.release(&grant).expect("it is held");
    waiter.release(&wait.grant()).expect("it is held");
}

/// What it has written down is still there, and so are the holder and the waiter.
#[test]
fn who_holds_and_who_waits_outlive_a_restart() {
    let etcd = Etcd::start();
    let (holder, waiter) = (client_for(&etcd.url(), TTL * 5), client_for(&etcd.url(), TTL * 5));
    let grant = holder.take("job", Share::Write);
    let wait = waiter.queue("job", Share::Write);
    let keys = etcd.keys("job/");
    etcd.kill();
    etcd.restart();
    holder.verify(&grant).expect("it is held");
    assert_eq!(etcd.keys("job/"), keys);
    holder.release(&grant).expect("it is held");
    let next = wait.grant();
    assert!(next.token() > grant.token());
    waiter.release(&next).expect("it is held");
}

/// Who lets go while the server is away is told so, and the lock comes free when it is back.
#[test]
fn a_release_goes_on_until_it_is_done() {
    let etcd = Etcd::start();
    let holder = client_for(&etcd.url(), TTL * 10);
    let grant = holder.take("job", Share::Write);
    etcd.kill();
    let failed = holder.release(&grant).expect_err("it is away");
    assert!(matches!(failed, Failure::Unreachable(_)), "{failed:?}");
    etcd.restart();
    eventually("it is free", || etcd.keys("job/").is_empty());
    assert!(!grant.lease().is_lost(), "it was let go, not lost");
}

/// Where nobody listens, one is told so in time, and nothing is left of it when somebody does.
#[test]
fn where_nobody_listens_one_is_told_so() {
    let etcd = Etcd::start();
    let ours = client_for(&format!("{}?request_timeout=300ms", etcd.url()), TTL);
    etcd.kill();
    let failed = entered(ours.backend.enter(Request::new("job", Share::Write).waiting()));
    let failed = failed.expect_err("nobody is there");
    assert!(matches!(failed, Failure::Unreachable(_)), "{failed:?}");
    let text = failed.to_string();
    assert!(text.contains("refused") && text.contains(&etcd.port().to_string()), "{text}");
    etcd.restart();
    ours.release(&ours.take("job", Share::Write)).expect("it is there");
    assert!(etcd.keys("").is_empty(), "{:?}", etcd.keys(""));
}
