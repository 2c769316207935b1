//! A real process of the example service.

use std::fs::{self, File};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use lockutils_tests::{BOUND, Child, Place, service};
use nix::sys::signal::{Signal, kill};
use toml::Table;

use crate::client::Client;

/// The configuration that comes with the example.
pub(crate) fn configuration() -> Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/service/service.toml");
    fs::read_to_string(path).expect(path).parse().expect("TOML")
}

/// A service on a port of its own. It is killed with the value.
pub(crate) struct Service {
    process: Child,
    client: Client,
    log: PathBuf,
}

impl Service {
    /// Starts it with the lock directory of the test, which may be shared, and its volumes beside the lock files. `lines`
    /// are what else is to be different from the configuration that comes with it, such as `lockutils.timeout = "1s"`.
    #[track_caller]
    pub(crate) fn start(place: &Place, lines: &str) -> Self {
        let mut table = configuration();
        let own = format!(
            "server.data = '{}'\nlockutils.lock_path = '{}'\nlockutils.lock_file_prefix = ''\n\
             lockutils.timeout = '{BOUND:?}'",
            place.file("data").display(),
            place.path().display()
        );
        merge(&mut table, own.parse().expect("TOML"));
        merge(&mut table, lines.parse().expect("TOML"));
        let path = Self::new_file(place, "toml");
        fs::write(&path, table.to_string()).expect("a configuration");
        Self::spawn(place, Command::new(service()).arg(path))
    }

    /// A process of the service; returns when it listens.
    #[track_caller]
    pub(crate) fn spawn(place: &Place, command: &mut Command) -> Self {
        let log = Self::new_file(place, "log");
        let mut process = Child::spawn(command.stderr(File::create(&log).expect("a log")));
        let Some(line) = process.said_within(BOUND) else { panic!("{}", read(&log)) };
        let address = line.strip_prefix("listening on http://").expect(&line).to_owned();
        Self { process, client: Client { address }, log }
    }

    fn new_file(place: &Place, extension: &str) -> PathBuf {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        place.file(&format!(".service-{}.{extension}", NUMBER.fetch_add(1, Relaxed)))
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        self.process.pid()
    }

    #[track_caller]
    pub(crate) fn tell(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Checks that it ends by itself, and with success.
    #[track_caller]
    pub(crate) fn ends(self) {
        self.process.finish();
    }

    pub(crate) fn logged(&self) -> String {
        read(&self.log)
    }
}

impl Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

fn merge(table: &mut Table, other: Table) {
    for (key, value) in other {
        match (table.get_mut(&key).and_then(|there| there.as_table_mut()), value) {
            (Some(there), toml::Value::Table(value)) => merge(there, value),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

fn read(log: &PathBuf) -> String {
    fs::read_to_string(log).unwrap_or_default()
}
