//! F6: requests that were done, and whose answers were lost.

use std::sync::Arc;
use std::time::Duration;

use lockutils::distributed::{Request, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{Proxy, Redis};

use super::{client_with, is_held, keys};
use crate::contract::bench::By;
use crate::contract::client::Client;

const TTL: Duration = Duration::from_secs(20);

fn through_a_proxy(by: By) -> (Redis, Proxy, Client, Client) {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let ours = client_with(&(proxy.url("redis") + "?request_timeout=1s"), TTL, by);
    let theirs = client_with(&redis.url(), TTL, by);
    // The scripts are there, and so are the connections.
    ours.release(&ours.take("job", Share::Write)).expect("it is held");
    (redis, proxy, ours, theirs)
}

#[test]
fn a_lock_is_not_taken_twice() {
    for by in [By::Thread, By::Task] {
        for share in [Share::Write, Share::Read, Share::Permit(2)] {
            let (redis, proxy, ours, theirs) = through_a_proxy(by);
            proxy.drop_answers_and_cut();
            let grant = ours.take("job", share);
            proxy.wait_until_lost();
            is_held(&ours, &grant);
            assert_eq!(theirs.contenders("job", share).len(), 1);
            assert_eq!(theirs.contenders("job", share)[0].token, grant.token());
            ours.release(&grant).expect("it is held");
            assert_eq!(keys(&redis), Vec::<String>::new());
        }
    }
}

#[test]
fn a_lock_is_let_go_once() {
    for by in [By::Thread, By::Task] {
        let (_redis, proxy, ours, theirs) = through_a_proxy(by);
        let grant = ours.take("job", Share::Write);
        proxy.drop_answers_and_cut();
        ours.release(&grant).expect("the first request has done it");
        proxy.wait_until_lost();
        let next = theirs.take("job", Share::Write);
        ours.release(&grant).expect("it was let go before");
        is_held(&theirs, &next);
    }
}

#[test]
fn a_place_in_the_queue_is_one() {
    for by in [By::Thread, By::Task] {
        let (_redis, proxy, ours, theirs) = through_a_proxy(by);
        let grant = theirs.take("job", Share::Write);
        // Its line is open after this.
        drop(ours.queue_for("job", Share::Write, Duration::from_millis(1)));
        eventually("nobody waits", || theirs.contenders("job", Share::Write).len() == 1);
        proxy.drop_answer_to("EVALSHA");
        let wait = ours.queue("job", Share::Write);
        proxy.wait_until_lost();
        assert_eq!(theirs.contenders("job", Share::Write).len(), 2);
        theirs.release(&grant).expect("it is held");
        let grant = wait.grant();
        is_held(&ours, &grant);
        ours.release(&grant).expect("it is held");
    }
}

/// Nobody has seen it, so nobody has it: neither now nor when the server does it at last.
#[test]
fn what_was_taken_without_an_answer_is_given_back() {
    for stays in [false, true] {
        let (redis, proxy, ours, theirs) = through_a_proxy(By::Thread);
        let request = || -> Request {
            let mut request = ours.request("job", Share::Write);
            request.ephemeral = !stays;
            request
        };
        proxy.hold_answers();
        ours.enter(request()).expect_err("there is no answer");
        assert!(theirs.try_take("job", Share::Write).is_none(), "it was taken");
        proxy.heal();
        eventually("it is given back", || keys(&redis).iter().all(|key| key.contains("/gone/")));
        redis.freeze();
        ours.enter(request()).expect_err("there is no answer");
        redis.thaw();
        let grant = theirs.take_at_turn(theirs.request("job", Share::Write));
        theirs.release(&grant).expect("it is held");
    }
}

#[test]
fn a_release_without_an_answer_goes_on() {
    let (_redis, proxy, ours, theirs) = through_a_proxy(By::Thread);
    let grant = ours.take("job", Share::Write);
    proxy.freeze_one_way(lockutils_tests::server::Way::ToServer);
    ours.release(&grant).expect_err("there is no answer");
    assert!(theirs.try_take("job", Share::Write).is_none(), "it is held");
    let wait = theirs.queue("job", Share::Write);
    proxy.reset();
    proxy.heal();
    is_held(&theirs, &wait.grant());
    drop(Arc::clone(&grant));
}
