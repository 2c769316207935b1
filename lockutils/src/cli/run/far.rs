//! How far the locks of `run` reach: this host, or all that share an engine.

use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use lockutils::distributed::Promise;
use lockutils::{Lock, LockAll, Locks};

use crate::engine::{Engine, PROMISES, needs_distributed};
use crate::failure::Failure;
use crate::place::{Distributed, Place};

/// Which locks are distributed, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Distributed locks")]
pub(super) struct Far {
    /// Excludes all hosts that share an engine: Redis, etcd or ZooKeeper
    ///
    /// Without an engine, lock files of this host take its place, and exclude nobody on other hosts: --require and --expires
    /// are refused then. Nobody but `lockutils` keeps the lock, so the command is
    /// killed with it if that is killed (SIGKILL), though not what it has started itself. If both are stopped for longer
    /// than --session-ttl, the lock is lost. One that is ended while it waits may hold the others up as long.
    #[arg(long)]
    distributed: bool,

    /// Beside --distributed: takes the lock file too, for those of this host who take nothing else
    #[arg(long)]
    external: bool,

    #[command(flatten)]
    engine: Engine,

    /// Loses the lock after this time, and so ends the command, however well it goes
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse_some)]
    expires: Option<Duration>,

    /// Who has the lock, for others to see [default: HOST/PID/lockutils]
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    identifier: Option<String>,

    /// Takes the lock only from an engine that promises this; say it once for each promise
    #[arg(long, value_name = "PROMISE", value_parser = promise())]
    require: Vec<Promise>,
}

fn promise() -> impl TypedValueParser<Value = Promise> {
    let find = |word: String| PROMISES.iter().find(|(known, _)| *known == word).map(|(_, promise)| *promise);
    PossibleValuesParser::new(PROMISES.map(|(word, _)| word))
        .try_map(move |word| find(word).ok_or("there is no such promise"))
}

/// For a lock and for several of them: their options are the same, and their types are not.
macro_rules! reaching {
    ($lock:expr, $far:expr) => {{
        let (mut lock, far) = ($lock, $far);
        if far.external || !far.distributed {
            lock = lock.external();
        }
        if far.distributed {
            lock = lock.distributed();
        }
        if let Some(after) = far.expires {
            lock = lock.expires(after);
        }
        if let Some(identifier) = &far.identifier {
            lock = lock.identifier(identifier);
        }
        far.require.iter().fold(lock, |lock, promise| lock.require(*promise))
    }};
}

impl Far {
    /// The registry, and whether an engine keeps its locks.
    pub(super) fn locks(&self, place: &Place) -> Result<(Locks, bool), Failure> {
        if !self.distributed {
            needs_distributed(self.said())?;
            return Ok((place.locks()?, false));
        }
        let Distributed { locks, backend, .. } = place.distributed(&self.engine)?;
        if self.external && locks.lock_path().is_none() {
            return Err(Failure::no_directory());
        }
        Ok((locks, backend.is_some()))
    }

    /// The first option that was said for distributed locks.
    fn said(&self) -> Option<&'static str> {
        let said = [
            (self.expires.is_some(), "--expires"),
            (self.identifier.is_some(), "--identifier"),
            (!self.require.is_empty(), "--require"),
        ];
        self.engine.said().or(said.into_iter().find(|(is_said, _)| *is_said).map(|(_, option)| option))
    }

    pub(super) fn reach(&self, lock: Lock) -> Lock {
        reaching!(lock, self)
    }

    pub(super) fn reach_all(&self, all: LockAll) -> LockAll {
        reaching!(all, self)
    }
}
