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
        let [lock, queue, alive] = keys(name);
        self.all(&[&lock, &queue, &alive])
    }

    fn remove(&self, name: &str, contender: &Contender) {
        for key in keys(name) {
            for entry in self.all(&[&key]).iter().filter(|entry| entry.contains(&contender.place)) {
                match &*self.0.cli(&["TYPE", &key]) {
                    "string" => self.0.cli(&["DEL", &key]),
                    _ => self.0.cli(&["ZREM", &key, entry]),
                };
            }
        }
    }
}

/// All that stands in some keys, in one look.
const ALL: &str = "local all = {}
    for _, key in ipairs(KEYS) do
        local string = redis.call('TYPE', key).ok == 'string'
        local entries = string and { redis.call('GET', key) } or redis.call('ZRANGE', key, 0, -1)
        for _, entry in ipairs(entries) do all[#all + 1] = entry end
    end
    return all";

impl OnRedis {
    fn all(&self, keys: &[&str]) -> Vec<String> {
        let number = keys.len().to_string();
        let said = self.0.cli(&[&["EVAL", ALL, &*number], keys].concat());
        said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

fn keys(name: &str) -> [String; 3] {
    [name.to_owned(), format!("{}/queue", tag(name)), format!("{}/alive", tag(name))]
}

fn tag(name: &str) -> String {
    if name == "a{b}c" || name == "{a}" { name.to_owned() } else { format!("{{{name}}}") }
}
