//! This build has no TLS.

use zookeeper_client::Connector;

use crate::distributed::BackendUrl;
use crate::distributed::open::wrong;
use crate::error::Error;

/// The keys of a URL that it has.
pub(super) const KEYS: &[&str] = &[];

/// Nothing.
pub(super) enum Tls {}

pub(super) fn of(url: &BackendUrl) -> Result<Option<Tls>, Error> {
    match url.scheme() {
        "zookeepers" => Err(wrong("this build has no TLS; add the feature `tls` of the crate lockutils")),
        _ => Ok(None),
    }
}

pub(super) fn secured(_: Connector, tls: &Tls) -> Connector {
    match *tls {}
}
