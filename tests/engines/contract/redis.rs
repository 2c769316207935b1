//! The engine on a Redis server.

use std::sync::Arc;
use std::time::Duration;

use lockutils::distributed::{self, Backend, BackendUrl, Contender};
use lockutils_tests::server::Redis;

use super::Engine;

/// One server for all.
pub(crate) struct OnRedis(&'static Redis);

const TTL: Duration = Duration::from_secs(1);

impl OnRedis {
    pub(crate) fn start() -> Self {
        Self(Redis::shared())
    }
}

impl Engine for OnRedis {
    fn connect(&self) -> Arc<dyn Backend> {
        let url = BackendUrl::parse(&self.0.url()).expect("a URL");
        distributed::connect(&url, TTL).expect("the feature `redis`")
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    /// The counter of the tokens stays for an hour.
    fn residue(&self, name: &str) -> Vec<String> {
        let tag = tag(name);
        let keys = [name.to_owned(), format!("{tag}/queue"), format!("{tag}/alive")];
        let mut residue: Vec<_> = keys.iter().flat_map(|key| self.all(key)).collect();
        residue.sort();
        residue
    }

    fn remove(&self, name: &str, contender: &Contender) {
        for key in [name.to_owned(), format!("{}/queue", tag(name)), format!("{}/alive", tag(name))] {
            for entry in self.all(&key).iter().filter(|entry| entry.contains(&contender.place)) {
                match &*self.0.cli(&["TYPE", &key]) {
                    "string" => self.0.cli(&["DEL", &key]),
                    _ => self.0.cli(&["ZREM", &key, entry]),
                };
            }
        }
    }
}

impl OnRedis {
    /// What stands in a key.
    fn all(&self, key: &str) -> Vec<String> {
        let text = match &*self.0.cli(&["TYPE", key]) {
            "none" => return Vec::new(),
            "string" => self.0.cli(&["GET", key]),
            _ => self.0.cli(&["ZRANGE", key, "0", "-1"]),
        };
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

fn tag(name: &str) -> String {
    if name == "a{b}c" || name == "{a}" { name.to_owned() } else { format!("{{{name}}}") }
}
