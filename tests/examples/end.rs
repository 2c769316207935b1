//! How the service ends.

use std::net::TcpStream;

use lockutils_tests::{Place, eventually};
use nix::sys::signal::Signal;

use crate::service::Service;

#[test]
fn it_ends_by_the_usual_signals() {
    let place = Place::new("service-signals");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let service = Service::start(&place, "");
        assert_eq!(service.grow("7", 1).status, 200);
        service.tell(signal);
        service.ends();
    }
}

/// Nobody new is let in; who has begun comes to an end, also who waits for a lock.
#[test]
fn requests_that_have_begun_are_answered() {
    let place = Place::new("service-graceful");
    let service = Service::start(&place, "server.grace = \"1h\"");
    let held = service.hold("7");
    let waiting = service.wait_for("7");
    service.eventually("7", |lock| lock["waiters"] == 1);
    service.tell(Signal::SIGTERM);
    eventually("it listens no more", || TcpStream::connect(&service.address).is_err());
    assert!(place.try_acquire("vol-7").is_none(), "the lock is held to the end");
    drop(held);
    assert!(waiting.answer().starts_with("HTTP/1.1 200 "));
    service.ends();
}

#[test]
fn a_request_that_takes_too_long_is_dropped_and_its_lock_is_free() {
    let place = Place::new("service-grace");
    let service = Service::start(&place, "server.grace = \"100ms\"");
    let held = service.hold("7");
    service.tell(Signal::SIGTERM);
    assert_eq!(held.answer(), "", "no answer");
    service.ends();
    assert!(place.try_acquire("vol-7").is_some());
}
