//! F6: requests that were done, and whose answers were lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockutils::distributed::{Caller, Entered, Request, Share};
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

/// How many scripts the server has run.
fn scripts(redis: &Redis) -> String {
    let stats = redis.cli(&["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default();
    line.split([':', ',']).nth(1).unwrap_or_default().to_owned()
}

/// Lets the request come that was late.
fn comes_at_last(redis: &Redis, proxy: &Proxy) {
    let before = scripts(redis);
    proxy.heal();
    eventually("it comes", || scripts(redis) != before);
}

fn for_ever(ours: &Client, patience: Duration) -> Request {
    let until = Some(Instant::now() + patience);
    let mut request = ours.request("job", Share::Write).called_by(Caller::Thread { until });
    request.ephemeral = false;
    request
}

const SOON: Duration = Duration::from_millis(100);

/// A thread whose time is over has asked a second time: what is let go then is not taken by the first request, however late.
#[test]
fn what_was_let_go_is_not_taken_by_a_request_that_comes_late() {
    for (is_released, waits) in [(true, false), (false, false), (true, true), (false, true)] {
        let (redis, proxy, ours, _theirs) = through_a_proxy(By::Thread);
        proxy.delay_request_with("EVALSHA");
        let mut request = for_ever(&ours, SOON);
        request.waits = waits;
        let Entered::Held(grant) = ours.enter(request).expect("it is asked again") else {
            panic!("it is free");
        };
        let grant = Arc::new(grant);
        if is_released {
            ours.release(&grant).expect("it is held");
        }
        drop(grant);
        eventually("it is free", || redis.cli(&["EXISTS", "job"]) == "0");
        comes_at_last(&redis, &proxy);
        assert_eq!(redis.cli(&["EXISTS", "job"]), "0", "nobody holds it");
    }
}

#[test]
fn who_was_refused_does_not_take_it_by_a_request_that_comes_late() {
    let (redis, proxy, ours, theirs) = through_a_proxy(By::Thread);
    let other = theirs.take("job", Share::Write);
    proxy.delay_request_with("EVALSHA");
    let tried = ours.enter(for_ever(&ours, SOON)).expect("it is asked again");
    assert!(matches!(tried, Entered::Busy), "{tried:?}");
    eventually("that is remembered", || keys(&redis).iter().any(|key| key.contains("/gone/")));
    theirs.release(&other).expect("it is held");
    comes_at_last(&redis, &proxy);
    assert_eq!(redis.cli(&["EXISTS", "job"]), "0", "nobody holds it");
}

#[test]
fn a_wait_that_was_given_up_does_not_take_it_by_a_request_that_comes_late() {
    let (redis, proxy, ours, theirs) = through_a_proxy(By::Thread);
    let other = theirs.take("job", Share::Write);
    // Its line is open after this.
    drop(ours.queue_for("job", Share::Write, Duration::from_millis(1)));
    eventually("nobody waits", || theirs.contenders("job", Share::Write).len() == 1);
    proxy.delay_request_with("EVALSHA");
    drop(ours.queue_answer(for_ever(&ours, SOON)));
    eventually("that is remembered", || keys(&redis).iter().any(|key| key.contains("/gone/")));
    theirs.release(&other).expect("it is held");
    comes_at_last(&redis, &proxy);
    assert_eq!(redis.cli(&["EXISTS", "job"]), "0", "nobody holds it");
}

/// No connection can be had any more: what was asked before is given up all the same.
#[test]
fn what_may_have_been_taken_is_given_back_though_the_second_request_is_not_sent() {
    let (redis, proxy, ours, theirs) = through_a_proxy(By::Thread);
    proxy.hold_answers();
    std::thread::scope(|scope| {
        scope.spawn(|| ours.enter(for_ever(&ours, SOON * 5)).expect_err("there is no answer"));
        eventually("it is taken", || redis.cli(&["EXISTS", "job"]) == "1");
        proxy.cut();
    });
    proxy.heal();
    theirs.release(&theirs.take_at_turn(theirs.request("job", Share::Write))).expect("it is held");
}

/// What is held for longer by now does not end at the time that an earlier request asked for.
#[test]
fn what_was_extended_is_not_made_shorter_by_a_request_that_comes_late() {
    for share in [Share::Write, Share::Read] {
        let (redis, proxy, ours, _theirs) = through_a_proxy(By::Thread);
        proxy.delay_request_with("EVALSHA");
        let until = Some(Instant::now() + SOON);
        let request = ours.request("job", share).called_by(Caller::Thread { until });
        let grant = ours.take_request(request.expiring(Duration::from_secs(20)));
        ours.extend(&grant, Duration::from_secs(600)).expect("it is held");
        comes_at_last(&redis, &proxy);
        let left: u64 = redis.cli(&["PTTL", "job"]).parse().expect("a number");
        assert!(left > 500_000, "{share:?}: {left}");
        ours.release(&grant).expect("it is held");
    }
}

/// A thread has time left, and there is no server: what it could not let go is let go in the background.
#[test]
fn a_release_that_fails_early_goes_on() {
    let (redis, proxy, ours, theirs) = through_a_proxy(By::Thread);
    let mut request = ours.request("job", Share::Write);
    request.ephemeral = false;
    let grant = ours.take_request(request);
    proxy.cut();
    let until = Some(Instant::now() + SOON * 5);
    let release = ours.backend.release(Arc::clone(&grant), Caller::Thread { until });
    crate::contract::drive::answer(release).expect_err("there is no server");
    assert_eq!(redis.cli(&["EXISTS", "job"]), "1");
    proxy.heal();
    theirs.release(&theirs.take_at_turn(theirs.request("job", Share::Write))).expect("it is held");
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
