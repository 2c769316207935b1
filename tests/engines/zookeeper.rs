//! Locks that a ZooKeeper ensemble keeps, and what can happen to them.

mod access;
mod curator;
mod ensemble;
mod failures;
pub(crate) mod intruder;
mod kazoo;
mod kazoo_permits;
mod processes;
mod trips;

use std::time::Duration;

use lockutils::distributed::{self, BackendUrl, Request, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{ZooKeeper, ZooKeeperOptions};

use crate::contract::bench::By;
use crate::contract::client::Client;

/// How long a session lasts without a sign of life: of one that is to end, as short as it may be here.
const SHORT: Duration = Duration::from_secs(1);
/// Of one that is not to end by itself, also on a machine that is busy.
const LONG: Duration = Duration::from_secs(10);

/// A server for sessions of these lengths: two ticks, and twenty.
#[track_caller]
fn server() -> ZooKeeper {
    ZooKeeper::start_with(ZooKeeperOptions::new().tick(500))
}

fn client(url: &str) -> Client {
    client_for(url, LONG)
}

fn client_for(url: &str, ttl: Duration) -> Client {
    // A server that has just been started is slow, and the machine may be busy.
    let sign = if url.contains('?') { '&' } else { '?' };
    let patient =
        if url.contains("request_timeout") { String::new() } else { format!("{sign}request_timeout=20s") };
    let url = BackendUrl::parse(&(url.to_owned() + &patient)).expect("a URL");
    Client::new(distributed::connect(&url, ttl).expect("it is in this build"), By::Task)
}

fn write(name: &str) -> Request {
    Request::new(name, Share::Write)
}

/// Those who have the lock of this name and those who wait for it, as their nodes are called.
fn nodes(server: &ZooKeeper, name: &str) -> Vec<String> {
    server.ls(&format!("/{name}")).unwrap_or_default()
}

/// Returns when so many are there.
#[track_caller]
fn comes_to(server: &ZooKeeper, name: &str, number: usize) {
    eventually(&format!("{name} has {number}"), || nodes(server, name).len() == number);
}
