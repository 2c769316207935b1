//! Locks that all hosts of a cluster share: the contract of the engines that keep them.
//!
//! Nobody needs this module to take a lock: [`Lock::distributed`](crate::Lock::distributed) does, and the configuration
//! says which engine ([`Config::backend_url`](crate::Config::backend_url)). It is for those who want to know what an engine
//! promises, who bring an engine of their own, or who look at leases.
//!
//! | URL | engine | feature |
//! |---|---|---|
//! | `file:///run/nova`, or none | the [external](crate::Lock::external) locks of this host | |
//! | `memory:`, `memory:name` | all registries of this process that name it: for tests | |
//! | `redis://…`, `rediss://…`, `redis+sentinel://…` | Redis | `redis` |
//! | `etcd://…`, `etcds://…` | etcd | `etcd` |
//! | `zookeeper://…`, `zookeepers://…` | ZooKeeper | `zookeeper` |
//!
//! Lock files know nothing of [`expires`](crate::Lock::expires), [`ephemeral(false)`](crate::Lock::ephemeral) and
//! [`contender_pattern`](crate::Lock::contender_pattern): these are errors there. What they promise is said at
//! [`Lock::require`](crate::Lock::require).
//!
//! # How a lock is held
//!
//! A [`Backend`] is one client of an engine, with one identity there. It enters the queue of a lock, is
//! [granted](Grant) it, and keeps the [`Lease`] of the grant alive in the background. The lease has a deadline of its own:
//! when the last request that the engine has confirmed was *sent*, plus the time that the engine grants, less a hundredth for
//! clocks that do not run at one speed, on a clock that goes on while the system sleeps. So a holder knows that its lock is lost
//! before the engine gives it to somebody else, whether or not it can reach the engine. A lease that has been lost stays lost.

mod backend;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
mod background;
mod contender;
#[cfg(all(feature = "tls", any(feature = "redis", feature = "zookeeper")))]
mod crypto;
mod engine;
mod engine_lock;
#[cfg(feature = "etcd")]
mod etcd;
mod failure;
mod grant;
mod hold;
mod lease;
mod leaving;
mod memory;
mod moment;
mod open;
#[cfg(all(feature = "tls", any(feature = "redis", feature = "etcd", feature = "zookeeper")))]
mod pem;
mod promise;
#[cfg(feature = "redis")]
mod redis;
mod request;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
mod runtime;
mod url;
mod watch;
#[cfg(feature = "zookeeper")]
mod zookeeper;

pub use self::backend::{Answer, Backend};
pub use self::contender::Contender;
pub(crate) use self::engine::Engine;
pub(crate) use self::engine_lock::EngineLock;
pub use self::failure::Failure;
pub use self::grant::{Entered, Grant};
pub(crate) use self::hold::EngineHold;
pub(crate) use self::lease::OnLoss;
pub use self::lease::{Lease, Loss};
pub use self::moment::Moment;
pub use self::open::connect;
pub(crate) use self::open::{SESSION_TTL, check_ttl};
pub use self::promise::{Promise, Promises};
pub use self::request::{Caller, Request, Share};
pub use self::url::BackendUrl;
