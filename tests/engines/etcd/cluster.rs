//! F5: clusters that lose members.

use std::time::Duration;

use lockutils::distributed::{Request, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::EtcdCluster;

use crate::contract::client::Client;
use crate::etcd::client_for;

const TTL: Duration = Duration::from_secs(10);

fn clients(cluster: &EtcdCluster) -> [Client; 2] {
    [(); 2].map(|()| client_for(&cluster.url(), TTL))
}

/// Its holder keeps the lock over `fault`, and who waits gets it afterwards.
fn outlives(cluster: &EtcdCluster, fault: impl FnOnce()) {
    let [holder, waiter] = clients(cluster);
    let grant = holder.take("job", Share::Write);
    let wait = waiter.queue("job", Share::Write);
    fault();
    eventually("it can be reached again", || match holder.verify(&grant) {
        Ok(()) => true,
        Err(failure) => {
            assert!(failure.may_pass(), "{failure}");
            false
        }
    });
    assert!(!grant.lease().is_lost());
    holder.release(&grant).expect("it is held");
    let next = wait.grant();
    assert!(next.token() > grant.token());
    waiter.release(&next).expect("it is held");
}

#[test]
fn a_lock_outlives_the_leader() {
    let cluster = EtcdCluster::start(3);
    outlives(&cluster, || cluster.kill(cluster.leader()));
}

#[test]
fn a_lock_outlives_a_frozen_leader() {
    let cluster = EtcdCluster::start(3);
    let leader = cluster.leader();
    outlives(&cluster, || cluster.freeze(leader));
}

/// Whichever member a client talks to.
#[test]
fn a_frozen_member_does_not_keep_one_from_the_others() {
    let cluster = EtcdCluster::start(3);
    let leader = cluster.leader();
    let frozen = (leader + 1) % 3;
    let many: Vec<Client> = (0..4).flat_map(|_| clients(&cluster)).collect();
    let held: Vec<_> = many
        .iter()
        .enumerate()
        .map(|(number, client)| client.take(&format!("job-{number}"), Share::Write))
        .collect();
    cluster.freeze(frozen);
    for (client, grant) in many.iter().zip(&held) {
        client.release(grant).expect("the others answer");
    }
    cluster.thaw(frozen);
}

/// One that is alone knows nothing, and says so at once.
#[test]
fn a_member_without_a_leader_is_not_believed() {
    let cluster = EtcdCluster::start(3);
    let leader = cluster.leader();
    let [holder, other] = clients(&cluster);
    let grant = holder.take("job", Share::Write);
    cluster.kill(leader);
    cluster.kill((leader + 1) % 3);
    let request = Request::new("other", Share::Write);
    let failed =
        crate::contract::client::entered(other.backend.enter(request)).expect_err("there is no majority");
    assert!(failed.may_pass(), "{failed:?}");
    cluster.restart_all();
    holder.release(&grant).expect("it is held");
}
