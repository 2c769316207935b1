//! Locks of kazoo, on both sides.

use lockutils::distributed::Share;
use lockutils_tests::Child;
use lockutils_tests::server::{EnginePeer, ZooKeeper};

use super::{client, nodes, server, write};
use crate::contract::client::Client;

fn peer(recipe: fn(&str, &str) -> EnginePeer, server: &ZooKeeper) -> EnginePeer {
    recipe(&server.hosts(), "/job")
}

/// Whoever has it keeps the other out, and lets it in when it lets go.
fn exclude_each_other(ours: &Client, share: Share, theirs: &mut Child) {
    theirs.take();
    assert!(ours.try_take("job", share).is_none());
    let mut wait = ours.queue("job", share);
    wait.must_wait();
    theirs.release();
    let held = wait.grant();
    assert!(!theirs.try_take());
    theirs.say("wait");
    ours.verify(&held).expect("it is held");
    ours.release(&held).expect("it is held");
    theirs.expect("held");
    theirs.release();
}

#[test]
fn writers_and_its_locks_exclude_each_other() {
    let server = server();
    let ours = client(&server.url());
    for recipe in [EnginePeer::kazoo_lock, EnginePeer::kazoo_write_lock] {
        exclude_each_other(&ours, Share::Write, &mut peer(recipe, &server).spawn());
    }
    assert!(nodes(&server, "job").is_empty());
}

#[test]
fn readers_and_its_writers_exclude_each_other() {
    let server = server();
    let ours = client(&server.url());
    exclude_each_other(&ours, Share::Read, &mut peer(EnginePeer::kazoo_write_lock, &server).spawn());
    exclude_each_other(&ours, Share::Write, &mut peer(EnginePeer::kazoo_read_lock, &server).spawn());
}

#[test]
fn readers_share_with_its_readers_and_stay_behind_its_writer() {
    let server = server();
    let ours = client(&server.url());
    let mut theirs = peer(EnginePeer::kazoo_read_lock, &server).holder();
    let held = ours.take("job", Share::Read);
    let mut writer = peer(EnginePeer::kazoo_write_lock, &server).spawn();
    assert!(!writer.try_take());
    writer.say("wait");
    super::comes_to(&server, "job", 3);
    let mut late = ours.queue("job", Share::Read);
    theirs.release();
    late.must_wait();
    ours.release(&held).expect("it is held");
    writer.expect("held");
    late.must_wait();
    writer.release();
    ours.release(&late.grant()).expect("it is held");
}

/// Its `Lock` does not know readers, ours or its own.
#[test]
fn its_lock_does_not_see_readers() {
    let server = server();
    let ours = client(&server.url());
    let held = ours.take("job", Share::Read);
    let mut theirs = peer(EnginePeer::kazoo_lock, &server).holder();
    theirs.release();
    ours.release(&held).expect("it is held");
}

#[test]
fn each_lists_the_contenders_of_the_other() {
    let server = server();
    let ours = client(&server.url());
    let held = ours.take_request(write("job").identified("größe"));
    let mut theirs = peer(EnginePeer::kazoo_lock, &server).identifier("second").spawn();
    theirs.say("wait");
    super::comes_to(&server, "job", 2);
    let last = ours.queue_request(write("job").identified("last"));
    let mut looks = peer(EnginePeer::kazoo_lock, &server).spawn();
    assert_eq!(EnginePeer::listed(&mut looks, "contenders"), ["größe", "second", "last"]);
    let seen = ours.contenders("job", Share::Write);
    let seen: Vec<_> = seen.iter().map(|one| (one.identifier.as_str(), one.holds, one.token)).collect();
    assert_eq!(seen, [("größe", true, held.token()), ("second", false, 0), ("last", false, 0)]);
    ours.release(&held).expect("it is held");
    theirs.expect("held");
    theirs.finish();
    ours.release(&last.grant()).expect("it is held");
}

#[test]
fn tokens_grow_over_its_holders() {
    let server = server();
    let ours = client(&server.url());
    let mut theirs = peer(EnginePeer::kazoo_lock, &server).spawn();
    let mut last = 0;
    for _ in 0..5 {
        let held = ours.take("job", Share::Write);
        assert!(held.token() > last);
        let node = nodes(&server, "job").pop().expect("it is there");
        let node = server.get(&format!("/job/{node}")).expect("it is there");
        assert_eq!(
            held.token(),
            node.created.cast_unsigned(),
            "it is the transaction that has made the node"
        );
        ours.release(&held).expect("it is held");
        theirs.take();
        let node = nodes(&server, "job").pop().expect("it is there");
        last = server.get(&format!("/job/{node}")).expect("it is there").created.cast_unsigned();
        assert!(last > held.token());
        theirs.release();
    }
}

#[test]
fn other_nodes_are_waited_for_as_its_patterns_have_it() {
    let server = server();
    let ours = client(&server.url());
    server.create("/job/_c_x-lock-0000000000", "");
    let held = ours.take("job", Share::Write);
    ours.release(&held).expect("they are no contenders by themselves");
    let with = |patterns: &[&str]| {
        let mut request = write("job");
        request.patterns = patterns.iter().map(|pattern| Box::from(*pattern)).collect();
        request
    };
    assert!(ours.try_request(with(&["-lock-"])).is_none());
    assert!(ours.try_request(with(&["nothing", "-l..k-"])).is_none(), "they are regular expressions");
    let mut wait = ours.queue_request(with(&["-lock-"]));
    wait.must_wait();
    server.delete("/job/_c_x-lock-0000000000");
    ours.release(&wait.grant()).expect("it is held");
    let wrong = ours.enter(with(&["("])).expect_err("it is none");
    assert!(wrong.to_string().contains("no regular expression"), "{wrong}");
}

/// With `ephemeral=False` it stays when its session ends, and so does ours.
#[test]
fn what_is_to_stay_stays_for_both() {
    let server = server();
    let ours = client(&server.url());
    let mut request = write("job");
    request.ephemeral = false;
    let held = ours.take_request(request);
    let node = nodes(&server, "job").pop().expect("it is there");
    assert_eq!(server.get(&format!("/job/{node}")).expect("it is there").owner, 0);
    let mut theirs = peer(EnginePeer::kazoo_lock, &server).spawn();
    assert!(!theirs.try_take());
    ours.backend.close();
    assert!(!theirs.try_take());
    assert!(held.lease().is_lost());
    let admin = client(&server.url());
    admin.destroy("job", Share::Write);
    // Whoever has seen the directory before does not make it anew: that is kazoo's way.
    assert!(theirs.ask("try").starts_with("error NoNodeError"));
    assert!(peer(EnginePeer::kazoo_lock, &server).spawn().try_take());
}
