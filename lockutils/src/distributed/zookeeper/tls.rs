//! TLS: whom the client trusts, and how it proves who it is.

use std::fs;

use zookeeper_client::{Connector, TlsCa, TlsCerts, TlsIdentity, TlsOptions};

use crate::distributed::open::wrong;
use crate::distributed::pem::has_certificate;
use crate::distributed::{BackendUrl, crypto};
use crate::error::Error;

/// The keys of a URL that it has.
pub(super) const KEYS: &[&str] = &["ca", "cert", "key"];

/// What a connection needs for it.
pub(super) struct Tls(TlsCerts);

/// `None`: the connections are open.
pub(super) fn of(url: &BackendUrl) -> Result<Option<Tls>, Error> {
    if url.scheme() == "zookeepers" {
        return certificates(url).map(Tls).map(Some);
    }
    match KEYS.iter().find(|key| url.value(key).is_some()) {
        Some(key) => Err(wrong(format!("its key `{key}` is for `zookeepers:` only"))),
        None => Ok(None),
    }
}

fn certificates(url: &BackendUrl) -> Result<TlsCerts, Error> {
    let Some(ca) = file(url, "ca")? else {
        let why = "`zookeepers:` needs the key `ca`: the file of who signs the certificates of servers";
        return Err(wrong(why));
    };
    has_certificate(url, "ca", ca.as_bytes())?;
    crypto::choose();
    let certificates = TlsCerts::builder().with_ca(TlsCa::from_pem(&ca).map_err(bad("ca"))?);
    let certificates = match (file(url, "cert")?, file(url, "key")?) {
        (Some(cert), Some(key)) => {
            certificates.with_identity(TlsIdentity::from_pem(&cert, &key).map_err(bad("cert"))?)
        }
        (None, None) => certificates,
        _ => return Err(wrong("of its keys `cert` and `key`, both or none are needed")),
    };
    certificates.build().map_err(bad("ca"))
}

fn bad(key: &str) -> impl FnOnce(zookeeper_client::Error) -> Error {
    move |error| wrong(format!("its key `{key}` cannot be used: {error}"))
}

fn file(url: &BackendUrl, key: &str) -> Result<Option<String>, Error> {
    let read = |path| {
        fs::read_to_string(path)
            .map_err(|error| wrong(format!("its key `{key}`: {path} cannot be read: {error}")))
    };
    url.value(key).map(read).transpose()
}

/// With what the endpoints are to be called then.
pub(super) fn secured(connector: Connector, tls: &Tls) -> Connector {
    connector.with_tls(TlsOptions::new().with_certs(tls.0.clone()))
}
