//! The engine on a ZooKeeper server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use lockutils::distributed::{self, Backend, BackendUrl, Contender};
use lockutils_tests::server;

use super::Engine;
use crate::zookeeper::intruder;

/// A directory of the server that all cases share.
pub(crate) struct ZooKeeper {
    server: &'static server::ZooKeeper,
    root: String,
}

impl ZooKeeper {
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let root = format!("/contract/{}", NEXT.fetch_add(1, Relaxed));
        Self { server: server::ZooKeeper::shared(), root }
    }

    fn children(&self, path: &str) -> Vec<String> {
        let names = self.server.ls(path).unwrap_or_default();
        names.into_iter().map(|name| format!("{path}/{name}")).collect()
    }
}

const TTL: Duration = Duration::from_secs(3);

impl Engine for ZooKeeper {
    fn connect(&self) -> Arc<dyn Backend> {
        // The machine may be busy.
        let url = format!("{}{}?request_timeout=20s", self.server.url(), self.root);
        let url = BackendUrl::parse(&url).expect("a URL");
        distributed::connect(&url, TTL).expect("it is in this build")
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    fn longest(&self) -> Duration {
        TTL
    }

    fn residue(&self, name: &str) -> Vec<String> {
        let directory = format!("{}/{}", self.root, step(name));
        let mut residue = self.children(&directory);
        residue.extend(self.children(&format!("{directory}-__lock__")));
        residue
    }

    fn end_session(&self, _: &str, contender: &Contender) {
        let node = self.server.get(&contender.place).expect("it is there");
        intruder::end(self.server.port(), node.owner);
    }

    fn remove(&self, _: &str, contender: &Contender) {
        assert!(self.server.delete(&contender.place), "it is there");
    }
}

/// What the directory of a name is called: the names of the cases that cannot stand for themselves.
fn step(name: &str) -> &str {
    match name {
        "🔒" => "%F0%9F%94%92",
        "a%2Fb" => "a%252Fb",
        "%61" => "%2561",
        "a-__lock__" => "a-__lock_%5F",
        name => name,
    }
}
