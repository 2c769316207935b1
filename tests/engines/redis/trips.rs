//! What passes on the wire.

use std::thread;
use std::time::Duration;

use lockutils::distributed::Share;
use lockutils_tests::eventually;
use lockutils_tests::server::{Counts, Proxy, Redis};

use super::{client_with, is_held};
use crate::contract::bench::By;
use crate::contract::client::Client;

const LONG: Duration = Duration::from_secs(30);

fn through_a_proxy(by: By, keys: &str) -> (Redis, Proxy, Client) {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let client = client_with(&format!("{}/0{keys}", proxy.url("redis")), LONG, by);
    (redis, proxy, client)
}

fn passed(proxy: &Proxy, work: impl FnOnce()) -> Counts {
    let before = proxy.counts();
    work();
    proxy.counts() - before
}

#[test]
fn one_takes_a_lock_and_one_lets_it_go() {
    for by in [By::Thread, By::Task] {
        let (_redis, proxy, client) = through_a_proxy(by, "");
        let shares = [Share::Write, Share::Read, Share::Permit(3)];
        let both = |share, waits| {
            let request = client.request("job", share);
            let grant = if waits { client.take_request(request) } else { client.take("job", share) };
            client.release(&grant).expect("it is held");
        };
        for share in shares {
            both(share, true);
        }
        let passed = passed(&proxy, || {
            for share in shares {
                (0..50).for_each(|number| both(share, number % 2 == 0));
            }
        });
        assert_eq!((passed.round_trips, passed.requests, passed.more_answers), (300, 300, 0), "{by:?}");
        assert_eq!(passed.connections, 0, "{by:?}");
    }
}

/// A busy lock costs one trip, and so does a lock that comes free: to queue. It is given to the one whose turn it is.
#[test]
fn one_queues_and_one_takes_what_comes_free() {
    let (redis, proxy, comer) = through_a_proxy(By::Thread, "?retry=20s");
    let holder = client_with(&redis.url(), LONG, By::Thread);
    let busy = || assert!(comer.try_take("job", Share::Write).is_none());
    let grant = holder.take("job", Share::Write);
    busy();
    assert_eq!(passed(&proxy, busy).round_trips, 1);
    // The line is open from here on.
    let wait = comer.queue("job", Share::Write);
    holder.release(&grant).expect("it is held");
    comer.release(&wait.grant()).expect("it is held");
    let grant = holder.take("job", Share::Write);
    let passed = passed(&proxy, || {
        let wait = comer.queue("job", Share::Write);
        holder.release(&grant).expect("it is held");
        is_queue_empty(&redis);
        drop(wait.grant());
    });
    // To let it go may be one of them.
    assert!((1..=2).contains(&passed.round_trips), "{passed:?}");
    assert_eq!(passed.connections, 0);
}

fn is_queue_empty(redis: &Redis) {
    eventually("it is taken", || redis.cli(&["EXISTS", "{job}/queue"]) == "0");
}

/// Nobody looks while nothing can have changed.
#[test]
fn none_while_one_waits() {
    let (redis, proxy, comer) = through_a_proxy(By::Thread, "?retry=20s&request_timeout=20s");
    let holder = client_with(&redis.url(), LONG, By::Thread);
    let grant = holder.take("job", Share::Write);
    let wait = comer.queue("job", Share::Write);
    let passed = passed(&proxy, || thread::sleep(Duration::from_secs(1)));
    assert_eq!((passed.requests, passed.more_answers), (0, 0));
    holder.release(&grant).expect("it is held");
    is_held(&comer, &wait.grant());
}

/// Many leases are renewed in few trips.
#[test]
fn one_renews_many_leases() {
    const LOCKS: u32 = 100;
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let ttl = Duration::from_millis(1500);
    let client = client_with(&proxy.url("redis"), ttl, By::Thread);
    let held: Vec<_> = (0..LOCKS).map(|number| client.take(&format!("job-{number}"), Share::Write)).collect();
    let passed = passed(&proxy, || thread::sleep(ttl * 2));
    assert!((5..u64::from(LOCKS)).contains(&passed.round_trips), "{passed:?}");
    for grant in &held {
        is_held(&client, grant);
    }
}
