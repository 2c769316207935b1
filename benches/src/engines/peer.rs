//! redis-py and kazoo, each in a process of its own that measures itself.

use std::time::Duration;

use lockutils_tests::{Child, python};

use crate::{Engine, Result};

/// A process of a client of others.
pub(crate) struct Peer(Child);

impl Peer {
    /// What there is for this engine, and its name.
    pub(crate) fn of(engine: Engine, url: &str) -> Option<(&'static str, Self)> {
        let name = match engine {
            Engine::Redis => "redis-py",
            Engine::ZooKeeper => "kazoo",
            Engine::Etcd => return None,
        };
        let mut child = Child::spawn(python("engine_times.py").args([name, url]));
        child.expect("ready");
        Some((name, Self(child)))
    }

    /// Takes a lock so often that nobody else wants, and says how many microseconds each time took.
    pub(crate) fn cycles(&mut self, times: usize) -> Result<Vec<f64>> {
        self.0.say(&format!("cycle {times}"));
        self.heard()?.split(' ').map(|figure| Ok(figure.parse()?)).collect()
    }

    /// Waits for the lock. [`Self::got`] says when it had it.
    pub(crate) fn wait(&mut self) {
        self.0.say("wait");
        self.0.expect("waiting");
    }

    /// In nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) fn got(&mut self) -> Result<u64> {
        Ok(self.heard()?.parse()?)
    }

    fn heard(&mut self) -> Result<String> {
        self.0.said_within(Duration::from_secs(30)).ok_or_else(|| "the client of others has failed".into())
    }
}
