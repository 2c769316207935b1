//! F11: nothing is left of what is over.

use std::time::Duration;

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::{Proxy, Redis};

use super::{TTL, client, client_with, is_held, keys};
use crate::contract::bench::By;
use crate::contract::drive::Polled;

const WAITS: usize = 1000;

#[test]
fn a_thousand_waits_that_are_given_up_leave_nothing() {
    let redis = Redis::start();
    let [holder, comer] = [0, 1].map(|_| client_with(&redis.url(), Duration::from_secs(20), By::Task));
    let grant = holder.take("job", Share::Write);
    let waits: Vec<_> = (0..WAITS)
        .map(|number| comer.queue("job", [Share::Write, Share::Read, Share::Permit(7)][number % 3]))
        .collect();
    assert_eq!(redis.cli(&["ZCARD", "{job}/queue"]), WAITS.to_string());
    drop(waits);
    eventually("nobody waits", || keys(&redis) == ["job"]);
    is_held(&holder, &grant);
    holder.release(&grant).expect("it is held");
    assert_eq!(keys(&redis), Vec::<String>::new());
}

/// Some have been granted and not been seen.
#[test]
fn enters_that_are_dropped_at_once_leave_nothing() {
    let redis = Redis::start();
    let comer = client_with(&redis.url(), Duration::from_secs(20), By::Task);
    for number in 0..300 {
        let mut enter = Polled::new(comer.backend.enter(comer.request("job", Share::Write).waiting()));
        if number % 3 > 0 {
            let _ = enter.poll();
        }
    }
    let grant = comer.take_at_turn(comer.request("job", Share::Write));
    comer.release(&grant).expect("it is held");
    eventually("nothing is left", || keys(&redis).is_empty());
}

/// The line is kept for a moment; then there is no subscription, and no connection that is not needed.
#[test]
fn the_line_ends_when_nobody_waits() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let comer = client(&proxy.url("redis"));
    let holder = client(&redis.url());
    let grant = holder.take("job", Share::Write);
    let wait = comer.queue("job", Share::Write);
    assert_eq!(redis.cli(&["PUBSUB", "CHANNELS"]).lines().count(), 1);
    holder.release(&grant).expect("it is held");
    comer.release(&wait.grant()).expect("it is held");
    eventually("there is no subscription", || redis.cli(&["PUBSUB", "CHANNELS"]).is_empty());
    // And it is opened again.
    let grant = holder.take("job", Share::Write);
    let wait = comer.queue("job", Share::Write);
    holder.release(&grant).expect("it is held");
    comer.release(&wait.grant()).expect("it is held");
    comer.backend.close();
    drop(comer);
    eventually("there is no connection", || proxy.connections() == 0);
}

/// A lock that is let go leaves the counter of its tokens, for an hour and some minutes; one that was destroyed does not.
#[test]
fn a_counter_is_left_for_an_hour() {
    let redis = Redis::start();
    let comer = client(&redis.url());
    for (share, stays) in [(Share::Write, false), (Share::Read, true), (Share::Permit(1), false)] {
        let mut request = comer.request("job", share);
        request.ephemeral = !stays;
        let grant = comer.take_request(request);
        comer.release(&grant).expect("it is held");
        assert_eq!(redis.cli(&["KEYS", "*"]), "{job}/fence");
        let left: u64 = redis.cli(&["PTTL", "{job}/fence"]).parse().expect("a number");
        assert!((3_600_000..=4_600_000).contains(&left), "{share:?}: {left}");
    }
    comer.destroy("job", Share::Write);
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

/// What one process leaves behind when it is killed goes by itself.
#[test]
fn a_killed_process_leaves_nothing_for_long() {
    let redis = Redis::start();
    let mut holder = super::process(&redis.url(), "job");
    holder.take();
    let mut waiter = super::process(&redis.url(), "job");
    waiter.say("wait");
    eventually("it waits", || redis.cli(&["ZCARD", "{job}/queue"]) == "1");
    waiter.kill();
    holder.kill();
    let start = std::time::Instant::now();
    eventually("nothing is left", || keys(&redis).is_empty());
    assert!(start.elapsed() < TTL + Duration::from_secs(1), "{:?}", start.elapsed());
}

/// Whoever of them goes last, and also if it does not let go but dies.
#[test]
fn a_counter_that_was_to_stay_goes_with_the_last_holder() {
    let redis = Redis::start();
    let [ours, theirs] = [0, 1].map(|_| client(&redis.url()));
    let fence = || redis.cli(&["PTTL", "{job}/fence"]).parse::<i64>().expect("a number");
    let stays = |share| {
        let mut request = ours.request("job", share);
        request.ephemeral = false;
        request
    };
    for is_first in [true, false] {
        let first = is_first.then(|| theirs.take("job", Share::Read));
        let stays = ours.take_request(stays(Share::Read));
        assert_eq!(fence(), -1);
        let other = first.unwrap_or_else(|| theirs.take("job", Share::Read));
        ours.release(&stays).expect("it is held");
        assert!((3_600_000..=4_600_000).contains(&fence()), "{}", fence());
        theirs.release(&other).expect("it is held");
        assert!((3_600_000..=4_600_000).contains(&fence()), "{}", fence());
    }
    // One was taken away by hand: the next one sees to its counter.
    let taken = ours.take_request(stays(Share::Write));
    redis.cli(&["DEL", "job"]);
    let next = theirs.take("job", Share::Write);
    assert!(next.token() > taken.token());
    assert!((3_600_000..=4_600_000).contains(&fence()), "{}", fence());
    theirs.release(&next).expect("it is held");
}
