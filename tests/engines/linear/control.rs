//! What must be found: a holder that was stopped writes after its heir.

use std::process::Command;
use std::time::Instant;

use lockutils_tests::linear::{Event, Resource, What};
use lockutils_tests::server::{Etcd, ZooKeeper};
use lockutils_tests::{BOUND, Child, helper};

use super::TTL;
use super::checks::Wrong;
use super::history::{History, histories};
use super::site::Site;

/// A process that does what it is told.
struct Puppet {
    process: Child,
    events: Vec<Event>,
}

impl Puppet {
    fn start(site: &Site<'_>, resource: &Resource, number: u64) -> Self {
        let url = site.direct();
        let numbers = [u64::from(resource.port()), number].map(|number| number.to_string());
        let ttl = TTL.as_millis().to_string();
        let mut command = Command::new(helper());
        command.args(["linear-by-hand", &url, &ttl, &numbers[0], &numbers[1]]);
        Self { process: Child::spawn(&mut command), events: Vec::new() }
    }

    /// Hears it until it has done this.
    fn until(&mut self, is_done: impl Fn(&What) -> bool) {
        loop {
            let event = Event::of(&self.process.line());
            let done = is_done(&event.what);
            self.events.push(event);
            if done {
                return;
            }
        }
    }

    /// Has it take the lock, if that can be had, and ask for the number.
    fn begin(&mut self) {
        let begun = Instant::now();
        while !self.asks() {
            assert!(begun.elapsed() < BOUND, "the lock cannot be had");
        }
        self.process.say("enter");
        self.until(|what| matches!(what, What::Value(_)));
    }

    fn asks(&mut self) -> bool {
        self.process.say("ask job");
        self.until(|what| matches!(what, What::Got(_) | What::End(_)));
        matches!(self.events.last().map(|event| &event.what), Some(What::Got(_)))
    }

    fn end(&mut self) {
        self.process.say("write");
        self.process.say("free");
    }

    fn ends(mut self) -> Vec<Event> {
        self.until(|what| matches!(what, What::End(_)));
        self.events
    }
}

/// The first one has read the number when it is stopped. Its heir changes it. Then the first one goes on, and writes.
fn stopped_over_its_lease(site: &Site<'_>, resource: &Resource) -> History {
    let [mut first, mut heir] = [1, 2].map(|number| Puppet::start(site, resource, number));
    first.begin();
    first.process.stop();
    heir.begin();
    heir.end();
    let mut events = heir.ends();
    first.end();
    first.process.go_on();
    events.extend(first.ends());
    histories(events).remove("job").expect("it was used")
}

fn is_found_unless_the_resource_looks(site: &Site<'_>) {
    let guarded = stopped_over_its_lease(site, &Resource::fenced());
    assert_eq!((guarded.wrongs(), guarded.refused), (vec![], 1), "{guarded:#?}");
    let open = stopped_over_its_lease(site, &Resource::unfenced());
    assert_eq!((open.wrongs(), open.refused), (vec![Wrong::Resource, Wrong::Updates], 0), "{open:#?}");
    // Its lease has told it, had it listened.
    assert_eq!((open.overlaps(), open.believed_overlaps()), (0, 1), "{open:#?}");
}

#[test]
fn on_etcd() {
    let etcd = Etcd::start();
    is_found_unless_the_resource_looks(&Site::alone("etcd", &etcd));
}

#[test]
fn on_zookeeper() {
    let server = ZooKeeper::start();
    is_found_unless_the_resource_looks(&Site::alone("zookeeper", &server));
}
