//! F13: a replica that takes over.

use std::time::Duration;

use lockutils::distributed::{Failure, Loss, Promise, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{Redis, RedisOptions, RedisReplicated};

use super::{client_with, is_held, refused};
use crate::contract::bench::By;

const TTL: Duration = Duration::from_secs(20);

#[test]
fn a_lock_that_the_replica_has_goes_on() {
    let servers = RedisReplicated::start();
    let [ours, theirs] = [By::Thread, By::Task].map(|by| client_with(&servers.sentinel_url(), TTL, by));
    let grant = ours.take("job", Share::Write);
    servers.wait_until_linked();
    assert_eq!(servers.master().cli(&["WAIT", "1", "5000"]), "1");
    let wait = theirs.queue("job", Share::Write);
    servers.promote();
    eventually("it can be reached", || ours.verify(&grant).is_ok());
    assert!(theirs.try_take("job", Share::Write).is_none());
    ours.release(&grant).expect("it is held");
    is_held(&theirs, &wait.grant());
}

#[test]
fn masters_that_are_exchanged_are_found() {
    let servers = RedisReplicated::start();
    let ours = client_with(&servers.sentinel_url(), TTL, By::Thread);
    let before = ours.cluster();
    let grant = ours.take("job", Share::Write);
    assert_eq!(servers.master().cli(&["WAIT", "1", "5000"]), "1");
    servers.fail_over();
    eventually("it can be reached", || ours.verify(&grant).is_ok());
    ours.release(&grant).expect("it is held");
    eventually("it is another server", || ours.cluster() != before);
}

/// The page says it, and this shows it: with replication as it is, two may believe in one lock, until the renewal tells one of
/// them. Only the fence at the resource keeps them apart.
#[test]
fn a_lock_that_the_replica_does_not_have_is_lost() {
    let master = Redis::start();
    let replica = Redis::start_with(RedisOptions::new().replica_of(&master));
    eventually("it is linked", || replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
    let proxy = lockutils_tests::server::Proxy::to(master.port());
    let ours = client_with(&proxy.url("redis"), Duration::from_secs(3), By::Thread);
    assert!(!ours.backend.promises().has(Promise::SurvivesFailover));
    assert!(
        !ours.backend.promises().has(Promise::Linearizable) && !ours.backend.promises().has(Promise::Fenced)
    );
    // Cut off from its master, it takes over.
    replica.freeze();
    let grant = ours.take("job", Share::Write);
    master.kill();
    replica.thaw();
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    let theirs = client_with(&replica.url(), TTL, By::Thread);
    if let Some(next) = theirs.try_take("job", Share::Write) {
        assert!(next.token() > grant.token(), "the resource can tell");
    }
    eventually("the first one knows", || grant.lease().is_lost());
    assert_eq!(grant.lease().loss(), Some(Loss::Expired));
}

#[test]
fn a_replica_gives_no_locks() {
    let master = Redis::start();
    let replica = Redis::start_with(RedisOptions::new().replica_of(&master));
    let ours = client_with(&replica.url(), TTL, By::Thread);
    let failure = refused(&ours, "job");
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    ours.release(&ours.take("job", Share::Write)).expect("it is held");
}

#[test]
fn sentinels_that_are_away_are_passed_over() {
    let servers = RedisReplicated::start();
    let url = servers.sentinel_url();
    servers.sentinels()[0].kill();
    servers.sentinels()[1].freeze();
    let ours = client_with(&url, TTL, By::Thread);
    ours.release(&ours.take("job", Share::Write)).expect("it is held");
    let unknown = client_with(&url.replace("mymaster", "another"), TTL, By::Thread);
    let failure = refused(&unknown, "job");
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
    servers.sentinels()[1].thaw();
}
