//! What the tests share. It is a file here, and as defenceless as a schema that each test fills anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;

use lockutils::testing::assert_held;
use lockutils::{Config, Lock};

/// Where every process of the suite finds the database and its lock file: cargo's directory for such things.
const SHARED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/test_suite");

/// The directory of the lock files, which becomes that of the whole process too.
pub(crate) fn locks() -> &'static Path {
    static INIT: Once = Once::new();
    INIT.call_once(|| lockutils::init(Config::new().lock_path(SHARED)).expect("nobody else does"));
    Path::new(SHARED)
}

pub(crate) struct Database {
    lock: Lock,
    path: PathBuf,
}

impl Database {
    pub(crate) fn new(lock: Lock, directory: &Path) -> Self {
        Self { lock, path: directory.join("customers.txt") }
    }

    pub(crate) fn as_it_is() -> Self {
        let directory = locks();
        Self::new(lockutils::lock("database").external(), directory)
    }

    /// Without what other tests have left in it.
    pub(crate) fn empty() -> Self {
        let database = Self::as_it_is();
        database.write(String::new());
        database
    }

    pub(crate) fn customers(&self) -> Vec<String> {
        self.read().lines().map(str::to_owned).collect()
    }

    /// Two at once would lose a customer.
    pub(crate) fn insert(&self, name: &str) {
        let before = self.read();
        thread::yield_now();
        self.write(before + trimmed(name) + "\n");
    }

    /// Any test may read what is there, or not there yet.
    fn read(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    /// The only way to change it. It makes sure that somebody of this process has the lock; which thread that is, it
    /// cannot tell.
    fn write(&self, text: String) {
        assert_held!(self.lock, "to write to {}", self.path.display());
        fs::write(&self.path, text).expect("the database can be written");
    }
}

pub(crate) fn trimmed(name: &str) -> &str {
    name.trim()
}
