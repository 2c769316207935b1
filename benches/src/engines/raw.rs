//! What a client of an engine does at the least: by the libraries that ours is made of, and nothing else.

mod etcd;
mod etcd_rpc;
mod redis;
mod zookeeper;

use crate::{Engine, Result};

/// One lock, or what others watch for, by the calls of a client library.
pub(crate) trait Raw {
    /// Takes the lock, which must be free.
    fn take(&mut self) -> Result<()>;

    /// Lets it go.
    fn free(&mut self) -> Result<()>;

    /// Is told of the next change of something as soon as there is one: what it gives waits for that.
    fn watch(&mut self) -> Result<Box<dyn FnOnce() -> Result<()> + '_>>;

    /// Makes the change that others are told of.
    fn tell(&mut self) -> Result<()>;
}

/// A client with a connection of its own.
pub(crate) fn connect(engine: Engine, url: &str) -> Result<Box<dyn Raw>> {
    Ok(match engine {
        Engine::Redis => Box::new(redis::Redis::connect(url)?),
        Engine::Etcd => Box::new(etcd::Etcd::connect(url)?),
        Engine::ZooKeeper => Box::new(zookeeper::ZooKeeper::connect(url)?),
    })
}

/// A runtime of this thread alone: nothing goes to another thread and back.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
