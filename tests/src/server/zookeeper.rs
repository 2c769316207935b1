//! ZooKeeper.

use std::fs;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::ask::{ask, ask_for};
use super::directory::Directory;
use super::running::{Plan, Server};
use super::tls::Tls;
use super::zookeeper_look::{Look, Znode};
use super::zookeeper_options::ZooKeeperOptions;

/// Its jar names all others that it needs, but for one that prints why it does not start, and one for TLS.
const JARS: &str =
    "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/netty-codec.jar";

/// A ZooKeeper server.
pub struct ZooKeeper {
    server: Server,
    look: Look,
    tls: Option<Arc<Tls>>,
}

impl ZooKeeper {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(ZooKeeperOptions::new())
    }

    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start_with(options: ZooKeeperOptions) -> Self {
        let tls = options.tls.then(|| Arc::new(Tls::new()));
        let its_tls = tls.clone();
        let server = Server::start(move |port| plan(port, &options, its_tls.clone(), &[]));
        Self { look: Look::at(server.port(), tls.as_deref()), server, tls }
    }

    /// One that the tests of a program share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<ZooKeeper> = LazyLock::new(ZooKeeper::start);
        &SHARED
    }

    /// Starts a member of an ensemble, which is ready only when there are more. `servers` are the lines that name all members;
    /// this one has the number `id`.
    #[track_caller]
    pub(super) fn launch(port: u16, options: &ZooKeeperOptions, id: usize, servers: &[String]) -> Self {
        let plan = plan(port, options, None, servers);
        fs::create_dir_all(plan.directory.path().join("data")).expect("a directory can be made");
        fs::write(plan.directory.file("data/myid"), id.to_string()).expect("a file can be written");
        Self { server: Server::launch(plan), look: Look::at(port, None), tls: None }
    }

    /// Where it is: `zookeeper://127.0.0.1:P`, or `zookeepers:` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "zookeepers" } else { "zookeeper" };
        format!("{scheme}://{}", self.hosts())
    }

    /// Its certificates, if it speaks TLS.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// Where it is, as its clients want it: `127.0.0.1:P`.
    pub fn hosts(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// What it answers to four letters, as `dump` or `wchs`.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[track_caller]
    pub fn four_letters(&self, word: &str) -> String {
        self.try_four_letters(word).unwrap_or_else(|| panic!("no answer to {word}: {}", self.log()))
    }

    /// The same; `None` if it does not answer.
    pub fn try_four_letters(&self, word: &str) -> Option<String> {
        match &self.tls {
            Some(tls) => tls.ask(self.port(), word),
            None => ask_for(self.port(), word, Duration::from_secs(5)),
        }
    }

    /// The names of the children of a znode, sorted; `None` if there is no such znode.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    #[track_caller]
    pub fn ls(&self, path: &str) -> Option<Vec<String>> {
        self.look.ls(path)
    }

    /// What is in a znode; `None` if there is no such znode.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Option<Znode> {
        self.look.get(path)
    }

    /// Makes a znode that stays, and those above it.
    ///
    /// # Panics
    ///
    /// When there is one, or the server does not answer.
    #[track_caller]
    pub fn create(&self, path: &str, data: &str) {
        self.look.create(path, data);
    }

    /// Deletes a znode and all below it; says whether there was one.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    #[track_caller]
    pub fn delete(&self, path: &str) -> bool {
        self.look.delete(path)
    }
}

impl Deref for ZooKeeper {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

pub(super) fn plan(port: u16, options: &ZooKeeperOptions, tls: Option<Arc<Tls>>, servers: &[String]) -> Plan {
    let directory = Directory::new("zookeeper");
    let file = directory.file("zoo.cfg");
    let (port_lines, common) = (port_lines(port, tls.as_deref(), servers), common(&directory, options));
    fs::write(&file, [common, port_lines, options.lines.clone()].concat().join("\n") + "\n")
        .expect("a file can be written");
    Plan {
        what: "ZooKeeper",
        port,
        directory,
        program: "java",
        arguments: arguments(file, options, servers),
        is_ready: Box::new(move || serves(port, tls.as_deref())),
    }
}

fn serves(port: u16, tls: Option<&Tls>) -> bool {
    let answer = match tls {
        Some(tls) => tls.ask(port, "srvr"),
        None => ask(port, "srvr"),
    };
    answer.is_some_and(|answer| answer.contains("Mode:"))
}

/// What is the same for all.
fn common(directory: &Directory, options: &ZooKeeperOptions) -> Vec<String> {
    vec![
        format!("dataDir={}", directory.file("data")),
        format!("tickTime={}", options.tick),
        // 8080 otherwise.
        "admin.enableServer=false".to_owned(),
        "4lw.commands.whitelist=*".to_owned(),
        "maxClientCnxns=0".to_owned(),
    ]
}

/// Where it listens, and for whom.
fn port_lines(port: u16, tls: Option<&Tls>, servers: &[String]) -> Vec<String> {
    let Some(tls) = tls else {
        let alone = [format!("clientPort={port}"), "clientPortAddress=127.0.0.1".to_owned()];
        let together = ["initLimit=25", "syncLimit=10", "standaloneEnabled=false", "reconfigEnabled=false"];
        let together = together.map(str::to_owned);
        return if servers.is_empty() { alone.to_vec() } else { [&together, servers].concat() };
    };
    vec![
        format!("secureClientPort={port}\nsecureClientPortAddress=127.0.0.1\nssl.clientAuth=none"),
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory".to_owned(),
        format!("ssl.keyStore.location={}\nssl.keyStore.type=PEM", tls.pair()),
        format!("ssl.trustStore.location={}\nssl.trustStore.type=PEM", tls.ca()),
    ]
}

fn arguments(file: String, options: &ZooKeeperOptions, servers: &[String]) -> Vec<String> {
    // A small machine that starts quickly, and files that are not made large beforehand.
    let machine = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx64m";
    let properties = "-Dzookeeper.preAllocSize=64 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
    let mut arguments: Vec<_> =
        [machine, properties].iter().flat_map(|words| words.split(' ')).map(str::to_owned).collect();
    if !options.forces_sync {
        arguments.push("-Dzookeeper.forceSync=no".to_owned());
    }
    arguments.extend(options.properties.iter().cloned());
    let class = if servers.is_empty() { "ZooKeeperServerMain" } else { "quorum.QuorumPeerMain" };
    arguments.extend([
        "-cp".to_owned(),
        JARS.to_owned(),
        format!("org.apache.zookeeper.server.{class}"),
        file,
    ]);
    arguments
}
