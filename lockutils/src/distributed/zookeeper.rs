//! Locks that a ZooKeeper ensemble keeps: with the nodes of kazoo's recipes, or those of Curator's.
//!
//! A lock is a directory, and each contender has a node with a number in it. Who has the smallest holds the lock; the others
//! watch the one that they wait for. The nodes go with the session of their client.

mod ahead;
mod beats;
mod core;
mod either;
mod enter;
mod held;
mod hold;
mod layout;
mod look;
mod name;
mod node;
mod options;
mod permits;
mod place;
mod probe;
mod problem;
mod rules;
mod session;
mod task;
#[cfg_attr(not(feature = "tls"), path = "zookeeper/no_tls.rs")]
mod tls;
mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::core::Core;
use self::held::Held;
use self::layout::Layout;
use self::options::Options;
use self::task::{lasting_task, task};
use super::open::Settings;
use super::{Answer, Backend, Caller, Contender, Entered, Failure, Grant, Promise, Promises, Request};
use crate::error::Error;

/// One client.
struct ZooKeeper {
    core: Arc<Core>,
    location: String,
}

pub(super) fn open(settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    let options = Options::read(settings)?;
    Ok(Arc::new(ZooKeeper { core: Core::new(options), location: settings.url.to_string() }))
}

const ALWAYS: [Promise; 9] = [
    Promise::Linearizable,
    Promise::Fenced,
    Promise::SurvivesFailover,
    Promise::ArrivalOrder,
    Promise::Leased,
    Promise::Wakes,
    Promise::Expires,
    Promise::Persists,
    Promise::Contenders,
];

impl Backend for ZooKeeper {
    fn promises(&self) -> Promises {
        let mut promises = ALWAYS.to_vec();
        match self.core.options.layout {
            Layout::Kazoo => promises.extend([Promise::Readers, Promise::Permits]),
            Layout::CuratorReadWrite => promises.push(Promise::Readers),
            Layout::Curator => {}
        }
        Promises::of(&promises)
    }

    fn location(&self) -> &str {
        &self.location
    }

    fn enter(&self, request: Request) -> Answer<Entered> {
        self.run(|core| enter::enter(core, request))
    }

    fn release(&self, grant: Arc<Grant>, _: Caller) -> Answer<()> {
        let core = Arc::clone(&self.core);
        match self.core.runtime() {
            Ok(runtime) => lasting_task(runtime, async move { held(&grant)?.release(&core).await }),
            Err(failure) => failed(failure),
        }
    }

    fn verify(&self, grant: Arc<Grant>, _: Caller) -> Answer<()> {
        self.run(|core| async move { held(&grant)?.verify(&core).await })
    }

    fn extend(&self, grant: Arc<Grant>, length: Duration, _: Caller) -> Answer<()> {
        self.run(move |core| async move { held(&grant)?.extend(&core, length).await })
    }

    fn contenders(&self, request: Request) -> Answer<Vec<Contender>> {
        self.run(|core| look::contenders(core, request))
    }

    fn destroy(&self, request: Request) -> Answer<()> {
        self.run(|core| look::destroy(core, request))
    }

    /// The hosts and the directory: the ensemble has no name of its own that its clients could see.
    fn cluster(&self, _: Caller) -> Answer<String> {
        let mut hosts: Vec<_> = self.core.options.hosts.split(',').collect();
        hosts.sort_unstable();
        let root = &self.core.options.root;
        Box::pin(std::future::ready(Ok(format!("{}{root}", hosts.join(",")))))
    }

    fn settled(&self) -> Answer<()> {
        let background = Arc::clone(&self.core.background);
        Box::pin(async move {
            background.settled().await;
            Ok(())
        })
    }

    fn close(&self) {
        self.core.close();
    }
}

impl ZooKeeper {
    /// Does something on the runtime of the engines.
    fn run<T: Send + 'static, F>(&self, work: impl FnOnce(Arc<Core>) -> F) -> Answer<T>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        match self.core.runtime() {
            Ok(runtime) => task(runtime, work(Arc::clone(&self.core))),
            Err(failure) => failed(failure),
        }
    }
}

fn held(grant: &Grant) -> Result<&Held, Failure> {
    grant.place().ok_or_else(|| Failure::other("the lock was granted by another engine"))
}

fn failed<T: Send + 'static>(failure: Failure) -> Answer<T> {
    Box::pin(std::future::ready(Err(failure)))
}

impl fmt::Debug for ZooKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooKeeper").field("location", &self.location).finish_non_exhaustive()
    }
}
