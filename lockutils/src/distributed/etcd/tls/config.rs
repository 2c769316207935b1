//! Who is trusted, and who we are.

use std::fs;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::distributed::BackendUrl;
use crate::distributed::open::wrong;
use crate::distributed::pem::has_certificate;
use crate::error::Error;

/// The keys of a URL that it has.
pub(crate) const KEYS: &[&str] = &[CA, CERT, KEY, SERVER_NAME];

const CA: &str = "ca";
const CERT: &str = "cert";
const KEY: &str = "key";
const SERVER_NAME: &str = "server_name";

pub(crate) type Config = ClientTlsConfig;

/// `None`: the connections are open.
pub(crate) fn of(url: &BackendUrl) -> Result<Option<Config>, Error> {
    if url.scheme() != "etcds" {
        return match KEYS.iter().find(|key| url.value(key).is_some()) {
            Some(key) => Err(wrong(format!("its key `{key}` is for `etcds:` only"))),
            None => Ok(None),
        };
    }
    let config = match url.value(CA) {
        Some(path) => {
            let pem = read(CA, path)?;
            has_certificate(url, CA, &pem)?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
        }
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let config = match url.value(SERVER_NAME) {
        Some(name) => config.domain_name(name),
        None => config,
    };
    match (url.value(CERT), url.value(KEY)) {
        (Some(cert), Some(key)) => {
            Ok(Some(config.identity(Identity::from_pem(read(CERT, cert)?, read(KEY, key)?))))
        }
        (None, None) => Ok(Some(config)),
        _ => Err(wrong("of its keys `cert` and `key`, both or none are needed")),
    }
}

fn read(key: &str, path: &str) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| wrong(format!("its key `{key}`: {path} cannot be read: {error}")))
}

pub(crate) fn secured(endpoint: Endpoint, config: Option<&Config>) -> Result<Endpoint, Error> {
    let Some(config) = config else { return Ok(endpoint) };
    endpoint.tls_config(config.clone()).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        wrong(format!("its certificates cannot be used: {cause}"))
    })
}
