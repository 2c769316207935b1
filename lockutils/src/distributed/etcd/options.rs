//! From a URL to a client.

use std::sync::Arc;

use tonic::transport::Endpoint;

use super::client::Client;
use super::login::Login;
use super::net::Net;
use super::tls;
use crate::distributed::open::{REQUEST_TIMEOUT, Settings, wrong};
use crate::distributed::runtime::runtime;
use crate::error::Error;

const PORT: u16 = 2379;

/// Makes a client. Nothing is asked yet.
pub(super) fn client(settings: &Settings) -> Result<Arc<Client>, Error> {
    let url = &settings.url;
    url.expect_keys(&[&[REQUEST_TIMEOUT], tls::KEYS].concat())?;
    let login = match (url.user(), url.password()) {
        (None, None) => None,
        (Some(user), Some(password)) => Some(Login::new(user, password)),
        _ => return Err(wrong("etcd wants both, a user and a password: `etcd://user:password@host`")),
    };
    let runtime = runtime().map_err(|error| wrong(format!("its thread cannot be started: {error}")))?;
    let net = Net::new(runtime, endpoints(settings)?, settings.request_timeout, login);
    Ok(Client::new(net, base(url.path()), settings.ttl))
}

fn endpoints(settings: &Settings) -> Result<Vec<Endpoint>, Error> {
    let hosts = settings.url.hosts_or(PORT);
    if hosts.is_empty() {
        return Err(wrong("it names no endpoint; write `etcd://host` or `etcd://a,b,c`"));
    }
    let tls = tls::of(&settings.url)?;
    hosts
        .iter()
        .map(|host| {
            let scheme = if tls.is_some() { "https" } else { "http" };
            let endpoint = Endpoint::from_shared(format!("{scheme}://{host}"))
                .map_err(|_| wrong(format!("`{host}` is no endpoint, such as `host:2379`")))?;
            tls::secured(endpoint, tls.as_ref())
        })
        .collect()
}

/// What stands before all names.
fn base(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.is_empty() { String::new() } else { format!("{path}/") }
}
