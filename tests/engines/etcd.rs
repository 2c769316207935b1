//! etcd alone: what the suite of all engines cannot ask, with real servers that fail.

mod cluster;
mod door;
mod doubt;
mod leftovers;
mod peers;
mod processes;
mod servers;
mod sessions;
mod trips;

use std::time::Duration;

use lockutils::distributed::{self, BackendUrl};
use lockutils_tests::server::Etcd;
use lockutils_tests::{Child, helper};

use crate::contract::bench::By;
use crate::contract::client::Client;

const TTL: Duration = Duration::from_secs(2);

/// A client, as another process would be one.
#[track_caller]
fn client(url: &str) -> Client {
    client_for(url, TTL)
}

#[track_caller]
fn client_for(url: &str, ttl: Duration) -> Client {
    let mut url = url.to_owned();
    if !url.contains("request_timeout") {
        // Sessions are short, and the machine may be busy.
        url.push_str(if url.contains('?') { "&" } else { "?" });
        url.push_str("request_timeout=5s");
    }
    let url = BackendUrl::parse(&url).expect("a URL");
    Client::new(distributed::connect(&url, ttl).expect("a client"), By::Task)
}

/// Another process that wants a lock.
#[track_caller]
fn process(url: &str, name: &str) -> Child {
    let ttl = TTL.as_millis().to_string();
    Child::spawn(std::process::Command::new(helper()).args(["engine", url, &ttl, name]))
}

/// What etcd counts.
#[track_caller]
fn metrics(etcd: &Etcd) -> String {
    let mut answer = ureq::get(&format!("{}/metrics", etcd.endpoint())).call().expect("an answer");
    answer.body_mut().read_to_string().expect("a text")
}
