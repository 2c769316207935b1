//! The engine in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use lockutils::distributed::{self, Backend, BackendUrl, Request, Share};

use super::Engine;
use super::bench::By;
use super::client::Client;
use super::closing::known_first;
use super::drive::answer;

/// A space that no other test has.
pub(crate) struct Memory {
    url: BackendUrl,
    /// The space lasts as long as somebody uses it.
    watcher: Arc<dyn Backend>,
}

impl Memory {
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let text = format!("memory:contract-{}", NEXT.fetch_add(1, Relaxed));
        let url = BackendUrl::parse(&text).expect("a URL");
        Self { watcher: connect(&url), url }
    }
}

fn connect(url: &BackendUrl) -> Arc<dyn Backend> {
    distributed::connect(url, TTL).expect("it is in every build")
}

const TTL: Duration = Duration::from_millis(500);

/// As many as it takes to hit a gap of a microsecond.
const ROUNDS: usize = 1000;

impl Engine for Memory {
    fn connect(&self) -> Arc<dyn Backend> {
        connect(&self.url)
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    fn residue(&self, name: &str) -> Vec<String> {
        // It has no other door.
        let contenders = answer(self.watcher.contenders(Request::new(name, Share::Write)));
        contenders.expect("it can be reached").iter().map(|contender| format!("{contender:?}")).collect()
    }
}

/// Elsewhere it may take until the next sign of life that a holder knows of what others have destroyed. Here it need not.
#[test]
fn at_no_moment_do_two_have_it() {
    let engine = Memory::start();
    let client = || Client::new(engine.connect(), By::Task);
    let comer = client();
    for _ in 0..ROUNDS {
        let holder = client();
        let grant = holder.take("lock", Share::Write);
        known_first(&grant, &comer, "lock", || comer.destroy("lock", Share::Write));
        let grant = holder.take("lock", Share::Write);
        known_first(&grant, &comer, "lock", || holder.backend.close());
    }
}
