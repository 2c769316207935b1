//! Every way of the public face meets one of each kind, on real servers: two registries, as two hosts.

use std::time::Duration;

use lockutils_tests::server::{Etcd, Redis, ZooKeeper};

use crate::conformance::Meeting;

/// How long those wait who wait in vain: longer than a round trip.
const MOMENT: Duration = Duration::from_millis(40);

fn all_ways_meet(url: &str) {
    Meeting::in_the_engine(url, MOMENT).one_of_each_kind();
}

#[test]
fn ways_meet_in_redis() {
    all_ways_meet(&Redis::shared().url());
}

#[test]
fn ways_meet_in_etcd() {
    all_ways_meet(&Etcd::shared().url());
}

#[test]
fn ways_meet_in_zookeeper() {
    all_ways_meet(&ZooKeeper::shared().url());
}
