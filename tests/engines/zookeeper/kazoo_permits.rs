//! Semaphores of kazoo, on both sides.

use lockutils::distributed::{Failure, Share};
use lockutils_tests::server::{EnginePeer, ZooKeeper};

use super::{client, server};

fn peer(server: &ZooKeeper, permits: usize) -> EnginePeer {
    EnginePeer::kazoo_semaphore(&server.hosts(), "/jobs", permits)
}

#[test]
fn its_leases_and_our_permits_are_counted_together() {
    let server = server();
    let ours = client(&server.url());
    let mut theirs = peer(&server, 2).holder();
    let held = ours.take("jobs", Share::Permit(2));
    let mut third = peer(&server, 2).spawn();
    assert!(!third.try_take());
    assert!(ours.try_take("jobs", Share::Permit(2)).is_none());
    let mut wait = ours.queue("jobs", Share::Permit(2));
    wait.must_wait();
    theirs.release();
    let next = wait.grant();
    third.say("wait");
    ours.release(&held).expect("it is held");
    third.expect("held");
    assert!(ours.try_take("jobs", Share::Permit(2)).is_none());
    ours.release(&next).expect("it is held");
    ours.release(&ours.try_take("jobs", Share::Permit(2)).expect("it is free")).expect("it is held");
}

#[test]
fn who_waits_first_has_its_turn_first() {
    let server = server();
    let ours = client(&server.url());
    let held = ours.take("jobs", Share::Permit(1));
    let mut theirs = peer(&server, 1).spawn();
    theirs.say("wait");
    super::comes_to(&server, "jobs-__lock__", 1);
    let mut wait = ours.queue("jobs", Share::Permit(1));
    ours.release(&held).expect("it is held");
    theirs.expect("held");
    wait.must_wait();
    theirs.release();
    ours.release(&wait.grant()).expect("it is held");
}

#[test]
fn each_lists_the_holders_of_the_other() {
    let server = server();
    let ours = client(&server.url());
    let held = ours.take_request(super::Request::new("jobs", Share::Permit(2)).identified("ours"));
    let mut theirs = peer(&server, 2).identifier("theirs").holder();
    let mut holders = EnginePeer::listed(&mut theirs, "holders");
    holders.sort();
    assert_eq!(holders, ["ours", "theirs"]);
    let waits = ours.queue_request(super::Request::new("jobs", Share::Permit(2)).identified("waits"));
    let seen = ours.contenders("jobs", Share::Permit(2));
    let seen: Vec<_> = seen.iter().map(|one| (one.identifier.as_str(), one.holds, one.share)).collect();
    let two = Share::Permit(2);
    assert_eq!(seen, [("ours", true, two), ("theirs", true, two), ("waits", false, two)]);
    theirs.release();
    ours.release(&waits.grant()).expect("it is held");
    ours.release(&held).expect("it is held");
}

#[test]
fn another_number_is_refused_by_both() {
    let server = server();
    let ours = client(&server.url());
    let held = ours.take("jobs", Share::Permit(2));
    assert_eq!(server.get("/jobs").expect("it is there").data, "2");
    let answer = peer(&server, 3).spawn().ask("try");
    assert!(answer.starts_with("error ValueError"), "{answer}");
    ours.release(&held).expect("it is held");
    let mut theirs = peer(&server, 2).holder();
    let refused = ours.enter(super::Request::new("jobs", Share::Permit(5)).waiting());
    assert!(matches!(refused, Err(Failure::Mismatch { agreed: 2 })), "{refused:?}");
    theirs.release();
    // Nobody has one: whoever comes says how many there are.
    ours.release(&ours.take("jobs", Share::Permit(5))).expect("it is held");
    assert_eq!(server.get("/jobs").expect("it is there").data, "5");
}

/// As it is where only kazoo has semaphores: the number is changed by hand.
#[test]
fn a_number_is_kept_on_demand() {
    let server = server();
    let ours = client(&format!("{}?permits=kept", server.url()));
    ours.release(&ours.take("jobs", Share::Permit(2))).expect("it is held");
    for request in [Share::Permit(3)].map(|share| super::Request::new("jobs", share)) {
        for request in [request.clone(), request.waiting()] {
            let refused = ours.enter(request);
            assert!(matches!(refused, Err(Failure::Mismatch { agreed: 2 })), "{refused:?}");
        }
    }
    ours.destroy("jobs", Share::Write);
    ours.release(&ours.take("jobs", Share::Permit(3))).expect("it is held");
}

/// Data that is no number is somebody else's, for kazoo and for us.
#[test]
fn other_data_is_left_alone() {
    let server = server();
    let ours = client(&server.url());
    server.create("/jobs", "a$");
    let held = ours.take("jobs", Share::Permit(2));
    assert_eq!(server.get("/jobs").expect("it is there").data, "a$");
    let mut theirs = peer(&server, 2).holder();
    assert!(ours.try_take("jobs", Share::Permit(2)).is_none());
    theirs.release();
    ours.release(&held).expect("it is held");
}

/// What is told of a name that is a lock for some and a semaphore for others: ours see both.
#[test]
fn our_locks_wait_for_its_leases_and_its_semaphores_count_our_locks() {
    let server = server();
    let ours = client(&server.url());
    let mut theirs = peer(&server, 1).holder();
    let mut wait = ours.queue("jobs", Share::Write);
    wait.must_wait();
    theirs.release();
    let held = wait.grant();
    assert!(!theirs.try_take());
    ours.release(&held).expect("it is held");
    assert!(theirs.try_take());
}
