//! Processes that are stopped and killed.

use std::time::Instant;

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::Etcd;

use crate::etcd::{TTL, client, process};

/// F1: who was stopped for too long says so, and touches nobody.
#[test]
fn who_was_stopped_past_its_time_has_lost_it() {
    let etcd = Etcd::start();
    let ours = client(&etcd.url());
    let mut holder = process(&etcd.url(), "job");
    holder.take();
    let token: u64 = holder.ask("token").parse().expect("a number");
    assert_eq!(holder.ask("lost"), "no");
    let wait = ours.queue("job", Share::Write);
    holder.stop();
    let next = wait.grant();
    assert!(next.token() > token);
    holder.go_on();
    assert_eq!(holder.ask("lost"), "Expired");
    assert!(holder.ask("release").starts_with("error the lock is lost"));
    ours.verify(&next).expect("it is not touched");
    assert!(!holder.try_take(), "it is held");
    ours.release(&next).expect("it is held");
    assert!(holder.try_take(), "with a new session");
}

/// F2.
#[test]
fn what_a_dead_process_had_comes_free_in_time() {
    let etcd = Etcd::start();
    let ours = client(&etcd.url());
    let mut holder = process(&etcd.url(), "job");
    holder.take();
    let wait = ours.queue("job", Share::Write);
    let killed = Instant::now();
    holder.kill();
    let next = wait.grant();
    // etcd looks for leases that have run out twice a second; the machine may be busy.
    assert!(killed.elapsed() < TTL * 3, "{:?}", killed.elapsed());
    ours.release(&next).expect("it is held");
}

/// F3: those behind a waiter that is killed do not wait for ever.
#[test]
fn a_dead_waiter_stops_nobody() {
    let etcd = Etcd::start();
    let (holder, last) = (client(&etcd.url()), client(&etcd.url()));
    let grant = holder.take("job", Share::Write);
    let mut between = process(&etcd.url(), "job");
    between.say("wait");
    eventually("it waits", || holder.contenders("job", Share::Write).len() == 2);
    let wait = last.queue("job", Share::Write);
    between.kill();
    holder.release(&grant).expect("it is held");
    last.release(&wait.grant()).expect("it is held");
}

/// A process that ends well leaves nothing, at once.
#[test]
fn who_ends_leaves_nothing() {
    let etcd = Etcd::start();
    let mut holder = process(&etcd.url(), "job");
    holder.take();
    assert_eq!(etcd.keys("job/").len(), 1);
    holder.release();
    assert!(etcd.keys("job/").is_empty());
    holder.finish();
}
