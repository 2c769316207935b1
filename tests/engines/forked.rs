//! Processes that fork while they have a lock of an engine.

use std::process::Command;

use lockutils::{Config, Locks};
use lockutils_tests::server::{Etcd, Redis, ZooKeeper};
use lockutils_tests::{Child, helper};

/// A child has its own session: it neither speaks on its parent's connections nor lets its lock go nor ends the session by which
/// that is held.
#[track_caller]
fn a_child_leaves_its_parent_the_lock(url: &str, what_it_finds: &str) {
    let mut parent = Child::spawn(Command::new(helper()).args(["fork-engine", url, "forked"]));
    for doing in ["check", "extend"] {
        let refused = parent.line();
        assert!(refused.starts_with(&format!("cannot {doing} distributed lock `forked`")), "{refused}");
        assert!(refused.ends_with(": it is of another process, which has forked this one"), "{refused}");
    }
    let found = parent.line();
    assert!(found.starts_with(what_it_finds), "{found}");
    parent.expect("held");
    let locks = Locks::new(Config::new().backend_url(url)).expect("a registry");
    let lock = locks.lock("forked").distributed();
    assert!(lock.try_acquire().expect("reachable").is_none());
    parent.finish();
    drop(lock.acquire().expect("its turn"));
}

#[test]
fn a_child_leaves_its_parent_the_lock_of_redis() {
    a_child_leaves_its_parent_the_lock(&Redis::shared().url(), "busy");
}

#[test]
fn a_child_leaves_its_parent_the_lock_of_etcd() {
    a_child_leaves_its_parent_the_lock(&Etcd::shared().url(), "busy");
}

#[test]
fn a_child_leaves_its_parent_the_lock_of_zookeeper() {
    // Its client has a thread that a fork leaves behind.
    let refused = "the client of ZooKeeper does not work in the forked child of a process that has used it";
    a_child_leaves_its_parent_the_lock(&ZooKeeper::shared().url(), refused);
}
