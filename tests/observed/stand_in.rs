//! Lock files that stand in for an engine: that is told of.

use lockutils::{Config, Locks};
use lockutils_tests::Place;
use tracing::Level;

use crate::support::Log;

const TOLD: &str = "no engine is configured (backend_url): distributed locks exclude nobody on other hosts";

#[test]
fn it_is_told_once_by_each_registry() {
    let (place, log) = (Place::new("told"), Log::default());
    for round in 1..=2 {
        let locks = Locks::new(Config::new().lock_path(place.path())).expect("a registry");
        let take = |name: &str| drop(locks.lock(name).distributed().acquire().expect("free"));
        log.of(Level::WARN, || {
            drop(locks.lock("x").external().acquire().expect("free"));
            assert_eq!(log.lines(TOLD).len(), round - 1, "nobody has asked for an engine");
            take("x");
            take("x");
            take("y");
        });
        assert_eq!(log.lines(TOLD).len(), round, "{}", log.text());
    }
    let told = log.lines(TOLD).remove(0);
    assert!(told.contains("WARN") && told.contains("lock=x"), "{told}");
}

#[test]
fn it_is_not_told_of_those_who_have_said_what_they_want() {
    let (place, log) = (Place::new("untold"), Log::default());
    let files = format!("file://{}", place.path().display());
    for url in ["memory:untold", &files] {
        let locks = Locks::new(Config::new().lock_path(place.path()).backend_url(url)).expect("a registry");
        log.of(Level::WARN, || drop(locks.lock("x").distributed().acquire().expect("free")));
    }
    assert_eq!(log.text(), "");
}
