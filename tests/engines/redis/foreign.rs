//! Keys of other programs.

use lockutils::distributed::{Failure, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{Redis, RedisOptions};

use super::{TTL, client, client_with, is_held, refused};
use crate::contract::bench::By;

const SHARES: [Share; 3] = [Share::Write, Share::Read, Share::Permit(2)];

/// Whatever stands in the place of the lock, somebody has it, and nobody's key is touched.
#[test]
fn what_stands_there_has_the_lock() {
    let redis = Redis::start();
    let ours = client_with(&(redis.url() + "?retry=20ms"), TTL, By::Task);
    let keys: [&[&str]; 5] = [
        &["HSET", "job", "8743c9c0-0795-4907-87fd-6c719a6b4586:1", "1"],
        &["LPUSH", "job", "1"],
        &["SADD", "job", "1"],
        &["ZADD", "job", "1", "of another"],
        &["SET", "job", "1"],
    ];
    for key in keys {
        redis.cli(key);
        let before = redis.cli(&["DUMP", "job"]);
        for share in SHARES {
            assert!(ours.try_take("job", share).is_none(), "{key:?}, {share:?}");
            let wait = ours.queue("job", share);
            let all = ours.contenders("job", share);
            assert_eq!((all.len(), all[0].holds, all[1].holds), (2, true, false), "{key:?}: {all:?}");
            drop(wait);
            eventually("nobody waits", || ours.contenders("job", share).len() == 1);
        }
        assert_eq!(redis.cli(&["DUMP", "job"]), before, "{key:?}");
        let wait = ours.queue("job", Share::Write);
        redis.cli(&["DEL", "job"]);
        let grant = wait.grant();
        is_held(&ours, &grant);
        ours.release(&grant).expect("it is held");
    }
}

/// Where the queue should be, it can never work.
#[test]
fn what_stands_beside_it_is_told() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    redis.cli(&["SET", "{job}/queue", "1"]);
    let failure = refused(&ours, "job");
    assert!(matches!(failure, Failure::Foreign(_)), "{failure}");
    assert!(
        failure.to_string().contains("a key of another program: one of ")
            && failure.to_string().contains("`{job}/queue`")
    );
    assert_eq!(redis.cli(&["EXISTS", "job"]), "0");
    ours.destroy("job", Share::Write);
    ours.release(&ours.take("job", Share::Write)).expect("it is held");
}

#[test]
fn a_prefix_makes_other_locks() {
    let redis = Redis::start();
    let [ours, theirs] = [client(&(redis.url() + "?prefix=nova:")), client(&redis.url())];
    let [one, other] = [&ours, &theirs].map(|client| client.take("job", Share::Write));
    assert_eq!(redis.cli(&["EXISTS", "nova:job", "job"]), "2");
    assert!(theirs.try_take("nova:job", Share::Write).is_none(), "it is one key");
    ours.release(&one).expect("it is held");
    theirs.release(&other).expect("it is held");
    // So does the number of the database.
    let elsewhere = client(&redis.url().replace("/0", "/3"));
    let [one, other] = [&elsewhere, &theirs].map(|client| client.take("job", Share::Write));
    assert_eq!(redis.cli(&["-n", "3", "EXISTS", "job"]), "1");
    elsewhere.release(&one).expect("it is held");
    theirs.release(&other).expect("it is held");
}

#[test]
fn a_node_of_a_cluster_says_so() {
    let redis = Redis::start_with(RedisOptions::new().set("cluster-enabled", "yes"));
    redis.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    eventually("it is ready", || redis.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let ours = client(&redis.url());
    // All keys of a lock are in one slot.
    for name in ["job", "{job}", "a{b}c", "a{b"] {
        for share in SHARES {
            ours.release(&ours.take(name, share)).expect("it is held");
        }
    }
    redis.cli(&["CLUSTER", "DELSLOTSRANGE", "0", "16383"]);
    let failure = refused(&ours, "job");
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
}

/// Neither is in the other's way.
#[test]
fn a_name_and_the_same_in_braces_are_two_locks() {
    let redis = Redis::start();
    let [ours, theirs] = [0, 1].map(|_| client(&redis.url()));
    let grant = ours.take("{job}", Share::Write);
    let wait = theirs.queue("{job}", Share::Write);
    let other = ours.try_take("job", Share::Write).expect("nobody has it");
    let waits = theirs.queue("job", Share::Read);
    for (grant, wait) in [(grant, wait), (other, waits)] {
        ours.release(&grant).expect("it is held");
        let next = wait.grant();
        assert!(next.token() > grant.token());
        theirs.release(&next).expect("it is held");
    }
}
