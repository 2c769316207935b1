//! A Redis server with a replica, and sentinels that watch over them.

use std::time::Duration;

use super::redis::Redis;
use super::redis_options::RedisOptions;
use crate::wait::eventually;

/// The name by which the sentinels know the master.
const NAME: &str = "mymaster";

/// How many sentinels there are; two must agree.
const SENTINELS: usize = 3;

/// A master, its replica and three sentinels, which make the replica the master a second after the master is gone.
pub struct RedisReplicated {
    nodes: [Redis; 2],
    sentinels: Vec<Redis>,
}

impl RedisReplicated {
    /// Starts them. They keep nothing on disk.
    ///
    /// # Panics
    ///
    /// When they do not start, or do not find each other.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(RedisOptions::new())
    }

    /// Starts them; master and replica have these options.
    ///
    /// # Panics
    ///
    /// When they do not start, or do not find each other.
    #[track_caller]
    pub fn start_with(options: RedisOptions) -> Self {
        let master = Redis::start_with(options.clone());
        let replica = Redis::start_with(options.replica_of(&master));
        let sentinels = (0..SENTINELS).map(|_| sentinel(&master)).collect();
        let started = Self { nodes: [master, replica], sentinels };
        started.wait_until_linked();
        eventually("the sentinels know each other and the replica", || {
            started.sentinels.iter().all(knows_all)
        });
        started
    }

    /// Where the sentinels are: `redis+sentinel://127.0.0.1:P,127.0.0.1:Q,127.0.0.1:R/mymaster/0`.
    pub fn sentinel_url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port())).collect();
        format!("redis+sentinel://{}{}/{NAME}/0", self.nodes[0].credentials(), hosts.join(","))
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// The master, by what the sentinels say.
    ///
    /// # Panics
    ///
    /// When they say nothing.
    #[track_caller]
    pub fn master(&self) -> &Redis {
        &self.nodes[self.number_of_the_master()]
    }

    /// The other one.
    ///
    /// # Panics
    ///
    /// When the sentinels say nothing.
    #[track_caller]
    pub fn replica(&self) -> &Redis {
        &self.nodes[1 - self.number_of_the_master()]
    }

    /// Kills the master, unless it is dead or frozen, and waits until the replica has become it; returns the new one.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    #[track_caller]
    pub fn promote(&self) -> &Redis {
        let old = self.number_of_the_master();
        if !self.nodes[old].is_frozen() {
            self.nodes[old].kill();
        }
        self.wait_for_master(1 - old)
    }

    /// Has the sentinels exchange the two, both of which are well; returns the new master.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    #[track_caller]
    pub fn fail_over(&self) -> &Redis {
        let old = self.number_of_the_master();
        // Who has not heard of the replica's state lately refuses for a moment.
        eventually("a sentinel begins", || {
            self.sentinels[0].try_cli(&["SENTINEL", "FAILOVER", NAME]).is_ok_and(|said| said == "OK")
        });
        self.wait_for_master(1 - old)
    }

    /// Starts the one again that is not the master, as its replica: the sentinels would see to that too, after some seconds.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn rejoin(&self) {
        let replica = self.replica();
        replica.restart();
        replica.cli(&["REPLICAOF", "127.0.0.1", &self.master().port().to_string()]);
        self.wait_until_linked();
    }

    /// Waits until the replica has everything that the master has, and hears more.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    #[track_caller]
    pub fn wait_until_linked(&self) {
        eventually("the replica is linked to the master", || {
            self.nodes.iter().any(|node| {
                node.try_cli(&["INFO", "replication"])
                    .is_ok_and(|said| said.contains("role:slave") && said.contains("master_link_status:up"))
            })
        });
    }

    #[track_caller]
    fn wait_for_master(&self, number: usize) -> &Redis {
        let node = &self.nodes[number];
        eventually("the replica becomes the master", || {
            std::thread::sleep(Duration::from_millis(20));
            let alive = self.sentinels.iter().filter(|one| one.is_alive() && !one.is_frozen());
            let mut all = alive.map(master_by);
            all.all(|port| port == Some(node.port()))
                && node.try_cli(&["ROLE"]).is_ok_and(|said| said.starts_with("master"))
        });
        node
    }

    #[track_caller]
    fn number_of_the_master(&self) -> usize {
        let port = self.sentinels.iter().filter(|one| one.is_alive() && !one.is_frozen()).find_map(master_by);
        let port = port.expect("a sentinel knows the master");
        self.nodes.iter().position(|node| node.port() == port).expect("it is one of the two")
    }
}

/// One that looks at the others more often than every ten seconds. It makes a replica again of whom it does not know as the
/// master for four periods of publishing: these are left long enough for the others to hear of a new one.
#[track_caller]
fn sentinel(master: &Redis) -> Redis {
    let sentinel = Redis::start_with(RedisOptions::sentinel(NAME, master));
    sentinel.cli(&[
        "SENTINEL",
        "DEBUG",
        "INFO-PERIOD",
        "200",
        "PUBLISH-PERIOD",
        "1000",
        "PING-PERIOD",
        "200",
    ]);
    sentinel
}

/// The port of the master, by what a sentinel says.
fn master_by(sentinel: &Redis) -> Option<u16> {
    let said = sentinel.try_cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).ok()?;
    said.lines().nth(1)?.parse().ok()
}

fn knows_all(sentinel: &Redis) -> bool {
    let Ok(said) = sentinel.try_cli(&["SENTINEL", "MASTER", NAME]) else { return false };
    let lines: Vec<_> = said.lines().collect();
    let has = |key: &str, value: &str| lines.windows(2).any(|pair| pair == [key, value]);
    has("num-slaves", "1") && has("num-other-sentinels", &(SENTINELS - 1).to_string())
}
