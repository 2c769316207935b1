//! TLS: whom the client trusts, and how it proves who it is.

use std::fs;

use redis::{Client, ClientTlsConfig, ConnectionInfo, RedisResult, TlsCertificates};

use crate::distributed::open::wrong;
use crate::distributed::pem::has_certificate;
use crate::distributed::{BackendUrl, crypto};
use crate::error::Error;

/// What a connection needs for it.
pub(super) struct Tls {
    is_insecure: bool,
    certificates: Option<TlsCertificates>,
}

impl Tls {
    pub(super) fn new(url: &BackendUrl) -> Result<Self, Error> {
        crypto::choose();
        let client_tls = match (file(url, "cert")?, file(url, "key")?) {
            (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
            (None, None) => None,
            _ => {
                return Err(wrong(
                    "it has only one of `cert` and `key`; to prove who it is, a client needs both",
                ));
            }
        };
        let root_cert = file(url, "ca")?;
        root_cert.as_deref().map_or(Ok(()), |pem| has_certificate(url, "ca", pem))?;
        let has_certificates = client_tls.is_some() || root_cert.is_some();
        let certificates = has_certificates.then_some(TlsCertificates { client_tls, root_cert });
        Ok(Self { is_insecure: is_insecure(url)?, certificates })
    }

    pub(super) fn is_insecure(&self) -> bool {
        self.is_insecure
    }

    pub(super) fn client(&self, information: ConnectionInfo) -> RedisResult<Client> {
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(information, certificates.clone()),
            None => Client::open(information),
        }
    }
}

fn file(url: &BackendUrl, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let read = |path| {
        fs::read(path).map_err(|error| wrong(format!("its key `{key}`: cannot read {path:?}: {error}")))
    };
    url.value(key).map(read).transpose()
}

fn is_insecure(url: &BackendUrl) -> Result<bool, Error> {
    match url.value("insecure") {
        None | Some("false") => Ok(false),
        Some("" | "true") => Ok(true),
        Some(text) => Err(wrong(format!("its key `insecure` is {text:?}; it may be `true` or `false`"))),
    }
}
