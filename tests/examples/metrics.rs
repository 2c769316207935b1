//! `/metrics`.

use std::collections::BTreeMap;

use lockutils_tests::{Place, eventually};

use crate::service::Service;

/// The samples of Prometheus' text format: `name{labels}` and a number.
#[track_caller]
fn samples(service: &Service) -> BTreeMap<String, f64> {
    let answer = service.get("/metrics");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{answer:?}");
    let lines = answer.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect(line);
            (name.to_owned(), value.parse().expect(line))
        })
        .collect()
}

#[track_caller]
fn expect(service: &Service, metric: &str, labels: &str, value: f64) {
    let name = format!("lockutils_{metric}{{{labels}}}");
    let mut last = BTreeMap::new();
    eventually(&format!("{name} is {value}"), || {
        last = samples(service);
        last.get(&name).is_some_and(|seen| (seen - value).abs() < 0.01)
    });
}

const WRITE: &str = r#"lock="vol-{id}",scope="external",mode="write""#;
const READ: &str = r#"lock="vol-{id}",scope="external",mode="read""#;

#[test]
fn locks_are_counted_by_their_templates() {
    let place = Place::new("service-metrics");
    let service = Service::start(&place, "lockutils.timeout = \"50ms\"");
    for id in 0..20 {
        assert_eq!(service.grow(&id.to_string(), 1).status, 200);
        assert_eq!(service.get(&format!("/volumes/{id}")).status, 200);
    }
    let held = service.hold("7");
    assert_eq!(service.post("/volumes/7/backup").status, 409);
    assert_eq!(service.grow("7", 1).status, 503);
    expect(&service, "acquired_total", WRITE, 22.0);
    expect(&service, "acquired_total", READ, 20.0);
    expect(&service, "contended_total", WRITE, 2.0);
    expect(&service, "timed_out_total", WRITE, 1.0);
    expect(&service, "held", WRITE, 1.0);
    drop(held);
    expect(&service, "held", WRITE, 0.0);
    let names: Vec<_> = samples(&service).into_keys().filter(|name| name.contains("vol-7")).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn times_are_histograms() {
    let place = Place::new("service-histograms");
    let service = Service::start(&place, "");
    for _ in 0..5 {
        assert_eq!(service.grow("7", 1).status, 200);
    }
    for metric in ["wait_seconds", "hold_seconds"] {
        expect(&service, &format!("{metric}_count"), WRITE, 5.0);
        expect(&service, &format!("{metric}_bucket"), &format!("{WRITE},le=\"+Inf\""), 5.0);
        let samples = samples(&service);
        let buckets = samples.keys().filter(|name| name.starts_with(&format!("lockutils_{metric}_bucket")));
        assert!(buckets.count() > 10, "{samples:#?}");
    }
    expect(&service, "wait_seconds_bucket", &format!("{WRITE},le=\"0\""), 5.0);
}

#[test]
fn those_who_wait_are_a_gauge() {
    let place = Place::new("service-waiting");
    let service = Service::start(&place, "");
    let held = service.hold("7");
    let waiting = [service.wait_for("7"), service.wait_for("7")];
    expect(&service, "waiting", WRITE, 2.0);
    drop(held);
    for request in waiting {
        assert!(request.answer().starts_with("HTTP/1.1 200 "));
    }
    expect(&service, "waiting", WRITE, 0.0);
}
