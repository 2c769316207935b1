//! Distributed locks beside raw clients of the same engines, and beside redis-py and kazoo:
//! `cargo run --release -p lockutils-benches --features engines --bin engines -- [rounds]`, after `tests/install`.
//!
//! It starts Redis, etcd and ZooKeeper on this machine. What is compared takes turns, so that what else the machine does is
//! the same for all; only ratios within a run count. ZooKeeper leaves it to the kernel when to write to the disk, as it does in
//! the tests: so the client's own part shows.
//!
//! A thread that is woken up on another CPU is there three to four times as late as one on the same, which hides what clients
//! of Redis cost: `taskset -c 0` in front of it keeps all on one. For the hand-off two are better. A second argument, `trips`,
//! `uncontended` or `hand-off`, measures only that.

mod hand_off;
mod ours;
mod peer;
mod raw;
mod round_trips;
mod shown;
mod uncontended;
mod waiter;

use lockutils_tests::server::{Etcd, Redis, ZooKeeper, ZooKeeperOptions};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What keeps the locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Redis,
    Etcd,
    ZooKeeper,
}

impl Engine {
    const ALL: [Self; 3] = [Self::Redis, Self::Etcd, Self::ZooKeeper];

    fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Etcd => "etcd",
            Self::ZooKeeper => "ZooKeeper",
        }
    }

    /// The one of this URL.
    fn of(url: &str) -> Result<Self> {
        let scheme = url.split("://").next().unwrap_or_default();
        let known = Self::ALL.into_iter().find(|engine| engine.name().eq_ignore_ascii_case(scheme));
        known.ok_or_else(|| format!("no engine has the URL {url}").into())
    }
}

/// Those that were started.
struct Servers {
    redis: Redis,
    etcd: Etcd,
    zookeeper: ZooKeeper,
}

impl Servers {
    fn start() -> Self {
        // Sessions as long as in production, 4 to 40 s.
        let zookeeper = ZooKeeper::start_with(ZooKeeperOptions::new().tick(2000));
        Self { redis: Redis::start(), etcd: Etcd::start(), zookeeper }
    }

    fn port(&self, engine: Engine) -> u16 {
        match engine {
            Engine::Redis => self.redis.port(),
            Engine::Etcd => self.etcd.port(),
            Engine::ZooKeeper => self.zookeeper.port(),
        }
    }

    fn url(&self, engine: Engine) -> String {
        match engine {
            Engine::Redis => self.redis.url(),
            Engine::Etcd => self.etcd.url(),
            Engine::ZooKeeper => self.zookeeper.url(),
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [role, way, url] = arguments.as_slice()
        && role == "waiter"
    {
        return waiter::run(way, url);
    }
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(21);
    let only = arguments.get(1).map(String::as_str);
    let servers = Servers::start();
    if only.is_none_or(|only| only == "trips") {
        round_trips::show(&servers)?;
    }
    if only.is_none_or(|only| only == "uncontended") {
        uncontended::show(&servers, rounds)?;
    }
    if only.is_none_or(|only| only == "hand-off") {
        hand_off::show(&servers, rounds)?;
    }
    Ok(())
}
