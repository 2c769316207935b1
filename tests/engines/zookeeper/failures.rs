//! Servers and networks that fail.

use std::thread;
use std::time::{Duration, Instant};

use lockutils::distributed::{Entered, Failure, Loss, Share};
use lockutils_tests::server::{Proxy, Way, ZooKeeper};
use lockutils_tests::{eventually, within};

use super::{LONG, SHORT, client, client_for, comes_to, intruder, nodes, server, write};
use crate::contract::bench::By;
use crate::contract::client::{Client, loss};

fn behind_proxy(server: &ZooKeeper, ttl: Duration) -> (Proxy, Client) {
    let proxy = Proxy::to(server.port());
    let client = client_for(&proxy.url("zookeeper"), ttl);
    (proxy, client)
}

#[test]
fn a_holder_that_hears_nothing_knows_its_loss_before_another_has_the_lock() {
    let server = server();
    let (proxy, holder) = behind_proxy(&server, SHORT);
    let other = client(&server.url());
    for way in [Way::ToServer, Way::ToClient] {
        let held = holder.take("job", Share::Write);
        let mut wait = other.queue("job", Share::Write);
        proxy.freeze_one_way(way);
        let frozen = Instant::now();
        eventually("it is lost", || held.lease().is_lost());
        assert!(frozen.elapsed() < SHORT, "it takes {:?}", frozen.elapsed());
        if way == Way::ToServer {
            wait.must_wait();
        }
        assert_eq!(loss(holder.release(&held)), Loss::Expired);
        let next = wait.grant();
        proxy.heal();
        other.verify(&next).expect("it is not touched");
        assert!(next.token() > held.token());
        other.release(&next).expect("it is held");
    }
    let held = holder.take_at_turn(write("job"));
    holder.release(&held).expect("a new session");
    comes_to(&server, "job", 0);
}

/// A connection that is lost, and comes again soon, takes nothing away.
#[test]
fn a_short_cut_does_no_harm() {
    let server = server();
    let (proxy, holder) = behind_proxy(&server, LONG);
    let held = holder.take("job", Share::Write);
    let (other_proxy, other) = behind_proxy(&server, LONG);
    let mut wait = other.queue("job", Share::Write);
    let before = nodes(&server, "job");
    for _ in 0..3 {
        proxy.reset();
        other_proxy.reset();
        holder.verify(&held).expect("it is held");
    }
    wait.must_wait();
    assert_eq!(nodes(&server, "job"), before);
    proxy.cut();
    other_proxy.cut();
    thread::sleep(Duration::from_millis(300));
    proxy.heal();
    other_proxy.heal();
    holder.verify(&held).expect("it is held");
    holder.release(&held).expect("it is held");
    other.release(&wait.grant()).expect("it is held");
}

#[test]
fn a_frozen_server_is_not_waited_for() {
    let server = server();
    let client = client_for(&(server.url() + "?request_timeout=2s"), SHORT);
    let held = client.take("job", Share::Write);
    server.freeze();
    for asked in [write("other"), write("other").waiting()] {
        let started = Instant::now();
        let failure = client.enter(asked).expect_err("nobody answers");
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
        assert!(failure.to_string().contains("no answer within 2s"), "{failure}");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
    eventually("its lock is lost", || held.lease().is_lost());
    assert_eq!(held.lease().loss(), Some(Loss::Expired));
    server.thaw();
    eventually("it works again", || match client.enter(write("other").waiting()) {
        Ok(Entered::Held(grant)) => client.release(&grant.into()).is_ok(),
        _ => false,
    });
    // What was asked for meanwhile was given up.
    comes_to(&server, "other", 0);
    comes_to(&server, "job", 0);
}

#[test]
fn a_server_that_is_started_again_knows_holders_and_waiters() {
    let server = server();
    for _ in 0..10 {
        let [holder, other] = [(); 2].map(|()| client_for(&server.url(), LONG));
        let held = holder.take("job", Share::Write);
        let mut wait = other.queue("job", Share::Write);
        let before = nodes(&server, "job");
        server.restart();
        eventually("it answers again, or is too late", || {
            holder.verify(&held).is_ok() || held.lease().is_lost()
        });
        wait.must_wait();
        if nodes(&server, "job") == before && holder.release(&held).is_ok() {
            return other.release(&wait.grant()).expect("it is held");
        }
        // It was away for too long, on a machine that is busy.
        drop((held, wait));
        comes_to(&server, "job", 0);
    }
    panic!("their places are lost each time");
}

#[test]
fn a_server_that_is_away_for_long_has_no_holders_and_waiters_come_anew() {
    let server = server();
    let [holder, other] = [(); 2].map(|()| client_for(&server.url(), SHORT));
    let held = holder.take("job", Share::Write);
    let mut wait = other.queue("job", Share::Write);
    server.kill();
    eventually("it is lost", || held.lease().is_lost());
    assert!(matches!(holder.verify(&held), Err(Failure::Lost(Loss::Expired))));
    wait.must_wait();
    server.restart();
    let next = wait.grant();
    other.verify(&next).expect("it is held");
    other.release(&next).expect("it is held");
}

/// ZOOKEEPER-1262: without its prefix nobody would know whether a node is there.
#[test]
fn a_place_whose_answer_was_lost_is_found_again() {
    let server = server();
    let (proxy, client) = behind_proxy(&server, LONG);
    client.release(&client.take("job", Share::Write)).expect("it is held");
    for (share, mark) in [(Share::Write, "__lock__"), (Share::Read, "__rlock__")] {
        proxy.drop_answer_to(mark);
        let held = client.take_at_turn(lockutils::distributed::Request::new("job", share));
        proxy.wait_until_lost();
        assert_eq!(nodes(&server, "job").len(), 1, "{share:?} has two places");
        let node = server.get(&format!("/job/{}", nodes(&server, "job")[0])).expect("it is there");
        assert_eq!(held.token(), node.created.cast_unsigned());
        client.release(&held).expect("it is held");
        comes_to(&server, "job", 0);
    }
}

#[test]
fn a_permit_whose_answer_was_lost_is_not_taken_twice() {
    let server = server();
    let (proxy, client) = behind_proxy(&server, LONG);
    let permit = || lockutils::distributed::Request::new("jobs", Share::Permit(2));
    client.release(&client.take("jobs", Share::Permit(2))).expect("it is held");
    // The place in the queue, and what is sent for the permit itself.
    for lost in ["-__lock__/", "/jobs/"] {
        proxy.drop_answer_to(lost);
        let held = client.take_at_turn(permit());
        proxy.wait_until_lost();
        comes_to(&server, "jobs", 1);
        comes_to(&server, "jobs-__lock__", 0);
        client.verify(&held).expect("it is held");
        client.release(&held).expect("it is held");
        comes_to(&server, "jobs", 0);
    }
}

#[test]
fn a_release_whose_answer_was_lost_is_done() {
    let server = server();
    let (proxy, client) = behind_proxy(&server, LONG);
    let held = client.take("job", Share::Write);
    proxy.drop_answer_to("__lock__");
    client.release(&held).expect("it was held");
    proxy.wait_until_lost();
    assert!(nodes(&server, "job").is_empty());
    assert!(held.lease().loss().is_none());
}

#[test]
fn what_is_given_up_while_nothing_is_heard_is_deleted_later() {
    let server = server();
    let (proxy, client) = behind_proxy(&server, LONG);
    client.release(&client.take("job", Share::Write)).expect("it is held");
    for way in [Way::ToServer, Way::ToClient] {
        proxy.freeze_one_way(way);
        let mut entering = crate::contract::drive::Polled::new(client.backend.enter(write("job").waiting()));
        assert!(entering.poll().is_none());
        if way == Way::ToClient {
            comes_to(&server, "job", 1);
        }
        drop(entering);
        proxy.heal();
        let other = super::client(&server.url());
        other.release(&other.take_at_turn(write("job"))).expect("it is held");
        comes_to(&server, "job", 0);
    }
}

/// etcd#11456 elsewhere: who has waited with a session that is over must not be told that it has the lock.
#[test]
fn a_wait_outlives_its_session_with_a_place_at_the_end() {
    let server = server();
    let [holder, last] = [(); 2].map(|()| client_for(&server.url(), LONG));
    let (proxy, waiter) = behind_proxy(&server, SHORT);
    let held = holder.take("job", Share::Write);
    let mut wait = waiter.queue("job", Share::Write);
    let behind = last.queue("job", Share::Write);
    proxy.cut();
    // The server ends its session.
    comes_to(&server, "job", 2);
    holder.release(&held).expect("it is held");
    let held = behind.grant();
    wait.must_wait();
    proxy.heal();
    comes_to(&server, "job", 2);
    wait.must_wait();
    last.release(&held).expect("it is held");
    let next = wait.grant();
    assert!(next.token() > held.token());
    waiter.verify(&next).expect("it is held");
    waiter.release(&next).expect("it is held");
}

/// A pause of one whose session is ended behind its back.
#[test]
fn the_end_of_a_session_is_told_at_once() {
    let server = server();
    let client = client_for(&server.url(), LONG);
    let held = client.take("job", Share::Write);
    let node = server.get(&format!("/job/{}", nodes(&server, "job")[0])).expect("it is there");
    intruder::end(server.port(), node.owner);
    let started = Instant::now();
    let lease = std::sync::Arc::clone(held.lease());
    let why = within("it is told", move || futures_lite::future::block_on(lease.lost()));
    assert_eq!(why, Loss::Ended);
    assert!(started.elapsed() < LONG / 4, "not only at the next sign of life");
    client.release(&client.take_at_turn(write("job"))).expect("a new session");
}

/// Two of one process have places of their own, on one session.
#[test]
fn two_of_one_session_exclude_each_other() {
    let server = server();
    let client = client(&server.url());
    let held = client.take("job", Share::Write);
    assert!(client.try_take("job", Share::Write).is_none());
    let mut wait = client.queue("job", Share::Write);
    wait.must_wait();
    client.release(&held).expect("it is held");
    client.release(&wait.grant()).expect("it is held");
}

#[test]
fn threads_may_wait_as_well_as_tasks() {
    let server = server();
    let client = Client::new(client(&server.url()).backend, By::Thread);
    let held = client.take("job", Share::Write);
    let wait = client.queue("job", Share::Write);
    client.release(&held).expect("it is held");
    client.release(&wait.grant()).expect("it is held");
}

/// The one ahead is gone, and that alone would make it one's turn; but one's own place is gone, too.
#[test]
fn who_was_deleted_while_it_waited_has_no_turn() {
    let server = server();
    let [holder, comer] = [(); 2].map(|()| client(&server.url()));
    for _ in 0..20 {
        let held = holder.take("job", Share::Write);
        let wait = comer.queue("job", Share::Write);
        eventually("it watches", || server.four_letters("wchs").contains("watching 2 paths"));
        let mut places = nodes(&server, "job");
        places.sort_by_key(|name| name[name.len() - 10..].to_owned());
        let behind = held.token();
        // Both go in one step, or nearly.
        for place in places.iter().rev() {
            server.delete(&format!("/job/{place}"));
        }
        let grant = wait.grant();
        comer.verify(&grant).expect("its node is there");
        assert!(grant.token() > behind);
        comer.release(&grant).expect("it is held");
        holder.release(&held).expect_err("it was deleted");
    }
}
