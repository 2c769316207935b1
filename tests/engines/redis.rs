//! What is particular to locks on Redis.

mod access;
mod expiry;
mod failover;
mod failures;
mod foreign;
mod forgetting;
mod handoff;
mod last_moment;
mod leftovers;
mod lost_answers;
mod peers;
mod trips;

use std::process::Command;
use std::time::Duration;

use lockutils::distributed::{self, BackendUrl, Failure, Share};
use lockutils_tests::server::Redis;
use lockutils_tests::{Child, helper};

use crate::contract::bench::By;
use crate::contract::client::{Client, Held};

/// Long enough for a machine that is busy, and short enough to be waited for.
const TTL: Duration = Duration::from_millis(1500);

/// A client of a URL, for threads.
#[track_caller]
fn client(url: &str) -> Client {
    client_with(url, TTL, By::Thread)
}

#[track_caller]
fn client_with(url: &str, ttl: Duration, by: By) -> Client {
    let url = BackendUrl::parse(url).expect("a URL");
    Client::new(distributed::connect(&url, ttl).expect("it can be used"), by)
}

/// Another process that uses the same server.
#[track_caller]
fn process(url: &str, name: &str) -> Child {
    let ttl = TTL.as_millis().to_string();
    Child::spawn(Command::new(helper()).args(["engine", url, &ttl, name]))
}

/// The answer to a try that fails.
#[track_caller]
fn refused(client: &Client, name: &str) -> Failure {
    client.enter(client.request(name, Share::Write)).expect_err("it is refused")
}

/// All keys but the counters of tokens, which stay for an hour.
fn keys(redis: &Redis) -> Vec<String> {
    let keys = redis.cli(&["KEYS", "*"]);
    keys.lines().filter(|key| !key.is_empty() && !key.ends_with("/fence")).map(str::to_owned).collect()
}

/// That it is held by nobody else.
#[track_caller]
fn is_held(client: &Client, grant: &Held) {
    client.verify(grant).expect("it is held");
    assert!(!grant.lease().is_lost());
}
