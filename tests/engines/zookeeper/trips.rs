//! How often a request has to go to the server and back.

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::Proxy;

use super::{LONG, client_for, server};
use crate::contract::client::Client;

/// How many trips this takes: the least of several, since the session has its own now and then. It may be one less than what is
/// meant, where two requests that follow each other are sent at once.
fn trips(proxy: &Proxy, mut work: impl FnMut()) -> u64 {
    let mut once = || {
        let before = proxy.counts();
        work();
        (proxy.counts() - before).round_trips
    };
    (0..5).map(|_| once()).min().expect("five times")
}

fn client(proxy: &Proxy, name: &str) -> Client {
    let client = client_for(&proxy.url("zookeeper"), LONG);
    // There is a session and a directory from now on.
    for share in [Share::Write, Share::Permit(2)] {
        client.release(&client.take(name, share)).expect("it is held");
    }
    client
}

#[test]
fn a_lock_is_two_and_its_release_another() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let client = client(&proxy, "job");
    for share in [Share::Write, Share::Read] {
        let mut held = Vec::new();
        let mut names = ["a", "b", "c", "d", "e"].into_iter();
        for name in names.clone() {
            client.release(&client.take(name, share)).expect("it is held");
        }
        let taken = trips(&proxy, || held.push(client.take(names.next().expect("five"), share)));
        assert!(taken <= 2, "{share:?} takes {taken}");
        for held in &held {
            client.release(held).expect("it is held");
        }
        let pair = trips(&proxy, || client.release(&client.take("job", share)).expect("it is held"));
        assert!(pair <= 3, "{share:?} takes {pair}");
    }
}

#[test]
fn a_try_looks_first() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let (client, other) = (client(&proxy, "job"), super::client(&server.url()));
    let pair = trips(&proxy, || {
        client.release(&client.try_take("job", Share::Write).expect("it is free")).expect("it is held");
    });
    assert!(pair <= 4, "it takes {pair}");
    let held = other.take("job", Share::Write);
    let busy = trips(&proxy, || assert!(client.try_take("job", Share::Write).is_none()));
    assert_eq!(busy, 1, "and nothing is written");
    other.release(&held).expect("it is held");
}

#[test]
fn a_permit_is_three_and_its_release_another() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let client = client(&proxy, "jobs");
    let pair = trips(&proxy, || {
        client.release(&client.take("jobs", Share::Permit(2))).expect("it is held");
    });
    assert!(pair <= 4, "it takes {pair}");
}

#[test]
fn a_turn_that_comes_is_none() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let (client, other) = (client(&proxy, "job"), super::client(&server.url()));
    let turn = || {
        let held = other.take("job", Share::Write);
        let mut wait = client.queue("job", Share::Write);
        wait.must_wait();
        // Its own node and the one ahead.
        eventually("it watches", || server.four_letters("wchs").contains("watching 2 paths"));
        let before = proxy.counts();
        other.release(&held).expect("it is held");
        let grant = wait.grant();
        let trips = (proxy.counts() - before).round_trips;
        client.release(&grant).expect("it is held");
        trips
    };
    assert_eq!((0..20).map(|_| turn()).min(), Some(0));
}
