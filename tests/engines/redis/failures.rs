//! Holders and waiters that are stopped or killed, and servers that are.

use std::thread;
use std::time::{Duration, Instant};

use lockutils::distributed::{Failure, Loss, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::Redis;

use super::{TTL, client, client_with, is_held, keys, process, refused};
use crate::contract::bench::By;
use crate::contract::client::loss;

/// F1: a process that was stopped for longer than its lease must not believe in it.
#[test]
fn a_holder_that_was_frozen_knows_that_it_has_lost() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    let mut frozen = process(&redis.url(), "job");
    frozen.take();
    let token: u64 = frozen.ask("token").parse().expect("a number");
    frozen.stop();
    let grant = ours.queue("job", Share::Write).grant();
    assert!(grant.token() > token, "{} > {token}", grant.token());
    frozen.go_on();
    assert_ne!(frozen.ask("lost"), "no");
    let answer = frozen.ask("release");
    assert!(answer.starts_with("error the lock is lost"), "{answer}");
    is_held(&ours, &grant);
    frozen.finish();
    is_held(&ours, &grant);
}

/// F2: what a killed process held comes free with its lease.
#[test]
fn what_a_killed_process_held_comes_free() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    let mut killed = process(&redis.url(), "job");
    killed.take();
    let wait = ours.queue("job", Share::Write);
    killed.kill();
    let start = Instant::now();
    is_held(&ours, &wait.grant());
    assert!(start.elapsed() < TTL + Duration::from_secs(1), "{:?}", start.elapsed());
}

/// F3: nobody waits for one who is dead.
#[test]
fn a_waiter_that_is_killed_holds_nobody_up() {
    let redis = Redis::start();
    // By the net alone it would take long.
    let ours = client_with(&(redis.url() + "?retry=20s"), Duration::from_secs(60), By::Thread);
    let grant = ours.take("job", Share::Write);
    let mut killed = process(&redis.url(), "job");
    killed.say("wait");
    eventually("it waits", || redis.cli(&["ZCARD", "{job}/queue"]) == "1");
    let wait = ours.queue("job", Share::Write);
    killed.kill();
    let start = Instant::now();
    ours.release(&grant).expect("it is held");
    let grant = wait.grant();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    ours.release(&grant).expect("it is held");
    eventually("nothing is left", || keys(&redis).is_empty());
}

/// F5: for a server that does not answer, a holder has its lease, and no longer.
#[test]
fn a_frozen_server_ends_leases_and_not_waits() {
    let redis = Redis::start();
    let [ours, theirs] = [0, 1].map(|_| client(&redis.url()));
    let grant = ours.take("job", Share::Write);
    let wait = theirs.queue("job", Share::Write);
    redis.freeze();
    let start = Instant::now();
    let failure = refused(&ours, "other");
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
    assert_eq!(failure.to_string(), "it cannot be reached: there was no answer in time");
    assert!(start.elapsed() < TTL, "a third of it is enough: {:?}", start.elapsed());
    eventually("the lease ends", || grant.lease().is_lost());
    assert_eq!(grant.lease().loss(), Some(Loss::Expired));
    loss(ours.release(&grant));
    redis.thaw();
    is_held(&theirs, &wait.grant());
    // What was asked of the frozen server may have been done, and is given back.
    eventually("it is free", || ours.try_take("other", Share::Write).is_some());
}

/// F5: a server that is started anew without what it had.
#[test]
fn a_server_that_forgets_ends_leases_and_not_waits() {
    let redis = Redis::start();
    let [ours, theirs] = [0, 1].map(|_| client(&redis.url()));
    let (grant, mine) = (ours.take("job", Share::Write), ours.take("mine", Share::Write));
    let wait = theirs.queue("job", Share::Write);
    redis.restart();
    let next = wait.grant();
    eventually("the renewal sees it", || grant.lease().is_lost() && mine.lease().is_lost());
    assert_eq!(mine.lease().loss(), Some(Loss::Removed));
    is_held(&theirs, &next);
    assert!(next.token() > grant.token());
    loss(ours.release(&grant));
    is_held(&theirs, &next);
}

/// F5: one that writes down what it has forgets nothing.
#[test]
fn a_server_that_remembers_keeps_locks() {
    let redis = Redis::start_with(lockutils_tests::server::RedisOptions::new().append_only());
    let [ours, theirs] = [0, 1].map(|_| client_with(&redis.url(), Duration::from_secs(10), By::Task));
    let grant = ours.take("job", Share::Write);
    let wait = theirs.queue("job", Share::Write);
    redis.kill();
    assert!(matches!(refused(&ours, "other"), Failure::Unreachable(_)));
    redis.restart();
    is_held(&ours, &grant);
    assert!(theirs.try_take("job", Share::Write).is_none());
    ours.release(&grant).expect("it is held");
    is_held(&theirs, &wait.grant());
}

/// A server that is away for a moment costs no lease.
#[test]
fn a_short_outage_is_survived() {
    let redis = Redis::start();
    let proxy = lockutils_tests::server::Proxy::to(redis.port());
    let ours = client_with(&proxy.url("redis"), TTL * 2, By::Task);
    let grant = ours.take("job", Share::Write);
    for _ in 0..5 {
        proxy.cut();
        thread::sleep(TTL / 2);
        assert!(matches!(refused(&ours, "other"), Failure::Unreachable(_)));
        proxy.heal();
        is_held(&ours, &grant);
        thread::sleep(TTL / 2);
    }
    ours.release(&grant).expect("it is held");
}

/// Who holds a lock does not lose it since others ask for more than there are connections for.
#[test]
fn leases_are_renewed_though_all_connections_are_in_use() {
    let redis = Redis::start();
    let proxy = lockutils_tests::server::Proxy::to(redis.port());
    let ours = client_with(&(proxy.url("redis") + "?connections=1&request_timeout=20s"), TTL, By::Thread);
    let grant = ours.take("job", Share::Write);
    proxy.delay_request_with("elsewhere");
    thread::scope(|scope| {
        let other = scope.spawn(|| ours.try_take("elsewhere", Share::Write));
        proxy.wait_until_delayed();
        thread::sleep(TTL * 2);
        assert!(!grant.lease().is_lost());
        proxy.heal();
        drop(other.join());
    });
    ours.release(&grant).expect("it is held");
}

/// F14: one client, two threads: each acquisition is its own.
#[test]
fn two_threads_of_one_client_exclude_each_other() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    let grant = ours.take("job", Share::Write);
    assert!(thread::scope(|scope| {
        scope.spawn(|| ours.try_take("job", Share::Write).is_none()).join().expect("no panic")
    }));
    let other = ours.queue("job", Share::Write);
    ours.release(&grant).expect("it is held");
    let next = other.grant();
    ours.release(&grant).expect("it was let go before");
    is_held(&ours, &next);
}
