//! Where the server is, and how one gets in: what the URL says.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use super::tls::Tls;
use crate::distributed::BackendUrl;
use crate::distributed::open::{REQUEST_TIMEOUT, Settings, duration, wrong};
use crate::error::Error;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

const KEYS: [&str; 10] = [
    REQUEST_TIMEOUT,
    "prefix",
    "retry",
    "connections",
    "ca",
    "cert",
    "key",
    "insecure",
    "sentinel_user",
    "sentinel_password",
];

/// All that is known of the server before it is asked.
pub(super) struct Address {
    /// For messages.
    pub(super) location: String,
    pub(super) prefix: String,
    pub(super) retry: Duration,
    pub(super) connections: usize,
    pub(super) ttl: Duration,
    pub(super) request_timeout: Duration,
    servers: Vec<(String, u16)>,
    /// What Sentinel calls the master.
    pub(super) master: Option<String>,
    login: RedisConnectionInfo,
    sentinel_login: RedisConnectionInfo,
    tls: Option<Tls>,
}

impl Address {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let url = &settings.url;
        url.expect_keys(&KEYS)?;
        let is_sentinel = url.scheme().ends_with("+sentinel");
        let servers = servers(url, if is_sentinel { SENTINEL_PORT } else { PORT })?;
        if !is_sentinel && servers.len() > 1 {
            return Err(wrong(
                "`redis:` has one host; write `redis+sentinel://host1,host2/master` for those of Sentinel",
            ));
        }
        let (master, database) = if is_sentinel { master(url.path())? } else { (None, url.path()) };
        Ok(Self {
            location: url.to_string(),
            prefix: prefix(url)?,
            retry: url
                .value("retry")
                .map_or(Ok(Duration::from_millis(250)), |text| duration("retry", text))?,
            connections: connections(url)?,
            ttl: settings.ttl,
            request_timeout: settings.request_timeout,
            servers,
            master,
            login: login(url.user(), url.password()).set_db(self::database(database)?),
            sentinel_login: login(url.value("sentinel_user"), url.value("sentinel_password")),
            tls: tls(url)?,
        })
    }

    /// The servers that the URL names: Redis, or Sentinels.
    pub(super) fn servers(&self) -> &[(String, u16)] {
        &self.servers
    }

    /// Whether TLS is spoken.
    pub(super) fn is_secret(&self) -> bool {
        self.tls.is_some()
    }

    /// How one gets into a Redis server.
    pub(super) fn client(&self, host: &str, port: u16) -> redis::RedisResult<redis::Client> {
        self.client_with(host, port, &self.login)
    }

    /// How one gets into a Sentinel.
    pub(super) fn sentinel(&self, host: &str, port: u16) -> redis::RedisResult<redis::Client> {
        self.client_with(host, port, &self.sentinel_login)
    }

    fn client_with(
        &self,
        host: &str,
        port: u16,
        login: &RedisConnectionInfo,
    ) -> redis::RedisResult<redis::Client> {
        let address = match &self.tls {
            None => ConnectionAddr::Tcp(host.to_owned(), port),
            Some(tls) => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: tls.is_insecure(),
                tls_params: None,
            },
        };
        let information = address
            .into_connection_info()?
            .set_tcp_settings(TcpSettings::default().set_nodelay(true))
            .set_redis_settings(login.clone());
        match &self.tls {
            None => redis::Client::open(information),
            Some(tls) => tls.client(information),
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.location)
    }
}

fn login(user: Option<&str>, password: Option<&str>) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_lib_name("lockutils", env!("CARGO_PKG_VERSION"));
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(password);
    }
    login
}

fn servers(url: &BackendUrl, port: u16) -> Result<Vec<(String, u16)>, Error> {
    let servers = url.hosts_or(port).into_iter().map(|host| {
        server(&host).ok_or_else(|| {
            wrong(format!("`{host}` is no host with a port, such as `redis-1:6379` or `[::1]:6379`"))
        })
    });
    let servers: Vec<_> = servers.collect::<Result<_, _>>()?;
    if servers.is_empty() {
        return Err(wrong("it has no host; write `redis://host`"));
    }
    Ok(servers)
}

/// Its name without brackets, and its port.
fn server(host: &str) -> Option<(String, u16)> {
    let (name, port) = host.rsplit_once(':')?;
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = bare.is_some() || !name.is_empty() && !name.contains(':');
    Some((bare.unwrap_or(name).to_owned(), port.parse().ok()?)).filter(|_| is_name)
}

/// What Sentinel calls the master, and the database.
fn master(path: &str) -> Result<(Option<String>, &str), Error> {
    let (master, database) = path.split_once('/').unwrap_or((path, ""));
    if master.is_empty() {
        return Err(wrong(
            "it does not say what Sentinel calls the master; write `redis+sentinel://host/mymaster`",
        ));
    }
    Ok((Some(master.to_owned()), database))
}

fn database(path: &str) -> Result<i64, Error> {
    match path {
        "" => Ok(0),
        text => text.parse().ok().filter(|number| *number >= 0).ok_or_else(|| {
            wrong(format!("its path is {text:?}, which is no number of a database, such as `/0`"))
        }),
    }
}

fn prefix(url: &BackendUrl) -> Result<String, Error> {
    let prefix = url.value("prefix").unwrap_or_default();
    if prefix.chars().any(char::is_control) {
        return Err(wrong("its key `prefix` has a control character"));
    }
    Ok(prefix.to_owned())
}

fn connections(url: &BackendUrl) -> Result<usize, Error> {
    let Some(text) = url.value("connections") else { return Ok(16) };
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| wrong(format!("its key `connections` is {text:?}, which is no number larger than 0")))
}

fn tls(url: &BackendUrl) -> Result<Option<Tls>, Error> {
    if url.scheme().starts_with("rediss") {
        return Tls::new(url).map(Some);
    }
    match ["ca", "cert", "key", "insecure"].into_iter().find(|key| url.value(key).is_some()) {
        Some(key) => Err(wrong(format!("its key `{key}` is for TLS; write `rediss:`"))),
        None => Ok(None),
    }
}
