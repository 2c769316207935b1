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

/// Who was called and does not come is passed over, though its process is there.
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
    // Two seconds for the one, or less if it has not been heard of for longer; and then the look of the other.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    is_held(&comer, &grant);
    comer.release(&grant).expect("it is held");
    frozen.go_on();
    frozen.expect("held");
    assert_eq!(frozen.ask("release"), "released");
    frozen.finish();
}
