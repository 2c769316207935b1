//! How fast a lock goes from hand to hand, and that nobody polls for that.

use std::time::{Duration, Instant};

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::Redis;

use super::{client_with, is_held, keys};
use crate::contract::bench::By;

/// A net so wide that what it catches would be seen.
const NET: &str = "?retry=20s";

const TTL: Duration = Duration::from_secs(60);

#[test]
fn who_waits_is_called() {
    for by in [By::Thread, By::Task] {
        let redis = Redis::start();
        let url = redis.url() + NET;
        let clients = [client_with(&url, TTL, by), client_with(&url, TTL, by)];
        let mut held = clients[0].take("job", Share::Write);
        let mut latencies = Vec::new();
        for turn in 0..200 {
            let (holder, comer) = (&clients[turn % 2], &clients[(turn + 1) % 2]);
            let mut wait = comer.queue("job", Share::Write);
            wait.must_wait();
            let start = Instant::now();
            holder.release(&held).expect("it is held");
            held = wait.grant();
            latencies.push(start.elapsed());
        }
        latencies.sort();
        println!("{by:?}: {:?}, {:?}, {:?}", latencies[0], latencies[100], latencies[198]);
        // redis-py takes 50 ms or more; by the net it would be 20 s.
        assert!(latencies[100] < Duration::from_millis(10), "{:?}", latencies[100]);
    }
}

/// What one is given is one's own: it has a token, and is renewed for as long as it is held.
#[test]
fn what_is_given_lasts() {
    for by in [By::Thread, By::Task] {
        let redis = Redis::start();
        let url = redis.url() + NET;
        let [holder, comer] = [0, 1].map(|_| client_with(&url, TTL, by));
        let before = holder.take("job", Share::Write);
        let wait = comer.queue("job", Share::Write);
        holder.release(&before).expect("it is held");
        let grant = wait.grant();
        assert!(grant.token() > before.token());
        assert_eq!(comer.contenders("job", Share::Write)[0].token, grant.token());
        eventually("it is renewed", || grant.lease().remaining().is_some_and(|left| left > TTL / 2));
        assert!(redis.cli(&["PTTL", "job"]).parse::<u128>().is_ok_and(|left| left > TTL.as_millis() / 2));
        is_held(&comer, &grant);
        comer.release(&grant).expect("it is held");
        assert_eq!(keys(&redis), Vec::<String>::new());
    }
}

/// What is to last otherwise is asked for.
#[test]
fn what_cannot_be_given_is_asked_for() {
    let redis = Redis::start();
    let [holder, comer] = [0, 1].map(|_| client_with(&(redis.url() + NET), TTL, By::Thread));
    let pttl = || redis.cli(&["PTTL", "job"]).parse::<i64>().expect("a number");
    let come = |expires: Option<Duration>, ephemeral| {
        let before = holder.take("job", Share::Write);
        let mut request = comer.request("job", Share::Write);
        (request.expires, request.ephemeral) = (expires, ephemeral);
        let wait = comer.queue_request(request);
        holder.release(&before).expect("it is held");
        let grant = wait.grant();
        let left = (pttl(), grant.lease().remaining());
        comer.release(&grant).expect("it is held");
        left
    };
    let minute = Duration::from_secs(60);
    let (key, lease) = come(Some(minute * 10), true);
    assert!(key > 500_000 && lease.is_some_and(|left| left > minute * 9), "{key} {lease:?}");
    assert_eq!(come(None, false), (-1, None));
}

/// What is told late is not believed: who has lost a place, and what was given to it with that, may stand there again.
#[test]
fn what_was_given_to_an_earlier_place_is_not_ones_own() {
    for by in [By::Thread, By::Task] {
        let redis = Redis::start();
        let [holder, comer] = [0, 1].map(|_| client_with(&(redis.url() + NET), TTL, by));
        let before = holder.take("job", Share::Write);
        let mut wait = comer.queue("job", Share::Write);
        let line = redis.cli(&["ZRANGE", "{job}/queue", "0", "0", "WITHSCORES"]);
        let (entry, place) = line.trim().split_once('\n').expect("it waits");
        let (place, client) =
            (place.trim().parse::<u64>().expect("a number"), entry.split(' ').nth(2).expect("a client"));
        let token = before.token() + 1;
        for earlier in [0, place - 1] {
            let told = format!("job\n{token} {earlier}\n{entry}");
            assert_eq!(redis.cli(&["PUBLISH", &format!("lockutils:wake:{client}"), &told]), "1");
            wait.must_wait();
        }
        is_held(&holder, &before);
        holder.release(&before).expect("it is held");
        comer.release(&wait.grant()).expect("it is held");
        eventually("nothing is left", || keys(&redis).is_empty());
    }
}

/// Who gives up at the moment at which it is given the lock lets it go.
#[test]
fn what_is_given_to_nobody_comes_free() {
    for by in [By::Thread, By::Task] {
        let redis = Redis::start();
        let [holder, comer] = [0, 1].map(|_| client_with(&(redis.url() + NET), TTL, by));
        for _ in 0..100 {
            let grant = holder.take_at_turn(holder.request("job", Share::Write));
            let wait = comer.queue("job", Share::Write);
            std::thread::scope(|scope| {
                scope.spawn(|| holder.release(&grant).expect("it is held"));
                drop(wait);
            });
        }
        let start = Instant::now();
        eventually("nothing is left", || keys(&redis).is_empty());
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

#[test]
fn readers_are_called_together() {
    const READERS: usize = 40;
    let redis = Redis::start();
    let [holder, comer] = [0, 1].map(|_| client_with(&(redis.url() + NET), TTL, By::Task));
    let grant = holder.take("job", Share::Write);
    let readers: Vec<_> = (0..READERS).map(|_| comer.queue("job", Share::Read)).collect();
    let writer = holder.queue("job", Share::Write);
    let late = comer.queue("job", Share::Read);
    holder.release(&grant).expect("it is held");
    let held: Vec<_> = readers.into_iter().map(|wait| wait.grant()).collect();
    let tokens: Vec<_> = held.iter().map(|grant| grant.token()).collect();
    assert!(
        tokens.iter().all(|token| *token == tokens[0] && *token > grant.token()),
        "they share one: {tokens:?}"
    );
    for grant in &held {
        comer.release(grant).expect("it is held");
    }
    let grant = writer.grant();
    is_held(&holder, &grant);
    holder.release(&grant).expect("it is held");
    comer.release(&late.grant()).expect("it is held");
    eventually("nothing is left", || keys(&redis).is_empty());
}

/// Who is given a lock and does not come is passed over, though its process is there: when its session would have ended.
#[test]
fn who_does_not_come_is_passed_over() {
    let redis = Redis::start();
    let url = redis.url() + "?retry=500ms";
    let [holder, comer] = [0, 1].map(|_| client_with(&url, TTL, By::Thread));
    let grant = holder.take("job", Share::Write);
    let mut frozen = super::process(&url, "job");
    frozen.say("wait");
    eventually("it waits", || redis.cli(&["ZCARD", "{job}/queue"]) == "1");
    let wait = comer.queue("job", Share::Write);
    frozen.stop();
    let start = Instant::now();
    holder.release(&grant).expect("it is held");
    let grant = wait.grant();
    // Two seconds at least, a session at most; and then the look of the other.
    assert!(start.elapsed() < super::TTL + Duration::from_secs(7), "{:?}", start.elapsed());
    is_held(&comer, &grant);
    comer.release(&grant).expect("it is held");
    frozen.go_on();
    frozen.expect("held");
    assert_eq!(frozen.ask("release"), "released");
    frozen.finish();
}

/// Who comes late, and nobody else wanted it meanwhile, does not believe in what it was given: it asks.
#[test]
fn who_comes_late_asks() {
    let redis = Redis::start();
    let holder = client_with(&redis.url(), TTL, By::Thread);
    let grant = holder.take("job", Share::Write);
    let mut frozen = super::process(&redis.url(), "job");
    frozen.say("wait");
    eventually("it waits", || redis.cli(&["ZCARD", "{job}/queue"]) == "1");
    frozen.stop();
    holder.release(&grant).expect("it is held");
    eventually("what it was given is over", || redis.cli(&["EXISTS", "job"]) == "0");
    frozen.go_on();
    frozen.expect("held");
    assert_eq!(redis.cli(&["EXISTS", "job"]), "1");
    assert_eq!(frozen.ask("release"), "released");
    frozen.finish();
}
