//! Users, directories and names.

use lockutils::distributed::{self, BackendUrl, Failure, Share};
use lockutils_tests::server::{EnginePeer, Tls, ZooKeeper, ZooKeeperOptions};

use super::{LONG, client, comes_to, nodes, server, write};
use crate::contract::client::Client;

fn as_user(server: &ZooKeeper, login: &str, keys: &str) -> Client {
    client(&format!("zookeeper://{login}@{}{keys}", server.hosts()))
}

#[test]
fn what_is_private_is_for_its_user_alone() {
    let server = server();
    let alice = as_user(&server, "alice:secret", "/private?acl=creator");
    let held = alice.take("job", Share::Write);
    for other in ["alice:wrong", "bob:secret"] {
        let other = as_user(&server, other, "/private?acl=creator");
        for request in [write("job"), write("job").waiting(), write("new").waiting()] {
            let refused = other.enter(request).expect_err("it is not let in");
            assert!(matches!(refused, Failure::Denied(_)), "{refused:?}");
        }
    }
    let again = as_user(&server, "alice:secret", "/private?acl=creator");
    let wait = again.queue("job", Share::Write);
    alice.release(&held).expect("it is held");
    again.release(&wait.grant()).expect("it is held");
}

#[test]
fn a_user_shares_with_kazoo() {
    let server = server();
    let alice = as_user(&server, "alice:secret", "?acl=creator");
    let mut theirs = EnginePeer::kazoo_lock(&server.hosts(), "/job").digest("alice:secret").holder();
    let wait = alice.queue("job", Share::Write);
    theirs.release();
    let held = wait.grant();
    assert!(!theirs.try_take());
    alice.release(&held).expect("it is held");
}

#[test]
fn what_a_user_has_is_open_if_nothing_is_said() {
    let server = server();
    let alice = as_user(&server, "alice:secret", "");
    let held = alice.take("job", Share::Write);
    let anybody = client(&server.url());
    let wait = anybody.queue("job", Share::Write);
    alice.release(&held).expect("it is held");
    anybody.release(&wait.grant()).expect("it is held");
}

#[test]
fn secrets_are_not_shown() {
    let server = server();
    let alice = as_user(&server, "alice:hunter2", "/locks");
    let shown = format!("{:?} {} {}", alice.backend, alice.backend.location(), alice.cluster());
    assert!(!shown.contains("hunter2") && !shown.contains("alice"), "{shown}");
    assert_eq!(alice.cluster(), format!("{}/locks", server.hosts()));
}

#[test]
fn directories_are_made_and_stay() {
    let server = server();
    let client = client(&format!("{}/a//b/", server.url()));
    let held = client.take("job", Share::Write);
    assert_eq!(server.ls("/a/b/job").map(|nodes| nodes.len()), Some(1));
    client.release(&held).expect("it is held");
    assert_eq!(server.ls("/a/b/job"), Some(Vec::new()));
    client.destroy("job", Share::Write);
    assert_eq!(server.ls("/a/b"), Some(Vec::new()));
}

#[test]
fn the_names_of_the_server_and_of_queues_are_kept_apart() {
    let server = server();
    let client = client(&server.url());
    let held = client.take("zookeeper", Share::Write);
    assert_eq!(nodes(&server, "%7Aookeeper").len(), 1);
    client.release(&held).expect("it is held");
    let permit = client.take("jobs", Share::Permit(1));
    let mut wait = client.queue("jobs", Share::Permit(1));
    let other = client.take("jobs-__lock__", Share::Write);
    wait.must_wait();
    client.destroy("jobs-__lock__", Share::Write);
    comes_to(&server, "jobs-__lock__", 1);
    client.release(&permit).expect("it is held");
    client.release(&wait.grant()).expect("it is held");
    drop(other);
}

#[test]
fn nodes_of_others_are_not_destroyed() {
    let server = server();
    let client = client(&server.url());
    server.create("/job/nova/config", "x");
    let held = client.take("job", Share::Write);
    let refused = crate::contract::drive::answer(client.backend.destroy(write("job")));
    assert!(matches!(refused, Err(Failure::Foreign(_))), "{refused:?}");
    lockutils_tests::eventually("the lock is destroyed", || held.lease().is_lost());
    assert_eq!(nodes(&server, "job"), ["nova"]);
    assert_eq!(server.get("/job/nova/config").expect("it is there").data, "x");
}

#[test]
fn where_a_node_goes_with_a_session_there_is_no_lock() {
    let server = server();
    let client = client(&server.url());
    let held = client.take("job", Share::Write);
    let node = format!("{}/job/{}", server.url(), nodes(&server, "job")[0]);
    let refused = super::client(&node).enter(write("below")).map(drop);
    let waiting = super::client(&node).enter(write("below").waiting()).map(drop);
    for refused in [refused, waiting] {
        assert!(matches!(refused, Err(Failure::Foreign(_))), "{refused:?}");
    }
    client.release(&held).expect("it is held");
}

#[test]
fn what_nobody_else_can_read_goes_by_tls() {
    let server = ZooKeeper::start_with(ZooKeeperOptions::new().tick(500).tls());
    let tls = server.tls().expect("it has certificates");
    assert!(server.url().starts_with("zookeepers://"));
    let (ca, cert, key) = (tls.ca(), tls.client_certificate(), tls.client_key());
    for keys in [format!("?ca={ca}"), format!("?ca={ca}&cert={cert}&key={key}")] {
        let client = client(&(server.url() + &keys));
        let held = client.take("job", Share::Write);
        client.verify(&held).expect("it is held");
        client.release(&held).expect("it is held");
    }
}

#[test]
fn a_server_that_others_vouch_for_is_not_trusted() {
    let [server, other] = [(); 2].map(|()| ZooKeeper::start_with(ZooKeeperOptions::new().tick(500).tls()));
    let ca = other.tls().expect("it has certificates").ca();
    let failure = client(&format!("{}?ca={ca}&request_timeout=1s", server.url())).enter(write("job"));
    assert!(matches!(failure, Err(Failure::Unreachable(_))), "{failure:?}");
}

#[test]
fn what_is_wrong_with_certificates_is_said_at_once() {
    let (file, tls) = (tempfile::NamedTempFile::new().expect("a file"), Tls::new());
    let path = file.path().display();
    for (url, why) in [
        ("zookeepers://h".to_owned(), "needs the key `ca`"),
        ("zookeepers://h?ca=/nonesuch".to_owned(), "its key `ca`: /nonesuch cannot be read"),
        (format!("zookeepers://h?ca={path}"), "has no certificate in it"),
        (format!("zookeepers://h?ca={}&key={path}", tls.ca()), "both or none are needed"),
        (format!("zookeepers://h?ca={}&key={path}&cert={path}", tls.ca()), "its key `cert` cannot be used"),
        (format!("zookeeper://h?ca={path}"), "its key `ca` is for `zookeepers:` only"),
    ] {
        let url = BackendUrl::parse(&url).expect("a URL");
        let error = distributed::connect(&url, LONG).expect_err("it cannot be used");
        assert!(error.is_config() && error.to_string().contains(why), "{error}");
    }
}
