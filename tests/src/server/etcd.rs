//! etcd.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use super::directory::Directory;
use super::etcd_options::EtcdOptions;
use super::running::{Plan, Server};
use super::tls::Tls;
use super::tool::run;

/// An etcd server.
pub struct Etcd {
    server: Server,
    password: Option<String>,
    tls: Option<Arc<Tls>>,
}

/// What a member of a cluster knows of it.
pub(super) struct Peers<'a> {
    pub(super) name: &'a str,
    /// Where it listens for the others.
    pub(super) url: &'a str,
    /// All of them, with their names.
    pub(super) cluster: &'a str,
}

impl Etcd {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(EtcdOptions::new())
    }

    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start_with(options: EtcdOptions) -> Self {
        let tls = options.tls.then(|| Arc::new(Tls::new()));
        let password = options.password.clone();
        // It is alone: the port for others is the kernel's choice.
        let peers = Peers { name: "alone", url: "http://127.0.0.1:0", cluster: "alone=http://127.0.0.1:0" };
        let its_tls = tls.clone();
        let server = Server::start(move |port| plan(port, &options, its_tls.clone(), &peers));
        let mut etcd = Self { server, password: None, tls };
        if let Some(password) = password {
            etcd.secure(&password);
        }
        etcd
    }

    /// One that the tests of a program share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Etcd> = LazyLock::new(Etcd::start);
        &SHARED
    }

    /// Starts a member, which is ready only when there are more.
    #[track_caller]
    pub(super) fn launch(port: u16, options: &EtcdOptions, peers: &Peers<'_>) -> Self {
        Self { server: Server::launch(plan(port, options, None, peers)), password: None, tls: None }
    }

    /// Makes the user `root`, and has it refuse everybody else.
    #[track_caller]
    pub(super) fn secure(&mut self, password: &str) {
        self.ctl(&["user", "add", &format!("root:{password}")]);
        self.ctl(&["user", "grant-role", "root", "root"]);
        self.ctl(&["auth", "enable"]);
        self.knows(password);
    }

    /// It has been told of a password through another member.
    pub(super) fn knows(&mut self, password: &str) {
        self.password = Some(password.to_owned());
    }

    /// Where it is: `etcd://127.0.0.1:P`, or `etcds:` with TLS, and with the user and password that it wants.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "etcds" } else { "etcd" };
        format!("{scheme}://{}127.0.0.1:{}", self.credentials(), self.port())
    }

    /// `root:password@`, or nothing: what stands before the host in its URL.
    pub fn credentials(&self) -> String {
        self.password.as_ref().map(|password| format!("root:{password}@")).unwrap_or_default()
    }

    /// Where it is, as etcdctl(1) and clients of HTTP want it: `http://127.0.0.1:P`.
    pub fn endpoint(&self) -> String {
        endpoint(self.port(), self.tls.is_some())
    }

    /// Its certificates, if it speaks TLS.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// What etcdctl(1) prints. With `-w json`, keys and values are in Base64.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn ctl(&self, words: &[&str]) -> String {
        self.try_ctl(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, with the error if it fails.
    ///
    /// # Errors
    ///
    /// What etcdctl says.
    pub fn try_ctl(&self, words: &[&str]) -> Result<String, String> {
        let mut arguments = self.ctl_arguments();
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        run("etcdctl", &arguments)
    }

    /// The keys that begin so, in the order in which they were made.
    ///
    /// # Panics
    ///
    /// When etcdctl fails.
    #[track_caller]
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let words = ["get", "--prefix", prefix, "--keys-only", "--sort-by", "CREATE", "--order", "ASCEND"];
        let printed = self.ctl(&words);
        printed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// What etcdctl(1) needs to get at it.
    pub(super) fn ctl_arguments(&self) -> Vec<String> {
        let mut arguments = ctl_arguments(self.port(), self.tls());
        arguments.extend(self.ctl_user());
        arguments
    }

    /// The part of it that says who one is.
    pub(super) fn ctl_user(&self) -> Vec<String> {
        let user = |password| vec!["--user".to_owned(), format!("root:{password}")];
        self.password.as_ref().map(user).unwrap_or_default()
    }
}

impl Deref for Etcd {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

fn endpoint(port: u16, tls: bool) -> String {
    format!("{}://127.0.0.1:{port}", if tls { "https" } else { "http" })
}

fn ctl_arguments(port: u16, tls: Option<&Tls>) -> Vec<String> {
    let mut arguments = vec!["--endpoints".to_owned(), endpoint(port, tls.is_some())];
    if let Some(tls) = tls {
        arguments.extend(["--cacert".to_owned(), tls.ca()]);
    }
    arguments
}

pub(super) fn plan(port: u16, options: &EtcdOptions, tls: Option<Arc<Tls>>, peers: &Peers<'_>) -> Plan {
    let directory = Directory::new("etcd");
    let arguments = arguments(&directory, &endpoint(port, tls.is_some()), options, tls.as_deref(), peers);
    Plan {
        what: "etcd",
        port,
        directory,
        program: "etcd",
        arguments,
        is_ready: Box::new(move || is_healthy(port, tls.as_deref())),
    }
}

fn arguments(
    directory: &Directory,
    url: &str,
    options: &EtcdOptions,
    tls: Option<&Tls>,
    peers: &Peers<'_>,
) -> Vec<String> {
    let mut arguments = vec![
        format!("--name={}", peers.name),
        format!("--data-dir={}", directory.file("data")),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={}", peers.url),
        format!("--initial-advertise-peer-urls={}", peers.url),
        format!("--initial-cluster={}", peers.cluster),
        format!("--heartbeat-interval={}", options.heartbeat),
        format!("--election-timeout={}", options.election),
        "--logger=zap".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    if let Some(tls) = tls {
        arguments.extend([format!("--cert-file={}", tls.certificate()), format!("--key-file={}", tls.key())]);
    }
    arguments.extend(options.more.iter().cloned());
    arguments
}

/// Whether it has a leader and answers. Also a server that wants a password says so to everybody.
fn is_healthy(port: u16, tls: Option<&Tls>) -> bool {
    if tls.is_some() {
        let mut words = ctl_arguments(port, tls);
        words.extend(["endpoint".to_owned(), "health".to_owned()]);
        return run("etcdctl", &words).is_ok();
    }
    let answer = super::ask::ask(port, "GET /health HTTP/1.0\r\n\r\n");
    answer.is_some_and(|answer| answer.contains(r#""health":"true""#))
}
