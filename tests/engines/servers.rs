//! The fixtures of the servers do what the suites rely on.

use lockutils_tests::server::{Etcd, Redis, RedisOptions, ZooKeeper};

#[test]
fn redis_keeps_what_it_wrote_down() {
    let redis = Redis::start_with(RedisOptions::new().append_only());
    assert_eq!(redis.cli(&["SET", "x", "1"]), "OK");
    let pid = redis.pid();
    redis.restart();
    assert_ne!(redis.pid(), pid);
    assert_eq!(redis.cli(&["GET", "x"]), "1");
}

#[test]
fn etcd_keeps_what_it_has() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "x", "1"]);
    etcd.restart();
    assert_eq!(etcd.ctl(&["get", "x", "--print-value-only"]), "1");
}

#[test]
fn zookeeper_keeps_what_it_has() {
    let zookeeper = ZooKeeper::start();
    zookeeper.create("/a/x", "1");
    zookeeper.restart();
    assert_eq!(zookeeper.get("/a/x").expect("it is there").data, "1");
    assert_eq!(zookeeper.ls("/a"), Some(vec!["x".to_owned()]));
    assert_eq!(zookeeper.ls("/b"), None);
}
