//! What the locks of the service are for: nothing is lost, however many come at once.

use std::thread;

use lockutils_tests::Place;

use crate::client::Client;
use crate::service::Service;

const CLIENTS: u64 = 8;
const TIMES: usize = 25;

/// All clients at once, each to all services in turn.
#[track_caller]
fn grow_at_once(services: &[&Client]) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                // Half of them begin with the first.
                let first = usize::from(client % 2 == 1);
                for service in services.iter().cycle().skip(first).take(TIMES) {
                    let grown = service.grow("7", client);
                    assert_eq!(grown.status, 200, "{grown:?}");
                }
            });
        }
    });
    let volume = services[0].get("/volumes/7").json();
    let times = TIMES as u64;
    let sum = times * CLIENTS * (CLIENTS - 1) / 2;
    assert_eq!((&volume["gib"], &volume["changes"]), (&sum.into(), &(times * CLIENTS).into()));
}

#[test]
fn no_update_is_lost() {
    let place = Place::new("service-updates");
    let service = Service::start(&place, "");
    grow_at_once(&[&service]);
}

#[test]
fn nor_between_two_services_with_one_lock_directory() {
    let place = Place::new("service-two");
    let (one, other) = (Service::start(&place, ""), Service::start(&place, ""));
    grow_at_once(&[&one, &other]);
}

#[test]
fn a_client_that_leaves_lets_go() {
    let place = Place::new("service-leaves");
    let service = Service::start(&place, "");
    drop(service.hold("7"));
    assert_eq!(service.grow("7", 1).status, 200);
    service.eventually("7", serde_json::Value::is_null);
}

#[test]
fn a_service_that_is_killed_lets_go() {
    let place = Place::new("service-killed");
    let (one, other) = (Service::start(&place, ""), Service::start(&place, ""));
    let held = one.hold("7");
    let waiting = other.wait_for("7");
    place.has_waiters("vol-7", 1);
    drop(one);
    drop(held);
    assert!(waiting.answer().starts_with("HTTP/1.1 200 "));
}

/// Two bodies are read at once, and the third client waits until one of them is there.
#[test]
fn uploads_have_two_permits_on_the_whole_host() {
    let place = Place::new("service-uploads");
    let (one, other) = (Service::start(&place, ""), Service::start(&place, ""));
    assert_eq!(one.grow("7", 1).status, 200);
    let upload = |service: &Service| service.begin("PUT /volumes/7/content", 4);
    let held = |service: &Service, number: u32| {
        service.eventually("uploads", |lock| lock["holders"] == number && lock["has_file"] == true);
    };
    let mut first = upload(&one);
    held(&one, 1);
    let mut second = upload(&other);
    held(&other, 1);
    let mut third = upload(&one);
    // It has passed the gate of its process, and waits for the file.
    held(&one, 2);
    third.send(b"3333");
    assert_eq!(one.get("/volumes/7").json()["bytes"], 0);
    first.send(b"1111");
    assert!(first.answer().starts_with("HTTP/1.1 200 "));
    assert!(third.answer().ends_with(r#"{"gib":1,"changes":3,"bytes":4}"#));
    second.send(b"2222");
    assert!(second.answer().starts_with("HTTP/1.1 200 "));
    one.eventually("uploads", |lock| lock["holders"] == 0);
    assert_eq!(std::fs::read(place.file("data/volume-7.content")).expect("stored"), b"2222");
}
