//! Which locks are meant: the lock directory and the prefix, from the command line, a configuration file or the
//! environment, in this order.

mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockutils::distributed::Backend;
use lockutils::exit::Exit;
use lockutils::{Config, Locks};

use crate::engine::Engine;
use crate::failure::Failure;

/// Where the lock files are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Lock directory")]
pub(crate) struct Directory {
    /// The directory of the lock files [default: that of --config, else `$LOCKUTILS_LOCK_PATH`, else `$OSLO_LOCK_PATH`]
    #[arg(long, value_name = "DIR")]
    lock_path: Option<PathBuf>,

    /// Reads the configuration of a service
    ///
    /// The extension says what it is: the `[lockutils]` table of a TOML file (.toml), the `lockutils` mapping of a YAML
    /// or JSON file (.yaml, .yml, .json), or the `[oslo_concurrency]` group of an oslo file (.conf, .ini), which knows no engines. What it does
    /// not set is unset, except the directory, which is then taken from the environment, as the service does it. A
    /// relative directory is relative to where the command is started, and `~` means nothing in it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The same, and what the names begin with.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Lock directory")]
pub(crate) struct Place {
    #[command(flatten)]
    directory: Directory,

    /// Put before each name, with a hyphen; "" for none [default: that of the configuration]
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
}

impl Place {
    pub(crate) fn locks(&self) -> Result<Locks, Failure> {
        self.locks_and_directory().map(|(locks, _)| locks)
    }

    /// The same, and where their files are.
    pub(crate) fn locks_and_directory(&self) -> Result<(Locks, PathBuf), Failure> {
        let config = self.directory.configuration()?;
        let locks = Locks::new(config.clone())?;
        let directory = locks.lock_path().ok_or_else(Failure::no_directory)?;
        Ok((self.prefixed(locks, config)?, directory))
    }

    /// Those of an engine, which needs no directory.
    pub(crate) fn distributed(&self, engine: &Engine) -> Result<Distributed, Failure> {
        let config = engine.configure(self.directory.configuration()?)?;
        let locks = Locks::new(config.clone())?;
        if locks.lock_path().is_none() && config.backend_url.is_none() {
            return Err(Failure::no_engine());
        }
        if let Some(url) = config.backend_url.as_ref().filter(|url| url.scheme() == "memory") {
            return Err(Failure::engine_of_one_process(url));
        }
        let prefix = self.prefix.as_ref().or(config.lock_file_prefix.as_ref()).cloned().unwrap_or_default();
        let locks = self.prefixed(locks, config)?;
        let backend = locks.backend()?;
        Ok(Distributed { locks, backend, prefix })
    }

    fn prefixed(&self, locks: Locks, config: Config) -> Result<Locks, Failure> {
        let Some(prefix) = &self.prefix else { return Ok(locks) };
        // What was wrong with the rest has been said.
        Locks::new(config.lock_file_prefix(prefix)).map_err(|error| Failure::new(Exit::Usage, error))
    }
}

/// Locks of an engine.
pub(crate) struct Distributed {
    pub(crate) locks: Locks,
    /// `None`: lock files take its place.
    pub(crate) backend: Option<Arc<dyn Backend>>,
    prefix: String,
}

impl Distributed {
    /// The name of a lock as the engine knows it.
    pub(crate) fn full_name(&self, name: &str) -> String {
        let name = name.replace('/', "_");
        match self.prefix.trim_end_matches('-') {
            "" => name,
            prefix => format!("{prefix}-{name}"),
        }
    }
}

impl Directory {
    /// What is configured. The environment speaks only where no file does.
    pub(crate) fn configuration(&self) -> Result<Config, Failure> {
        // Whoever runs a command wants other processes to be kept out.
        Ok(self.said()?.disable_process_locking(false))
    }

    /// The same, with all that was said.
    pub(crate) fn said(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(file) => file::read(file)?,
            None => Config::from_env(),
        };
        if let Some(path) = &self.lock_path {
            config = config.lock_path(path);
        }
        Ok(config.or_environment())
    }

    /// Who has said which directory it is. `None`: nobody.
    pub(crate) fn source(&self) -> Result<Option<Source<'_>>, Failure> {
        let is_set =
            |config: &Config| config.lock_path.as_ref().is_some_and(|path| !path.as_os_str().is_empty());
        Ok(match &self.config {
            _ if self.lock_path.is_some() => Some(Source::Argument),
            Some(file) if is_set(&file::read(file)?) => Some(Source::File(file)),
            _ => ["LOCKUTILS_LOCK_PATH", "OSLO_LOCK_PATH"]
                .into_iter()
                .find(is_in_environment)
                .map(Source::Environment),
        })
    }

    /// Who has said which engine it is. `None`: nobody.
    pub(crate) fn source_of(&self, engine: &Engine) -> Result<Option<Source<'_>>, Failure> {
        Ok(match &self.config {
            _ if engine.has_url() => Some(Source::Argument),
            Some(file) if file::read(file)?.backend_url.is_some() => Some(Source::File(file)),
            _ => Some("LOCKUTILS_BACKEND_URL").filter(is_in_environment).map(Source::Environment),
        })
    }
}

fn is_in_environment(key: &&'static str) -> bool {
    std::env::var_os(key).is_some_and(|value| !value.is_empty())
}

/// Who has said where the lock files are, or the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    Argument,
    File(&'a Path),
    /// The variable.
    Environment(&'static str),
}
