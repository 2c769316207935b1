//! A build without TLS says so.

use redis::{Client, ConnectionInfo, RedisResult};

use crate::distributed::BackendUrl;
use crate::distributed::open::wrong;
use crate::error::Error;

/// There is none.
pub(super) enum Tls {}

impl Tls {
    pub(super) fn new(_: &BackendUrl) -> Result<Self, Error> {
        Err(wrong("this build has no TLS; add the feature `tls` of the crate lockutils"))
    }

    pub(super) fn is_insecure(&self) -> bool {
        match *self {}
    }

    pub(super) fn client(&self, _: ConnectionInfo) -> RedisResult<Client> {
        match *self {}
    }
}
