//! Which engine keeps distributed locks: from the command line, a configuration file or the environment, in this order.

use std::time::Duration;

use lockutils::Config;
use lockutils::distributed::{BackendUrl, Promise};
use lockutils::exit::Exit;

use crate::failure::Failure;

/// Where the engine is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Distributed locks")]
pub(crate) struct Engine {
    /// Where the engine is, as redis://HOST, etcd://HOST,HOST,HOST or zookeeper://HOST/PATH [default: the `backend_url`
    /// of --config, else `$LOCKUTILS_BACKEND_URL`]
    ///
    /// Every user of the host can see the command line, by ps(1): a password belongs into the environment, or into the
    /// file of --config.
    #[arg(long, value_name = "URL")]
    backend_url: Option<String>,

    /// How long the engine keeps the lock when it hears nothing any more [default: the `session_ttl` of the configuration,
    /// else 10s]
    ///
    /// It hears three times as often that the lock is still held. Shorter, and the lock of a host that has died is free sooner;
    /// longer, and it survives a longer interruption.
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    session_ttl: Option<Duration>,
}

impl Engine {
    /// The first of its options that was said.
    pub(crate) fn said(&self) -> Option<&'static str> {
        let url = self.backend_url.as_ref().map(|_| "--backend-url");
        url.or(self.session_ttl.map(|_| "--session-ttl"))
    }

    /// Whether the URL stands on the command line.
    pub(crate) fn has_url(&self) -> bool {
        self.backend_url.is_some()
    }

    /// What is configured, and what was said here before that.
    pub(crate) fn configure(&self, mut config: Config) -> Result<Config, Failure> {
        if let Some(url) = &self.backend_url {
            BackendUrl::parse(url).map_err(|error| Failure::new(Exit::Usage, error))?;
            config = config.backend_url(url);
        }
        Ok(match self.session_ttl {
            Some(ttl) => config.session_ttl(ttl),
            None => config,
        })
    }
}

/// Options that mean nothing where no lock is distributed must not be passed over: they were meant.
pub(crate) fn needs_distributed(option: Option<&str>) -> Result<(), Failure> {
    option.map_or(Ok(()), |option| {
        Err(Failure::new(Exit::Usage, format_args!("{option} is for distributed locks; add --distributed")))
    })
}

/// The promises of engines, as they are called on the command line.
pub(crate) const PROMISES: [(&str, Promise); Promise::ALL.len()] = [
    ("linearizable", Promise::Linearizable),
    ("fenced", Promise::Fenced),
    ("survives-failover", Promise::SurvivesFailover),
    ("arrival-order", Promise::ArrivalOrder),
    ("leased", Promise::Leased),
    ("wakes", Promise::Wakes),
    ("readers", Promise::Readers),
    ("permits", Promise::Permits),
    ("expires", Promise::Expires),
    ("persists", Promise::Persists),
    ("contenders", Promise::Contenders),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_has_a_word() {
        for promise in Promise::ALL {
            let words = PROMISES.iter().filter(|(_, known)| *known == promise);
            let words: Vec<String> = words.map(|(word, _)| word.replace('-', "")).collect();
            assert_eq!(words, [format!("{promise:?}").to_lowercase()]);
        }
    }
}
