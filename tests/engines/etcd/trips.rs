//! How often etcd is asked, by its own count: requests, and what is said on streams.

use std::time::Duration;

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::Etcd;

use crate::contract::client::Client;
use crate::etcd::client_for;

/// What etcd has been told of this kind, or of any.
fn told(etcd: &Etcd, method: &str) -> u64 {
    let lines = crate::etcd::metrics(etcd);
    let counts = lines.lines().filter(|line| {
        line.starts_with("grpc_server_msg_received_total{") && line.contains(&format!("method=\"{method}"))
    });
    counts.map(|line| line.rsplit(' ').next().expect("a count").parse::<u64>().expect("a number")).sum()
}

/// How much that grows while `work` is done. There is no sign of life meanwhile.
fn grows<T>(etcd: &Etcd, work: impl FnOnce() -> T) -> (u64, T) {
    let before = told(etcd, "");
    let done = work();
    (told(etcd, "") - before, done)
}

/// A client whose session lives.
fn warm(etcd: &Etcd) -> Client {
    let client = client_for(&etcd.url(), Duration::from_secs(600));
    client.release(&client.take("warm", Share::Write)).expect("it is held");
    client
}

#[test]
fn a_free_lock_is_taken_by_one_and_let_go_by_one() {
    let etcd = Etcd::start();
    let client = warm(&etcd);
    for share in [Share::Write, Share::Read, Share::Permit(2)] {
        for waits in [false, true] {
            // Where the machine is too busy, the lock is held so long that its key is watched.
            let best = (0..5).map(|_| taken_and_released(&etcd, &client, share, waits)).min();
            assert_eq!(best, Some((1, 1)), "{share:?}");
        }
    }
}

fn taken_and_released(etcd: &Etcd, client: &Client, share: Share, waits: bool) -> (u64, u64) {
    let take = || client.take("free", share);
    let try_take = || client.try_take("free", share).expect("it is free");
    let (taken, grant) = grows(etcd, || if waits { take() } else { try_take() });
    let (released, ()) = grows(etcd, || client.release(&grant).expect("it is held"));
    (taken, released)
}

#[test]
fn the_first_lock_needs_a_session() {
    let etcd = Etcd::start();
    let client = client_for(&etcd.url(), Duration::from_secs(600));
    let (taken, _grant) = grows(&etcd, || client.take("free", Share::Write));
    assert_eq!(taken, 2);
}

#[test]
fn a_lock_that_is_busy_is_seen_by_one() {
    let etcd = Etcd::start();
    let (client, holder) = (warm(&etcd), warm(&etcd));
    let _grant = holder.take("busy", Share::Write);
    eventually("it watches its key", || told(&etcd, "Watch") == 1);
    let (asked, none) = grows(&etcd, || client.try_take("busy", Share::Write));
    assert_eq!((asked, none.is_none()), (1, true));
}

/// The turn of a waiter comes with what the watch tells: it asks nothing any more.
#[test]
fn a_waiter_asks_nothing_when_its_turn_comes() {
    let etcd = Etcd::start();
    let (holder, waiter) = (warm(&etcd), warm(&etcd));
    let grant = holder.take("next", Share::Write);
    let wait = waiter.queue("next", Share::Write);
    eventually("both watch", || told(&etcd, "Watch") == 2);
    let (asked, _next) = grows(&etcd, || {
        holder.release(&grant).expect("it is held");
        wait.grant()
    });
    // The release, and that each of them gives up its watch.
    assert!((1..=3).contains(&asked), "{asked}");
    assert_eq!(told(&etcd, "Range"), 0);
}

/// However long the queue is, a release wakes a few waiters, and each of them asks once at most until its turn comes.
#[test]
fn those_who_wait_far_behind_ask_once() {
    const WAITERS: usize = 30;
    let etcd = Etcd::start();
    let (holder, waiter) = (warm(&etcd), warm(&etcd));
    let grant = holder.take("next", Share::Write);
    let waits: Vec<_> = (0..WAITERS).map(|_| waiter.queue("next", Share::Write)).collect();
    holder.release(&grant).expect("it is held");
    for wait in waits {
        waiter.release(&wait.grant()).expect("it is held");
    }
    let looks = told(&etcd, "Range");
    assert!(looks <= WAITERS as u64, "{looks}");
    assert!(looks > 0, "nobody was far behind");
}
