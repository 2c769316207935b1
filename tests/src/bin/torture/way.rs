//! How a worker takes the lock of its protocol, and what it holds then.

use std::io;
use std::path::{Path, PathBuf};

use lockutils::LockGuard;
use rand::Rng;
use rand::rngs::StdRng;

use crate::library::{NAME, Taker};
use crate::life::Life;
use crate::planted;
use crate::protocol::Protocol;

/// How a worker takes the lock.
pub(crate) enum Way {
    /// By this crate.
    Ours(Box<Taker>),
    /// By a planted protocol, on this file.
    Other(Protocol, PathBuf),
}

/// The lock, alone or shared.
pub(crate) enum Held {
    /// Taken by this crate.
    Ours(LockGuard),
    /// Taken by a planted protocol.
    Other(planted::Held),
}

impl Held {
    /// Whether others may have it too.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Ours(guard) => guard.is_shared(),
            Self::Other(held) => held.is_shared(),
        }
    }

    /// Its fencing token, or 0.
    pub(crate) fn token(&self) -> u64 {
        match self {
            Self::Ours(guard) => guard.fencing_token(),
            Self::Other(_) => 0,
        }
    }

    /// Shares it from now on, where the protocol knows how.
    pub(crate) fn downgrade(self) -> io::Result<Self> {
        match self {
            Self::Ours(guard) => Ok(Self::Ours(guard.downgrade()?)),
            Self::Other(_) => Ok(self),
        }
    }
}

impl Way {
    /// What is random about it stays so.
    pub(crate) fn new(protocol: Protocol, directory: &Path, random: &mut StdRng) -> io::Result<Self> {
        if protocol.is_ours() {
            return Ok(Self::Ours(Taker::new(protocol, directory, random)?.into()));
        }
        Ok(Self::Other(protocol, directory.join(NAME)))
    }

    /// That of another thread of the same process.
    pub(crate) fn another(&self, random: &mut StdRng) -> Self {
        match self {
            Self::Ours(taker) => Self::Ours(taker.another(random).into()),
            Self::Other(protocol, path) => Self::Other(*protocol, path.clone()),
        }
    }

    /// Waits for the lock.
    pub(crate) fn take(&mut self, life: &Life, random: &mut StdRng) -> io::Result<Held> {
        match self {
            Self::Ours(taker) => taker.take(life, random).map(Held::Ours),
            Self::Other(protocol, path) => {
                let reads = protocol.has_readers() && random.random();
                planted::take(*protocol, path, reads).map(Held::Other)
            }
        }
    }

    /// Waits for the lock in a task, where the protocol knows how.
    pub(crate) async fn take_async(&mut self, life: &Life, random: &mut StdRng) -> io::Result<Held> {
        match self {
            Self::Ours(taker) => taker.take_async(life, random).await.map(Held::Ours),
            Self::Other(..) => self.take(life, random),
        }
    }

    /// Lets go.
    pub(crate) fn release(&self, held: Held) -> io::Result<()> {
        match (self, held) {
            (_, Held::Ours(guard)) => Ok(guard.release()?),
            (Self::Other(protocol, path), Held::Other(held)) => planted::release(*protocol, path, held),
            (Self::Ours(_), Held::Other(_)) => unreachable!("each way has what it has taken"),
        }
    }
}
