//! An ensemble that loses its leader.

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::{ZooKeeper, ZooKeeperCluster, ZooKeeperOptions};

use super::{LONG, client_for, write};
use crate::contract::client::Client;

fn ensemble() -> ZooKeeperCluster {
    ZooKeeperCluster::start_with(3, ZooKeeperOptions::new().tick(500))
}

fn at(server: &ZooKeeper) -> Client {
    client_for(&server.url(), LONG)
}

#[test]
fn holders_and_waiters_outlive_the_leader() {
    let ensemble = ensemble();
    let [holder, waiter, comer] = [(); 3].map(|()| client_for(&ensemble.url(), LONG));
    let held = holder.take("job", Share::Write);
    let mut wait = waiter.queue("job", Share::Write);
    ensemble.kill(ensemble.leader());
    eventually("there is another leader", || holder.verify(&held).is_ok());
    assert!(!held.lease().is_lost());
    wait.must_wait();
    assert!(comer.try_take("job", Share::Write).is_none());
    holder.release(&held).expect("it is held");
    let next = wait.grant();
    assert!(next.token() > held.token(), "transactions go on with greater numbers");
    waiter.release(&next).expect("it is held");
    let last = comer.take_at_turn(write("job"));
    assert!(last.token() > next.token());
    comer.release(&last).expect("it is held");
}

/// One that is asked elsewhere may be behind, but never takes what it does not have.
#[test]
fn clients_of_different_members_exclude_each_other() {
    let ensemble = ensemble();
    let clients = [0, 1, 2].map(|member| at(&ensemble[member]));
    let mut last = 0;
    for round in 0..60 {
        let (client, other) = (&clients[round % 3], &clients[(round + 1) % 3]);
        let held = client.take_at_turn(write("job"));
        assert!(held.token() > last);
        last = held.token();
        assert!(other.try_take("job", Share::Write).is_none());
        client.verify(&held).expect("it is held");
        client.release(&held).expect("it is held");
    }
}

/// Without most of its members nothing can be promised, and nothing is.
#[test]
fn a_lock_is_lost_with_the_majority() {
    let ensemble = ensemble();
    let leader = ensemble.leader();
    let client = at(&ensemble[leader]);
    let held = client.take("job", Share::Write);
    for member in (0..3).filter(|member| *member != leader) {
        ensemble.kill(member);
    }
    eventually("it is lost", || held.lease().is_lost());
    ensemble.restart_all();
    eventually("it works again", || {
        client
            .enter(write("job"))
            .is_ok_and(|entered| !matches!(entered, lockutils::distributed::Entered::Queued(_)))
    });
}
