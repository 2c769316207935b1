//! `--distributed`: the command on real engines.

mod configured;
mod doctor;
mod lost;
mod refused;
mod secrets;
mod taken;
mod who;

use std::ops::Deref;
use std::process::Command;

use lockutils::exit::Exit;
use lockutils_tests::server::{Etcd, Redis, Server, ZooKeeper};
use lockutils_tests::{BOUND, Child, Place};

use crate::acting::stderr;

/// A server of one of the engines, and a host that has no lock directory.
pub(crate) struct Site {
    place: Place,
    engine: Engine,
}

enum Engine {
    Redis(Redis),
    Etcd(Etcd),
    ZooKeeper(ZooKeeper),
}

/// One of each.
const ENGINES: [fn(&str) -> Site; 3] = [Site::redis, Site::etcd, Site::zookeeper];

impl Site {
    pub(crate) fn redis(test: &str) -> Self {
        Self::of(test, Engine::Redis(Redis::start()))
    }

    pub(crate) fn etcd(test: &str) -> Self {
        Self::of(test, Engine::Etcd(Etcd::start()))
    }

    pub(crate) fn zookeeper(test: &str) -> Self {
        Self::of(test, Engine::ZooKeeper(ZooKeeper::start()))
    }

    fn of(test: &str, engine: Engine) -> Self {
        Self { place: Place::new(test), engine }
    }

    fn url(&self) -> String {
        match &self.engine {
            Engine::Redis(redis) => redis.url(),
            Engine::Etcd(etcd) => etcd.url(),
            Engine::ZooKeeper(zookeeper) => zookeeper.url(),
        }
    }

    /// The command with this engine in its environment, and no directory.
    fn lockutils(&self, words: &[&str]) -> Command {
        let mut command = nowhere(&self.place, words);
        command.env("LOCKUTILS_BACKEND_URL", self.url());
        command
    }

    /// `lockutils run --distributed`
    fn run(&self, words: &[&str]) -> Command {
        self.lockutils(&[&["run", "--distributed"], words].concat())
    }

    /// One whose command has said `started`, and ends when it is told a line.
    fn holder(&self, options: &[&str]) -> Child {
        let script = ["--", "sh", "-c", "echo started; read line; echo \"told $line\""];
        let mut holder = Child::spawn(&mut self.run(&[options, &script].concat()));
        holder.expect("started");
        holder
    }

    /// Whether somebody has it.
    #[track_caller]
    fn is_busy(&self, words: &[&str]) -> bool {
        let output = self.run(&[words, &["-n", "--", "echo", "ran"]].concat()).output().expect("it starts");
        assert_eq!(stderr(&output), "");
        match output.status.code() {
            Some(0) => false,
            code => {
                assert_eq!((code, &*output.stdout), (Some(status(Exit::Conflict)), &b""[..]));
                true
            }
        }
    }
}

impl Deref for Site {
    type Target = Server;

    fn deref(&self) -> &Server {
        match &self.engine {
            Engine::Redis(redis) => redis,
            Engine::Etcd(etcd) => etcd,
            Engine::ZooKeeper(zookeeper) => zookeeper,
        }
    }
}

/// The command where neither a directory nor an engine is configured.
fn nowhere(place: &Place, words: &[&str]) -> Command {
    let mut command = place.lockutils(words);
    for key in ["LOCKUTILS_LOCK_PATH", "OSLO_LOCK_PATH", "LOCKUTILS_BACKEND_URL", "LOCKUTILS_SESSION_TTL"] {
        command.env_remove(key);
    }
    command
}

fn status(exit: Exit) -> i32 {
    i32::from(exit.code())
}

/// Runs nothing, and says why in the one line that is returned.
#[track_caller]
fn fails(command: &mut Command, exit: Exit) -> String {
    let mut bounded = assert_cmd::Command::from_std(std::mem::replace(command, Command::new("true")));
    let failed = bounded.timeout(BOUND).assert().code(status(exit)).stdout("");
    let said = stderr(failed.get_output());
    assert!(said.starts_with("lockutils: ") && said.lines().count() == 1, "{said}");
    said
}
