//! Locks that all hosts share, as their users see them, on the engine in memory and on engines that fail.

mod attribute;
mod backends;
mod configuration;
mod failures;
mod guards;
mod losses;
mod sharing;
mod stand_in;

use lockutils::{Config, Locks};

/// A registry of an engine in memory that nobody else uses.
fn alone(test: &str) -> Locks {
    registry(&format!("memory:{test}"))
}

/// Two registries of one engine: as two hosts.
fn pair(test: &str) -> (Locks, Locks) {
    let url = format!("memory:{test}");
    (registry(&url), registry(&url))
}

fn registry(url: &str) -> Locks {
    Locks::new(Config::new().backend_url(url)).expect("a registry")
}
