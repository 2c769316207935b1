//! Our side.

use std::time::Duration;

use lockutils::{Config, Lock, Locks};

use crate::Result;

/// The locks of a client of its own.
pub(crate) fn locks(url: &str) -> Result<Locks> {
    Ok(Locks::new(Config::new().backend_url(url).session_ttl(Duration::from_secs(10)))?)
}

pub(crate) fn cycle(lock: &Lock) -> Result<()> {
    Ok(lock.acquire()?.release()?)
}

pub(crate) async fn cycle_async(lock: &Lock) -> Result<()> {
    Ok(lock.acquire_async().await?.release_async().await?)
}
