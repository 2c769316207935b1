//! From a URL to an engine.

use std::sync::Arc;
use std::time::Duration;

use super::{Backend, BackendUrl, memory};
use crate::error::{Error, Kind};

/// How long a session outlives its last sign of life if nobody says otherwise: as etcdctl and kazoo have it.
pub(crate) const SESSION_TTL: Duration = Duration::from_secs(10);

/// What an engine needs to know to make a client.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) url: BackendUrl,
    /// How long the engine keeps what this process holds after its last sign of life.
    #[cfg_attr(
        not(any(feature = "redis", feature = "etcd", feature = "zookeeper")),
        expect(dead_code, reason = "no engine is far away")
    )]
    pub(crate) ttl: Duration,
    /// After which time a request that was not answered counts as failed.
    #[cfg_attr(
        not(any(feature = "redis", feature = "etcd", feature = "zookeeper")),
        expect(dead_code, reason = "no engine is far away")
    )]
    pub(crate) request_timeout: Duration,
}

/// Makes a client of the engine that a URL names. Nothing is asked of the engine yet.
///
/// `session_ttl` is how long the engine keeps what this client holds after its last sign of life. The key `request_timeout` of
/// the URL (`2s`) is how long an answer may take; a third of `session_ttl` if it is not said, and 5 s at most.
///
/// # Errors
///
/// [`Error::is_config`] when the URL cannot be used, or its engine is not in this build; `file:` is no engine of this kind. Also when
/// `session_ttl` is less than 100 ms.
///
/// ```
/// use std::time::Duration;
/// use lockutils::distributed::{self, BackendUrl, Promise};
///
/// let backend = distributed::connect(&BackendUrl::parse("memory:")?, Duration::from_secs(10))?;
/// assert!(backend.promises().has(Promise::Linearizable));
/// # Ok::<(), lockutils::Error>(())
/// ```
pub fn connect(url: &BackendUrl, session_ttl: Duration) -> Result<Arc<dyn Backend>, Error> {
    check_ttl(session_ttl)?;
    let request_timeout = match url.value(REQUEST_TIMEOUT) {
        Some(text) => duration(REQUEST_TIMEOUT, text)?,
        None => (session_ttl / 3).min(Duration::from_secs(5)),
    };
    open(&Settings { url: url.clone(), ttl: session_ttl, request_timeout })
}

/// A session that is shorter is lost each time that the system is busy.
const LEAST_TTL: Duration = Duration::from_millis(100);

pub(crate) fn check_ttl(ttl: Duration) -> Result<(), Error> {
    if ttl >= LEAST_TTL {
        return Ok(());
    }
    let what =
        format!("session_ttl is less than {LEAST_TTL:?}, which no network keeps alive: make it some seconds");
    Err(Kind::Config { what, source: None }.into())
}

/// The key of every engine.
pub(crate) const REQUEST_TIMEOUT: &str = "request_timeout";

fn open(settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    let url = &settings.url;
    match url.scheme() {
        "memory" => memory::open(settings),
        #[cfg(feature = "etcd")]
        "etcd" | "etcds" => super::etcd::open(settings),
        #[cfg(feature = "zookeeper")]
        "zookeeper" | "zookeepers" => super::zookeeper::open(settings),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" => super::redis::open(settings),
        "file" => Err(wrong("`file:` stands for the lock files of this host, which nobody is a client of")),
        scheme => match ENGINES.iter().find(|(known, _)| *known == scheme) {
            Some((_, feature)) => Err(wrong(format!(
                "this build has no engine for `{scheme}:`; add the feature `{feature}` of the crate lockutils"
            ))),
            None => Err(wrong(format!("there is no engine for `{scheme}:`; there are {}", known()))),
        },
    }
}

/// The schemes of engines, and the feature of each.
const ENGINES: [(&str, &str); 8] = [
    ("redis", "redis"),
    ("rediss", "redis"),
    ("redis+sentinel", "redis"),
    ("rediss+sentinel", "redis"),
    ("etcd", "etcd"),
    ("etcds", "etcd"),
    ("zookeeper", "zookeeper"),
    ("zookeepers", "zookeeper"),
];

fn known() -> String {
    let schemes = ["file", "memory"].into_iter().chain(ENGINES.into_iter().map(|(scheme, _)| scheme));
    schemes.map(|scheme| format!("`{scheme}:`")).collect::<Vec<_>>().join(", ")
}

/// A length of time in a URL, such as `500ms` or `10s`.
pub(crate) fn duration(key: &str, text: &str) -> Result<Duration, Error> {
    humantime::parse_duration(text).ok().filter(|length| !length.is_zero()).ok_or_else(|| {
        wrong(format!("its key `{key}` is {text:?}, which is no time, such as `500ms` or `10s`"))
    })
}

pub(crate) fn wrong(why: impl std::fmt::Display) -> Error {
    Kind::Config { what: format!("backend_url cannot be used: {why}"), source: None }.into()
}
