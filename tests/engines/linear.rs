//! Whether what clients of a distributed lock do to what it guards is in one order for everybody, whoever is stopped, killed
//! or cut off meanwhile. `docs/evidence.md` tells what is looked at.
//!
//! `LOCKUTILS_SEED` repeats the choices of a run, as far as they are not those of the machine; `LOCKUTILS_LINEAR_SECONDS` makes
//! each run that long.

mod calls;
mod checks;
mod control;
mod files;
mod fleet;
mod history;
#[rustfmt::skip]
mod known;
mod models;
mod nemesis;
mod run;
mod site;
mod tally;

use std::time::Duration;

use lockutils_tests::server::{Etcd, EtcdCluster, ZooKeeper, ZooKeeperCluster};

use self::run::run;
use self::site::Site;

/// How long sessions last: as short as etcd allows.
const TTL: Duration = Duration::from_secs(1);

#[test]
fn etcd_is_linearizable() {
    let etcd = Etcd::start();
    run(&Site::alone("etcd", &etcd));
}

#[test]
fn a_cluster_of_etcd_is_linearizable() {
    let cluster = EtcdCluster::start(3);
    run(&Site::cluster("etcd", &cluster));
}

#[test]
fn zookeeper_is_linearizable() {
    let server = ZooKeeper::start();
    run(&Site::alone("zookeeper", &server));
}

#[test]
fn an_ensemble_of_zookeeper_is_linearizable() {
    let ensemble = ZooKeeperCluster::start(3);
    run(&Site::cluster("zookeeper", &ensemble));
}
