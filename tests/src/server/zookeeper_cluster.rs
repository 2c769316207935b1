//! An ensemble of ZooKeeper.

use super::cluster::{Cluster, Member};
use super::port;
use super::zookeeper::ZooKeeper;
use super::zookeeper_options::ZooKeeperOptions;

/// An ensemble of ZooKeeper.
pub type ZooKeeperCluster = Cluster<ZooKeeper>;

impl Cluster<ZooKeeper> {
    /// Starts so many.
    ///
    /// # Panics
    ///
    /// When they do not start.
    #[track_caller]
    pub fn start(number: usize) -> Self {
        Self::start_with(number, ZooKeeperOptions::new())
    }

    /// Starts so many.
    ///
    /// # Panics
    ///
    /// When they do not start.
    #[track_caller]
    pub fn start_with(number: usize, options: ZooKeeperOptions) -> Self {
        Self::start_of(move || launch(number, &options))
    }

    /// Where it is: `zookeeper://127.0.0.1:P,127.0.0.1:Q`.
    pub fn url(&self) -> String {
        format!("zookeeper://{}", self.hosts())
    }
}

fn launch(number: usize, options: &ZooKeeperOptions) -> Vec<ZooKeeper> {
    let ports: Vec<_> = (0..number).map(|_| port::free()).collect();
    let line = |(id, port): (usize, &u16)| {
        let (quorum, election) = (port::free(), port::free());
        format!("server.{id}=127.0.0.1:{quorum}:{election};127.0.0.1:{port}")
    };
    let servers: Vec<_> = ports.iter().enumerate().map(line).collect();
    let launch = |(id, port): (usize, &u16)| ZooKeeper::launch(*port, options, id, &servers);
    ports.iter().enumerate().map(launch).collect()
}

impl Member for ZooKeeper {
    fn says_that_it_leads(&self) -> bool {
        self.try_four_letters("srvr").is_some_and(|answer| answer.contains("Mode: leader"))
    }
}
