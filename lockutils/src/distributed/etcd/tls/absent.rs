//! This build has no TLS.

use tonic::transport::Endpoint;

use crate::distributed::BackendUrl;
use crate::distributed::open::wrong;
use crate::error::Error;

/// The keys of a URL that it has.
pub(crate) const KEYS: &[&str] = &[];

/// Nothing.
#[derive(Debug)]
pub(crate) enum Config {}

pub(crate) fn of(url: &BackendUrl) -> Result<Option<Config>, Error> {
    match url.scheme() {
        "etcds" => Err(wrong("this build has no TLS; add the feature `tls` of the crate lockutils")),
        _ => Ok(None),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "with TLS it can fail")]
pub(crate) fn secured(endpoint: Endpoint, config: Option<&Config>) -> Result<Endpoint, Error> {
    match config {
        None => Ok(endpoint),
        Some(never) => match *never {},
    }
}
