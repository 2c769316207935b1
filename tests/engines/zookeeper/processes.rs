//! Processes that are stopped and killed.

use std::process::Command;
use std::time::{Duration, Instant};

use lockutils::distributed::Share;
use lockutils_tests::server::ZooKeeper;
use lockutils_tests::{Child, eventually, helper};

use super::{SHORT, client, comes_to, server, write};

fn process(server: &ZooKeeper) -> Child {
    let ttl = SHORT.as_millis().to_string();
    Child::spawn(Command::new(helper()).args([
        "engine",
        &(server.url() + "?request_timeout=20s"),
        &ttl,
        "job",
    ]))
}

#[test]
fn a_holder_that_was_stopped_knows_its_loss_and_touches_nobody() {
    let server = server();
    let mut holder = process(&server);
    holder.take();
    let first: u64 = holder.ask("token").parse().expect("a number");
    holder.stop();
    let other = client(&server.url());
    let held = other.take_at_turn(write("job"));
    assert!(held.token() > first);
    holder.go_on();
    assert_eq!(holder.ask("lost"), "Expired");
    assert!(holder.ask("check").starts_with("error the lock is lost"));
    assert!(holder.ask("release").starts_with("error the lock is lost"));
    other.verify(&held).expect("it is not touched");
    holder.say("queue");
    holder.expect("queued");
    other.release(&held).expect("it is held");
    holder.expect("held");
    let last: u64 = holder.ask("token").parse().expect("a number");
    assert!(last > held.token());
}

#[test]
fn a_holder_that_was_killed_is_gone_with_its_session() {
    let server = server();
    let mut holder = process(&server);
    holder.take();
    let other = client(&server.url());
    let wait = other.queue("job", Share::Write);
    let killed = Instant::now();
    holder.kill();
    let held = wait.grant();
    // The server looks at its sessions once in a tick.
    assert!(killed.elapsed() < SHORT + Duration::from_secs(1), "it takes {:?}", killed.elapsed());
    other.release(&held).expect("it is held");
}

#[test]
fn a_waiter_that_was_killed_holds_nobody_up() {
    let server = server();
    let [first, last] = [(); 2].map(|()| client(&server.url()));
    let held = first.take("job", Share::Write);
    let mut waiter = process(&server);
    waiter.say("queue");
    waiter.expect("queued");
    let wait = last.queue("job", Share::Write);
    waiter.kill();
    comes_to(&server, "job", 2);
    first.release(&held).expect("it is held");
    last.release(&wait.grant()).expect("it is held");
}

/// A process that ends leaves nothing but the directory.
#[test]
fn the_end_of_a_process_frees_its_lock() {
    let server = server();
    let mut holder = process(&server);
    holder.take();
    holder.finish();
    eventually("it is free", || super::nodes(&server, "job").is_empty());
    assert_eq!(server.ls("/job"), Some(Vec::new()));
}
