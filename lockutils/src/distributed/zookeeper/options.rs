//! What a URL says of an ensemble.

use std::time::Duration;

use zookeeper_client::{Acls, Client};

use super::super::BackendUrl;
use super::super::open::{REQUEST_TIMEOUT, Settings, wrong};
use super::layout::Layout;
use super::name;
use super::tls::{self, Tls};
use crate::error::Error;

const KEYS: [&str; 4] = [REQUEST_TIMEOUT, "layout", "acl", "permits"];

const PORT: u16 = 2181;

/// How the ensemble is reached, and how locks are kept there.
pub(super) struct Options {
    /// `a:2181,b:2181`.
    pub(super) hosts: String,
    /// Where the directories of locks stand: empty, or `/a/b`.
    pub(super) root: String,
    pub(super) layout: Layout,
    /// Whether the number of permits of a semaphore stays when nobody has or wants one, as it does with kazoo.
    pub(super) keeps_permits: bool,
    pub(super) request_timeout: Duration,
    ttl: Duration,
    /// `user:password`. Secret.
    login: Option<String>,
    is_private: bool,
    tls: Option<Tls>,
}

impl Options {
    /// # Errors
    ///
    /// [`Error::is_config`] when it cannot be used.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let url = &settings.url;
        url.expect_keys(&[&KEYS, tls::KEYS].concat())?;
        let login = login(url)?;
        Ok(Self {
            hosts: hosts(url)?,
            root: root(url.path())?,
            layout: layout(url.value("layout"))?,
            is_private: is_private(url.value("acl"), login.is_some())?,
            keeps_permits: one_of(url.value("permits"), "permits", ["free", "kept"])? == "kept",
            request_timeout: settings.request_timeout,
            ttl: settings.ttl,
            tls: tls::of(url)?,
            login,
        })
    }

    /// Connects, with a new session.
    pub(super) async fn connect(&self) -> Result<Client, zookeeper_client::Error> {
        let mut connector = Client::connector().with_session_timeout(self.ttl).with_fail_eagerly();
        if let Some(login) = &self.login {
            connector = connector.with_auth("digest", login.as_bytes());
        }
        let Some(tls) = &self.tls else { return connector.connect(&self.hosts).await };
        let hosts: Vec<_> = self.hosts.split(',').map(|host| format!("tcp+tls://{host}")).collect();
        tls::secured(connector, tls).connect(&hosts.join(",")).await
    }

    /// Whether TLS is spoken.
    pub(super) fn is_secret(&self) -> bool {
        self.tls.is_some()
    }

    /// Who may do what with the nodes that are made.
    pub(super) fn acls(&self) -> Acls<'static> {
        if self.is_private { Acls::creator_all() } else { Acls::anyone_all() }
    }
}

fn hosts(url: &BackendUrl) -> Result<String, Error> {
    let hosts = url.hosts_or(PORT);
    if hosts.is_empty() {
        return Err(wrong("`zookeeper:` needs a host, such as `zookeeper://localhost:2181/locks`"));
    }
    Ok(hosts.join(","))
}

fn root(path: &str) -> Result<String, Error> {
    let steps: Vec<_> = path.split('/').filter(|step| !step.is_empty()).collect();
    if let Some(step) = steps.iter().find(|step| !name::is_valid(step)) {
        return Err(wrong(format!("a node of ZooKeeper cannot be called {step:?}")));
    }
    if steps.first() == Some(&"zookeeper") {
        return Err(wrong("below `/zookeeper` ZooKeeper keeps its own nodes; choose another path"));
    }
    Ok(steps.iter().fold(String::new(), |root, step| root + "/" + step))
}

fn layout(value: Option<&str>) -> Result<Layout, Error> {
    Ok(match one_of(value, "layout", ["kazoo", "curator", "curator-rw"])? {
        "curator" => Layout::Curator,
        "curator-rw" => Layout::CuratorReadWrite,
        _ => Layout::Kazoo,
    })
}

fn is_private(value: Option<&str>, has_login: bool) -> Result<bool, Error> {
    match one_of(value, "acl", ["open", "creator"])? {
        "creator" if !has_login => Err(wrong("`acl=creator` needs a user and a password before the hosts")),
        acl => Ok(acl == "creator"),
    }
}

/// The value of a key; the first of these if nothing is said.
fn one_of<const N: usize>(
    value: Option<&str>,
    key: &str,
    known: [&'static str; N],
) -> Result<&'static str, Error> {
    let Some(value) = value else { return Ok(known[0]) };
    known.into_iter().find(|known| *known == value).ok_or_else(|| {
        let known = known.map(|known| format!("`{known}`")).join(", ");
        wrong(format!("its key `{key}` is {value:?}, which is none of {known}"))
    })
}

fn login(url: &BackendUrl) -> Result<Option<String>, Error> {
    match (url.user(), url.password()) {
        (Some(user), Some(password)) => Ok(Some(format!("{user}:{password}"))),
        (None, None) => Ok(None),
        _ => Err(wrong("ZooKeeper needs both a user and a password: `zookeeper://user:password@host`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Options, Error> {
        let url = BackendUrl::parse(url).expect("a URL");
        let second = Duration::from_secs(1);
        Options::read(&Settings { url, ttl: second, request_timeout: second })
    }

    #[test]
    fn a_url_is_read() {
        let options = read("zookeeper://a,b:7,[::1]/locks//nova/").expect("it is right");
        assert_eq!(options.hosts, "a:2181,b:7,[::1]:2181");
        assert_eq!((&*options.root, options.layout), ("/locks/nova", Layout::Kazoo));
        assert_eq!(read("zookeeper://a").expect("it is right").root, "");
        assert_eq!(
            read("zookeeper://a?layout=curator-rw").expect("it is right").layout,
            Layout::CuratorReadWrite
        );
        assert!(read("zookeeper://a?permits=kept").expect("it is right").keeps_permits);
        assert!(read("zookeeper://u:p@a?acl=creator").expect("it is right").is_private);
        assert!(!read("zookeeper://u:p@a").expect("it is right").is_private, "as kazoo has it");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, why) in [
            ("zookeeper:///locks", "needs a host"),
            ("zookeeper://a/zookeeper/x", "keeps its own"),
            ("zookeeper://a/x/../y", "cannot be called \"..\""),
            ("zookeeper://a?layout=x", "none of `kazoo`"),
            ("zookeeper://a?acl=x", "none of `open`, `creator`"),
            ("zookeeper://a?permits=2", "none of `free`, `kept`"),
            ("zookeeper://a?acl=creator", "needs a user"),
            ("zookeeper://u@a", "both a user and a password"),
            ("zookeeper://:hunter2@a", "both a user and a password"),
            ("zookeeper://a?chroot=/x", "has no key `chroot`"),
        ] {
            let error = read(url).err().map(|error| error.to_string()).expect("it is wrong");
            assert!(error.contains(why) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
