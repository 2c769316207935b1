//! etcd.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use lockutils::distributed::{self, Backend, BackendUrl, Contender};
use lockutils_tests::server;

use super::Engine;

/// One server for all, and keys that no other test has.
pub(crate) struct Etcd {
    base: String,
}

/// One second is as short as leases get, and would be too short on a busy machine.
const TTL: Duration = Duration::from_secs(2);

impl Etcd {
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { base: format!("contract/{}", NEXT.fetch_add(1, Relaxed)) }
    }

    fn server() -> &'static server::Etcd {
        server::Etcd::shared()
    }
}

impl Engine for Etcd {
    fn connect(&self) -> Arc<dyn Backend> {
        // Sessions are short, and the machine may be busy.
        let url = format!("{}/{}?request_timeout=5s", Self::server().url(), self.base);
        let url = BackendUrl::parse(&url).expect("a URL");
        distributed::connect(&url, TTL).expect("it is in this build")
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    fn residue(&self, name: &str) -> Vec<String> {
        Self::server().keys(&format!("{}/{name}/", self.base))
    }

    fn end_session(&self, _: &str, contender: &Contender) {
        let place = contender.place.rsplit('/').next().expect("a key");
        let lease = place.split('-').next().expect("a lease");
        Self::server().ctl(&["lease", "revoke", lease]);
    }

    fn remove(&self, _: &str, contender: &Contender) {
        assert_eq!(Self::server().ctl(&["del", &contender.place]), "1");
    }
}
