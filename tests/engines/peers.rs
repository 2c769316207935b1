//! The clients of others exclude each other, so that what they say of ours can be believed.

use std::time::Duration;

use lockutils_tests::server::{EnginePeer, Etcd, EtcdOptions, Redis, ZooKeeper};
use lockutils_tests::{Child, eventually, state};

/// Two that want the same lock take turns, and who waits gets it when the other lets go.
fn take_turns(first: &EnginePeer, second: &EnginePeer) {
    let (mut first, mut second) = (first.holder(), second.spawn());
    assert!(!second.try_take(), "both have it");
    assert_eq!(second.ask("wait 0.3"), "busy");
    second.say("wait");
    first.release();
    second.expect("held");
    assert!(!first.try_take(), "both have it");
    assert_eq!((first.ask("owned"), second.ask("owned")), ("no".to_owned(), "yes".to_owned()));
    second.release();
    assert!(first.try_take(), "it is free");
    first.finish();
    assert!(second.try_take(), "who ends lets go");
    second.finish();
}

/// Who waits gets the lock when the one who has it is killed.
fn dies(holder: &EnginePeer, waiter: &EnginePeer) {
    let (mut holder, mut waiter) = (holder.holder(), waiter.spawn());
    waiter.say("wait");
    holder.kill();
    waiter.expect("held");
    waiter.finish();
}

fn number(child: &mut Child, question: &str) -> u64 {
    let answer = child.ask(question);
    answer.parse().unwrap_or_else(|_| panic!("{question} is answered by {answer}"))
}

#[test]
fn redis_py_takes_turns() {
    let redis = Redis::start();
    let peer = EnginePeer::redis_py(&redis.url(), "job").sleep(Duration::from_millis(10));
    take_turns(&peer, &peer);
    assert_eq!(redis.cli(&["EXISTS", "job"]), "0");
    dies(&peer.clone().lease(Duration::from_millis(700)), &peer);
}

#[test]
fn redis_py_extends_what_is_its_own() {
    let redis = Redis::start();
    let mut holder = EnginePeer::redis_py(&redis.url(), "job").lease(Duration::from_secs(5)).holder();
    assert_eq!(holder.ask("extend 100"), "extended");
    assert_eq!(redis.cli(&["GET", "job"]), holder.ask("session"));
    let left: u64 = redis.cli(&["PTTL", "job"]).parse().expect("a number");
    assert!(left > 60_000, "{left}");
    redis.cli(&["SET", "job", "of another"]);
    assert_eq!(holder.ask("owned"), "no");
    let answer = holder.ask("release");
    assert!(answer.starts_with("error LockNotOwnedError"), "{answer}");
    holder.finish();
}

#[test]
fn kazoo_takes_turns() {
    let zookeeper = ZooKeeper::start();
    let [lock, write] =
        [EnginePeer::kazoo_lock, EnginePeer::kazoo_write_lock].map(|kind| kind(&zookeeper.hosts(), "/job"));
    take_turns(&lock, &lock);
    take_turns(&lock, &write);
    take_turns(&write, &lock);
    dies(&lock.lease(Duration::from_secs(1)), &write);
    assert_eq!(zookeeper.ls("/job"), Some(Vec::new()));
}

#[test]
fn kazoo_lists_contenders_in_order() {
    let zookeeper = ZooKeeper::start();
    let lock = EnginePeer::kazoo_lock(&zookeeper.hosts(), "/job");
    let mut first = lock.clone().identifier("first").holder();
    let mut second = lock.identifier("second").spawn();
    second.say("wait");
    eventually("the second waits", || zookeeper.ls("/job").is_some_and(|nodes| nodes.len() == 2));
    assert_eq!(EnginePeer::listed(&mut first, "contenders"), ["first", "second"]);
    let nodes = zookeeper.ls("/job").expect("it is there");
    let owners: Vec<_> = nodes
        .iter()
        .map(|node| zookeeper.get(&format!("/job/{node}")).expect("it is there"))
        .filter(|node| node.data == "first")
        .map(|node| node.owner.to_string())
        .collect();
    assert_eq!(owners, [first.ask("session")]);
    first.finish();
    second.expect("held");
}

#[test]
fn kazoo_shares_among_readers() {
    let zookeeper = ZooKeeper::start();
    let read = EnginePeer::kazoo_read_lock(&zookeeper.hosts(), "/job");
    let write = EnginePeer::kazoo_write_lock(&zookeeper.hosts(), "/job");
    let (mut one, mut other) = (read.holder(), read.holder());
    let mut writer = write.spawn();
    assert!(!writer.try_take());
    one.release();
    assert!(!writer.try_take());
    other.release();
    assert!(writer.try_take());
    assert!(!one.try_take());
}

#[test]
fn kazoo_counts_leases() {
    let zookeeper = ZooKeeper::start();
    let semaphore = EnginePeer::kazoo_semaphore(&zookeeper.hosts(), "/jobs", 2);
    let [mut a, mut b, mut c] =
        ["a", "b", "c"].map(|identifier| semaphore.clone().identifier(identifier).spawn());
    assert!(a.try_take() && b.try_take() && !c.try_take());
    let mut holders = EnginePeer::listed(&mut c, "holders");
    holders.sort();
    assert_eq!(holders, ["a", "b"]);
    a.release();
    assert!(c.try_take());
    let mut other = EnginePeer::kazoo_semaphore(&zookeeper.hosts(), "/jobs", 3).spawn();
    let answer = other.ask("try");
    assert!(answer.starts_with("error ValueError"), "{answer}");
}

#[test]
fn kazoo_waits_for_other_patterns() {
    let zookeeper = ZooKeeper::start();
    zookeeper.create("/job/_c_x-lock-0000000000", "");
    let lock = EnginePeer::kazoo_lock(&zookeeper.hosts(), "/job");
    let mut first = lock.spawn();
    assert!(first.try_take());
    first.finish();
    let mut other = lock.extra_lock_patterns(&["-lock-"]).spawn();
    assert!(!other.try_take());
    zookeeper.delete("/job/_c_x-lock-0000000000");
    assert!(other.try_take());
}

#[test]
fn kazoo_comes_as_a_user() {
    let zookeeper = ZooKeeper::start();
    let lock = EnginePeer::kazoo_lock(&zookeeper.hosts(), "/job");
    let mut user = lock.clone().digest("alice:secret").holder();
    let answer = lock.spawn().ask("try");
    assert!(answer.starts_with("error NoAuthError"), "{answer}");
    user.release();
}

#[test]
fn etcdctl_takes_turns() {
    let etcd = Etcd::start();
    let peer = EnginePeer::etcdctl_lock(&etcd, "job");
    take_turns(&peer, &peer);
    assert!(etcd.keys("job/").is_empty());
    dies(&peer.clone().lease(Duration::from_secs(1)), &peer);
}

#[test]
fn etcdctl_tells_its_process_lease_and_fence() {
    let etcd = Etcd::start_with(EtcdOptions::new().root_password("secret"));
    let peer = EnginePeer::etcdctl_lock(&etcd, "job");
    let mut holder = peer.holder();
    assert_eq!(etcd.keys("job/"), [format!("job/{:x}", number(&mut holder, "session"))]);
    let first = number(&mut holder, "fence");
    let process = number(&mut holder, "pid");
    assert!(state(format!("/proc/{process}")).is_some());
    holder.release();
    holder.take();
    assert!(number(&mut holder, "fence") > first);
    let process = number(&mut holder, "pid");
    holder.kill();
    eventually("it dies with its keeper", || {
        state(format!("/proc/{process}")).is_none_or(|state| state == 'Z')
    });
    assert_eq!(etcd.keys("job/").len(), 1, "nobody has freed it");
}
