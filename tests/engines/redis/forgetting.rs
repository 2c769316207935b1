//! Servers that forget: their scripts, their keys, the time.

use std::time::Duration;

use lockutils::distributed::{Loss, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{Redis, RedisOptions};

use super::{client, client_with, is_held};
use crate::contract::bench::By;
use crate::contract::client::loss;

#[test]
fn scripts_are_told_again() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    let held: Vec<_> = (0..5).map(|number| ours.take(&format!("job-{number}"), Share::Write)).collect();
    redis.cli(&["SCRIPT", "FLUSH"]);
    // Those that are renewed, and those that are asked for.
    std::thread::sleep(super::TTL * 2);
    for grant in &held {
        is_held(&ours, grant);
    }
    redis.cli(&["SCRIPT", "FLUSH"]);
    for grant in &held {
        ours.release(grant).expect("it is held");
    }
}

/// F13: a key that was evicted, or deleted by somebody, is a lock that was lost.
#[test]
fn a_key_that_is_gone_is_a_lock_that_is_lost() {
    let redis = Redis::start_with(RedisOptions::new().max_memory("3mb", "volatile-lru"));
    let ours = client(&redis.url());
    let grant = ours.take("job", Share::Write);
    let filler = "x".repeat(10_000);
    let mut number = 0;
    eventually("it is evicted", || {
        number += 1;
        // When it is full of what must not be evicted, it refuses.
        let _ = redis.try_cli(&["SET", &format!("filler-{number}"), &filler]);
        redis.cli(&["EXISTS", "job"]) == "0"
    });
    eventually("the renewal sees it", || grant.lease().loss() == Some(Loss::Removed));
    assert_eq!(loss(ours.release(&grant)), Loss::Removed);
}

/// F10: tokens grow over holders of every kind, also when the server forgets the last one.
#[test]
fn tokens_grow() {
    let redis = Redis::start();
    let clients = [By::Thread, By::Task].map(|by| client_with(&redis.url(), Duration::from_secs(20), by));
    let shares = [Share::Write, Share::Read, Share::Permit(2), Share::Write];
    let mut last = 0;
    for number in 0..1000 {
        let ours = &clients[number % 2];
        let grant = ours.take("job", shares[number % 4]);
        assert!(grant.token() > last, "{} > {last}", grant.token());
        last = grant.token();
        ours.release(&grant).expect("it is held");
        if number % 100 == 99 {
            redis.cli(&["FLUSHALL"]);
        }
    }
    // A clock that is behind does not matter while the counter is there.
    redis.cli(&["SET", "{job}/fence", &(last + 1_000_000_000_000).to_string()]);
    let grant = clients[0].take("job", Share::Write);
    assert_eq!(grant.token(), last + 1_000_000_000_001);
}

/// The place of a holder is somebody else's when the server has given it away.
#[test]
fn a_lock_that_somebody_else_has_is_lost() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    for share in [Share::Write, Share::Read] {
        let grant = ours.take("job", share);
        redis.cli(&["SET", "job", "another"]);
        eventually("the renewal sees it", || grant.lease().loss() == Some(Loss::Taken));
        assert_eq!(loss(ours.verify(&grant)), Loss::Taken);
        assert_eq!(loss(ours.release(&grant)), Loss::Taken);
        drop(grant);
        assert_eq!(redis.cli(&["GET", "job"]), "another");
        redis.cli(&["DEL", "job"]);
    }
}

/// As long as it lives, a process loses nothing, and gives nothing up that others wait for.
#[test]
fn leases_of_groups_are_their_holders_own() {
    let redis = Redis::start();
    let [ours, theirs] = [0, 1].map(|_| client(&redis.url()));
    let kept = ours.take("job", Share::Permit(2));
    let mut killed = super::process(&redis.url(), "other");
    killed.take();
    let brief =
        theirs.take_request(theirs.request("job", Share::Permit(2)).expiring(Duration::from_millis(300)));
    let next = theirs.queue("job", Share::Permit(2)).grant();
    assert!(brief.lease().is_lost());
    is_held(&ours, &kept);
    is_held(&theirs, &next);
    assert_eq!((kept.token(), kept.token()), (brief.token(), next.token()));
    killed.finish();
}
