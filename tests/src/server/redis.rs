//! Redis.

use std::fs;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use super::directory::Directory;
use super::redis_options::RedisOptions;
use super::running::{Plan, Server};
use super::tls::Tls;
use super::tool::run;

/// What it writes into its log when it is ready, as a server and as a sentinel.
const READY: [&str; 2] = ["Ready to accept connections", "+monitor master"];

/// A Redis server.
pub struct Redis {
    server: Server,
    options: RedisOptions,
    tls: Option<Arc<Tls>>,
}

impl Redis {
    /// Starts one that keeps nothing on disk.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(RedisOptions::new())
    }

    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start_with(options: RedisOptions) -> Self {
        let tls = options.tls.then(|| Arc::new(Tls::new()));
        let server = Server::start(|port| plan(port, &options, tls.as_deref()));
        Self { server, options, tls }
    }

    /// One that the tests of a program share. It keeps nothing on disk.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Redis> = LazyLock::new(Redis::start);
        &SHARED
    }

    /// Where it is: `redis://127.0.0.1:P/0`, or `rediss:` with TLS, and with the user and password that it wants.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}127.0.0.1:{}/0", self.credentials(), self.port())
    }

    /// `user:password@`, or nothing: what stands before the host in its URL.
    pub fn credentials(&self) -> String {
        let user = self.options.user.as_deref().unwrap_or_default();
        self.password().map(|password| format!("{user}:{password}@")).unwrap_or_default()
    }

    /// The password that it wants.
    pub fn password(&self) -> Option<&str> {
        self.options.password.as_deref()
    }

    /// The user that it wants.
    pub(super) fn user(&self) -> Option<&str> {
        self.options.user.as_deref()
    }

    /// Its certificates, if it speaks TLS.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// What redis-cli(1) prints for a command: an empty line for nil, the elements of a list in lines.
    ///
    /// # Panics
    ///
    /// When the answer is an error.
    #[track_caller]
    pub fn cli(&self, words: &[&str]) -> String {
        self.try_cli(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, with the error if the answer is one.
    ///
    /// # Errors
    ///
    /// What redis-cli says.
    pub fn try_cli(&self, words: &[&str]) -> Result<String, String> {
        let mut arguments = self.arguments();
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        run("redis-cli", &arguments)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["-e".to_owned(), "-p".to_owned(), self.port().to_string()];
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        if let Some(password) = self.password() {
            add(&["--no-auth-warning", "--pass", password]);
        }
        if let Some(user) = &self.options.user {
            add(&["--user", user]);
        }
        if let Some(tls) = &self.tls {
            add(&["--tls", "--cacert", &tls.ca()]);
        }
        arguments
    }
}

impl Deref for Redis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

pub(super) fn plan(port: u16, options: &RedisOptions, tls: Option<&Tls>) -> Plan {
    let directory = Directory::new("redis");
    let (file, log) = (directory.file("redis.conf"), directory.file("log"));
    fs::write(&file, configuration(port, options, tls)).expect("a file can be written");
    Plan {
        what: "redis-server",
        port,
        directory,
        program: "redis-server",
        arguments: if options.sentinel { vec![file, "--sentinel".to_owned()] } else { vec![file] },
        // What it wrote down before a restart is read by then.
        is_ready: Box::new(move || {
            fs::read_to_string(&log).is_ok_and(|log| READY.iter().any(|words| log.contains(words)))
        }),
    }
}

fn configuration(port: u16, options: &RedisOptions, tls: Option<&Tls>) -> String {
    let plain = if tls.is_some() { 0 } else { port };
    let mut lines = vec![format!("port {plain}"), "bind 127.0.0.1".to_owned()];
    if !options.sentinel {
        lines.push("save \"\"".to_owned());
        // A replica would be left waiting for others for five seconds.
        lines.push("repl-diskless-sync-delay 0\nrepl-ping-replica-period 1".to_owned());
    }
    if let Some(tls) = tls {
        lines.push(format!("tls-port {port}\ntls-auth-clients no\ntls-ca-cert-file {}", tls.ca()));
        lines.push(format!("tls-cert-file {}\ntls-key-file {}", tls.certificate(), tls.key()));
    }
    lines.extend(options.lines.iter().cloned());
    lines.join("\n") + "\n"
}
