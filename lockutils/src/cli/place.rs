//! Which locks are meant: the lock directory and the prefix, from the command line, a configuration file or the
//! environment, in this order.

use std::fs;
use std::path::{Path, PathBuf};

use lockutils::exit::Exit;
use lockutils::{Config, Locks};
use serde::Deserialize;

use crate::failure::Failure;

/// Where the lock files are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Lock directory")]
pub(crate) struct Directory {
    /// The directory of the lock files [default: that of --config, else $LOCKUTILS_LOCK_PATH, else $OSLO_LOCK_PATH]
    #[arg(long, value_name = "DIR")]
    lock_path: Option<PathBuf>,

    /// Reads the configuration of a service
    ///
    /// The `[lockutils]` table of a TOML file, the `lockutils` mapping of a YAML file (.yaml, .yml), or the
    /// `[oslo_concurrency]` group of an oslo file (.conf, .ini).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The same, and what the names begin with.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Lock directory")]
pub(crate) struct Place {
    #[command(flatten)]
    directory: Directory,

    /// Put before each name, with a hyphen [default: that of the configuration]
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
}

impl Place {
    pub(crate) fn locks(&self) -> Result<Locks, Failure> {
        let mut config = self.directory.configuration()?;
        if let Some(prefix) = &self.prefix {
            config = config.lock_file_prefix(prefix);
        }
        Ok(Locks::new(config)?)
    }
}

impl Directory {
    /// What is configured. The environment speaks only where no file does.
    pub(crate) fn configuration(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(file) => read(file)?,
            None => Config::from_env(),
        };
        if let Some(path) = &self.lock_path {
            config = config.lock_path(path);
        } else if config.lock_path.is_none() {
            config.lock_path = Config::from_env().lock_path;
        }
        // Whoever runs a command wants other processes to be kept out.
        Ok(config.disable_process_locking(false))
    }
}

/// A file of which one section is ours.
#[derive(Deserialize)]
struct Service {
    lockutils: Option<Config>,
}

fn read(file: &Path) -> Result<Config, Failure> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    if matches!(extension, Some("conf" | "ini")) {
        return Ok(Config::from_oslo_ini(file)?);
    }
    let text = fs::read_to_string(file).map_err(|error| Failure::io("read", file, &error))?;
    let service: Service = match extension {
        Some("yaml" | "yml") => serde_saphyr::from_str(&text).map_err(|error| unusable(file, &error))?,
        _ => toml::from_str(&text).map_err(|error| unusable(file, &error))?,
    };
    service.lockutils.ok_or_else(|| {
        let why = "it has no section `lockutils`; write one, with `lock_path` in it";
        Failure::new(Exit::Config, format_args!("cannot use {}: {why}", file.display()))
    })
}

/// Parsers draw pictures of several lines; the first ones say where and the last ones what.
fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains('|'));
    let line = lines.collect::<Vec<_>>().join(": ");
    Failure::new(Exit::Config, format_args!("cannot use {}: {line}", file.display()))
}
