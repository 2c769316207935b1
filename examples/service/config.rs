//! What is configured: a section of the service's own, and one of its locks.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) lockutils: lockutils::Config,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// The directory of the volumes.
    pub(crate) data: PathBuf,
    #[serde(deserialize_with = "duration")]
    pub(crate) grace: Duration,
}

impl Config {
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let wrong = |error: &dyn Error| format!("configuration {}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        Ok(toml::from_str(&text).map_err(|error| wrong(&error))?)
    }
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text).map_err(serde::de::Error::custom)
}
