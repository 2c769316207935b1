//! The fixtures of the servers do what the suites rely on.

use std::thread;
use std::time::{Duration, Instant};

use lockutils_tests::server::{
    Etcd, EtcdCluster, EtcdOptions, Redis, RedisOptions, RedisReplicated, Server, ZooKeeper,
    ZooKeeperCluster, ZooKeeperOptions,
};
use lockutils_tests::{eventually, state};

/// A server that is frozen answers nothing until it is thawed: `ask` has returned by then, and not before.
fn is_frozen_and_thawed(server: &Server, ask: impl FnOnce() + Send) {
    server.freeze();
    assert!(server.is_frozen());
    thread::scope(|scope| {
        let answer = scope.spawn(ask);
        thread::sleep(Duration::from_millis(150));
        assert!(!answer.is_finished(), "a frozen server answers");
        server.thaw();
    });
    assert!(!server.is_frozen());
}

/// A server that is killed is gone, and its process with it.
fn is_killed(server: &Server) {
    let pid = server.pid();
    server.kill();
    assert!(!server.is_alive());
    assert_eq!(state(format!("/proc/{pid}")), None);
}

#[test]
fn redis_keeps_what_it_wrote_down() {
    let redis = Redis::start_with(RedisOptions::new().append_only());
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}/0", redis.port()));
    assert_eq!(redis.cli(&["SET", "x", "1"]), "OK");
    is_frozen_and_thawed(&redis, || assert_eq!(redis.cli(&["GET", "x"]), "1"));
    is_killed(&redis);
    assert!(redis.try_cli(&["GET", "x"]).expect_err("it is dead").contains("refused"));
    redis.restart();
    assert_eq!(redis.cli(&["GET", "x"]), "1");
    assert_eq!(redis.cli(&["GET", "y"]), "");
}

#[test]
fn redis_without_options_forgets() {
    let redis = Redis::start();
    redis.cli(&["SET", "x", "1"]);
    redis.restart();
    assert_eq!(redis.cli(&["GET", "x"]), "");
}

#[test]
fn redis_tells_errors_from_answers() {
    let redis = Redis::shared();
    redis.cli(&["SET", "a string", "1"]);
    let error = redis.try_cli(&["LPUSH", "a string", "x"]).expect_err("it is no list");
    assert!(error.contains("WRONGTYPE"), "{error}");
}

#[test]
fn redis_wants_the_password() {
    let redis = Redis::start_with(RedisOptions::new().password("secret"));
    assert_eq!(redis.url(), format!("redis://:secret@127.0.0.1:{}/0", redis.port()));
    assert_eq!(redis.cli(&["PING"]), "PONG");
    let error = redis.try_cli(&["-a", "wrong", "PING"]).expect_err("that is not it");
    assert!(error.contains("WRONGPASS") || error.contains("NOAUTH"), "{error}");
}

#[test]
fn redis_wants_the_user_and_knows_what_others_may() {
    let options = RedisOptions::new().user("root", "secret").and_user("reader", "r", "~* +get");
    let redis = Redis::start_with(options);
    assert_eq!(redis.url(), format!("redis://root:secret@127.0.0.1:{}/0", redis.port()));
    assert_eq!(redis.cli(&["ACL", "WHOAMI"]), "root");
    let reader = ["--user", "reader", "-a", "r"];
    assert_eq!(redis.cli(&[&reader[..], &["GET", "x"]].concat()), "");
    let error = redis.try_cli(&[&reader[..], &["SET", "x", "1"]].concat()).expect_err("it may only read");
    assert!(error.contains("NOPERM"), "{error}");
}

#[test]
fn redis_speaks_tls_alone() {
    let redis = Redis::start_with(RedisOptions::new().tls());
    assert_eq!(redis.url(), format!("rediss://127.0.0.1:{}/0", redis.port()));
    assert_eq!(redis.cli(&["PING"]), "PONG");
    assert!(std::fs::metadata(redis.tls().expect("it has certificates").ca()).is_ok());
}

#[test]
fn redis_forgets_what_is_too_much() {
    let redis = Redis::start_with(RedisOptions::new().max_memory("2mb", "volatile-lru"));
    let fill = "for i = 1, 60000 do redis.call('SET', i, '12345678901234567890', 'PX', 100000) end";
    redis.cli(&["EVAL", fill, "0"]);
    let said = redis.cli(&["INFO", "stats"]);
    assert!(!said.contains("evicted_keys:0"), "{said}");
}

#[test]
fn redis_refuses_to_write_without_its_replica() {
    let master = Redis::start_with(RedisOptions::new().min_replicas(1, 1));
    assert!(master.try_cli(&["SET", "x", "1"]).expect_err("there is none").contains("NOREPLICAS"));
    let replica = Redis::start_with(RedisOptions::new().replica_of(&master));
    eventually("the replica counts", || master.try_cli(&["SET", "x", "1"]).is_ok());
    eventually("the replica has it", || replica.cli(&["GET", "x"]) == "1");
    replica.freeze();
    eventually("the replica does not count", || master.try_cli(&["SET", "x", "2"]).is_err());
}

#[test]
fn etcd_keeps_what_it_has() {
    let etcd = Etcd::start();
    assert_eq!(etcd.url(), format!("etcd://127.0.0.1:{}", etcd.port()));
    etcd.ctl(&["put", "x", "1"]);
    is_frozen_and_thawed(&etcd, || assert_eq!(etcd.ctl(&["get", "x", "--print-value-only"]), "1"));
    is_killed(&etcd);
    assert!(etcd.try_ctl(&["--command-timeout=100ms", "get", "x"]).is_err());
    etcd.restart();
    assert_eq!(etcd.ctl(&["get", "x", "--print-value-only"]), "1");
    etcd.ctl(&["put", "a/2", ""]);
    etcd.ctl(&["put", "a/1", ""]);
    assert_eq!(etcd.keys("a/"), ["a/2", "a/1"]);
    assert!(etcd.keys("b/").is_empty());
}

/// With the elections of everyday, it would make two of one second.
#[test]
fn etcd_grants_leases_of_a_second() {
    let granted = Etcd::shared().ctl(&["lease", "grant", "1"]);
    assert!(granted.ends_with("granted with TTL(1s)"), "{granted}");
}

#[test]
fn etcd_wants_the_password() {
    let etcd = Etcd::start_with(EtcdOptions::new().root_password("secret"));
    assert_eq!(etcd.url(), format!("etcd://root:secret@127.0.0.1:{}", etcd.port()));
    etcd.ctl(&["put", "x", "1"]);
    let error = etcd.try_ctl(&["--user", "root:wrong", "get", "x"]).expect_err("that is not it");
    assert!(error.contains("authentication failed"), "{error}");
    etcd.restart();
    assert_eq!(etcd.ctl(&["get", "x", "--print-value-only"]), "1");
}

#[test]
fn etcd_speaks_tls_alone() {
    let etcd = Etcd::start_with(EtcdOptions::new().tls().root_password("secret"));
    assert_eq!(etcd.endpoint(), format!("https://127.0.0.1:{}", etcd.port()));
    etcd.ctl(&["put", "x", "1"]);
    assert_eq!(etcd.ctl(&["get", "x", "--print-value-only"]), "1");
}

#[test]
fn another_leads_when_the_leader_of_etcd_is_killed() {
    let cluster = EtcdCluster::start(3);
    cluster.ctl(&["put", "x", "1"]);
    let leader = cluster.leader();
    cluster.kill(leader);
    assert_ne!(cluster.leader(), leader);
    eventually("it can be written to", || {
        cluster.try_ctl(&["--command-timeout=1s", "put", "x", "2"]).is_ok()
    });
    cluster.restart(leader);
    assert_eq!(cluster[leader].ctl(&["get", "x", "--print-value-only"]), "2");
    let leader = cluster.leader();
    cluster.freeze(leader);
    assert_ne!(cluster.leader(), leader);
    cluster.thaw(leader);
    cluster.restart_all();
    assert_eq!(cluster.ctl(&["get", "x", "--print-value-only"]), "2");
    assert_eq!(cluster.url().matches("127.0.0.1:").count(), 3);
}

#[test]
fn a_cluster_of_etcd_wants_the_password() {
    let options = EtcdOptions::new().election(50, 500).root_password("secret");
    let cluster = EtcdCluster::start_with(3, options);
    assert!(cluster.url().starts_with("etcd://root:secret@127.0.0.1:"), "{}", cluster.url());
    cluster.ctl(&["put", "x", "1"]);
    assert_eq!(cluster[2].ctl(&["get", "x", "--print-value-only"]), "1");
}

#[test]
fn zookeeper_keeps_what_it_has() {
    let zookeeper = ZooKeeper::start();
    assert_eq!(zookeeper.url(), format!("zookeeper://127.0.0.1:{}", zookeeper.port()));
    zookeeper.create("/a/x", "1");
    is_frozen_and_thawed(&zookeeper, || assert_eq!(zookeeper.four_letters("ruok"), "imok"));
    is_killed(&zookeeper);
    assert_eq!(zookeeper.try_four_letters("ruok"), None);
    zookeeper.restart();
    let znode = zookeeper.get("/a/x").expect("it is there");
    assert_eq!((znode.data.as_str(), znode.owner, znode.children), ("1", 0, 0));
    assert!(znode.created > 0);
    assert_eq!(zookeeper.ls("/a"), Some(vec!["x".to_owned()]));
    assert!(zookeeper.delete("/a") && !zookeeper.delete("/a"));
    assert_eq!((zookeeper.ls("/a"), zookeeper.get("/a")), (None, None));
}

#[test]
fn zookeeper_has_the_ticks_that_it_is_given() {
    let zookeeper = ZooKeeper::start_with(ZooKeeperOptions::new().tick(300).forces_sync());
    let said = zookeeper.four_letters("conf");
    assert!(said.contains("minSessionTimeout=600") && said.contains("maxSessionTimeout=6000"), "{said}");
}

#[test]
fn zookeeper_speaks_tls_alone() {
    let zookeeper = ZooKeeper::start_with(ZooKeeperOptions::new().tls());
    assert_eq!(zookeeper.url(), format!("zookeepers://127.0.0.1:{}", zookeeper.port()));
    zookeeper.create("/x", "1");
    zookeeper.restart();
    assert_eq!(zookeeper.get("/x").expect("it is there").data, "1");
    assert!(zookeeper.four_letters("srvr").contains("Mode: standalone"));
}

#[test]
fn another_leads_when_the_leader_of_zookeeper_is_killed() {
    let cluster = ZooKeeperCluster::start(3);
    let leader = cluster.leader();
    let other = cluster.follower();
    cluster[other].create("/x", "1");
    cluster.kill(leader);
    assert_ne!(cluster.leader(), leader);
    assert_eq!(cluster[other].get("/x").expect("it is there").data, "1");
    cluster[other].create("/y", "2");
    cluster.restart(leader);
    eventually("who was dead hears of it", || cluster[leader].get("/y").is_some());
    assert_eq!(cluster.url().matches("127.0.0.1:").count(), 3);
}

#[test]
fn a_replica_is_promoted_when_the_master_is_killed() {
    let redis = RedisReplicated::start();
    let (old, port) = (redis.master().port(), redis.replica().port());
    redis.master().cli(&["SET", "x", "1"]);
    eventually("the replica has it", || redis.replica().cli(&["GET", "x"]) == "1");
    assert_eq!(redis.promote().port(), port);
    assert_eq!(redis.master().cli(&["SET", "x", "2"]), "OK");
    redis.rejoin();
    assert_eq!(redis.fail_over().port(), old);
    assert_eq!(redis.master().cli(&["GET", "x"]), "2");
}

/// Servers that tests share are never dropped: a process of its own shows what becomes of them.
#[test]
fn nothing_outlives_the_process_of_the_test() {
    let (pid, directory) = match std::env::var_os("LOCKUTILS_TESTS_SHARE") {
        Some(_) => return share(),
        None => of_a_process_that_shares(),
    };
    let started = Instant::now();
    eventually("its server dies", || state(format!("/proc/{pid}")).is_none_or(|state| state == 'Z'));
    eventually("its directory goes", || !std::path::Path::new(&directory).exists());
    assert!(started.elapsed() < Duration::from_secs(10));
}

fn share() {
    let etcd = Etcd::shared();
    println!("\nshares {} {}", etcd.pid(), etcd.directory().display());
}

fn of_a_process_that_shares() -> (String, String) {
    let this = std::env::current_exe().expect("a test knows its program");
    let mut other = std::process::Command::new(this);
    other.args(["--exact", "servers::nothing_outlives_the_process_of_the_test", "--nocapture"]);
    let ended = other.env("LOCKUTILS_TESTS_SHARE", "1").output().expect("it can be started");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let words = said.lines().find_map(|line| line.strip_prefix("shares ")).expect(&said);
    let (pid, directory) = words.split_once(' ').expect("both");
    (pid.to_owned(), directory.to_owned())
}
