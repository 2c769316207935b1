//! File systems of a test's own.

use std::process::Command;

use nix::unistd::geteuid;

use crate::child::Child;
use crate::place::{Place, helper};
use crate::program::lockutils;

/// A mount namespace: what is mounted in it only those see who are started through this, and it goes with
/// the value.
pub struct Mounts<'a> {
    place: &'a Place,
    keeper: Child,
}

impl<'a> Mounts<'a> {
    /// Runs a script of bash(1), in the directory of `place`, that mounts what the test needs.
    ///
    /// # Panics
    ///
    /// When it fails, which it says on standard error, or this is not root's process.
    #[track_caller]
    pub fn new(place: &'a Place, script: &str) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "bash", "-euc"]);
        command.arg(format!("{script}\necho mounted\nexec cat")).current_dir(place.path());
        needs_root("mounts file systems in a namespace of its own");
        let mut keeper = Child::spawn(&mut command);
        keeper.expect("mounted");
        Self { place, keeper }
    }

    /// Runs another script of bash(1) in the same directory and waits for its end. `HELPER` is the helper program.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn run(&self, script: &str) {
        let mut command = self.enter();
        let there = format!("cd \"$1\"\n{script}");
        command.args(["bash", "-euc", &there, "bash"]).arg(self.place.path()).env("HELPER", helper());
        let status = command.status();
        let status = status.expect("nsenter(1) can be started");
        assert!(status.success(), "{script}: {status}");
    }

    /// Starts the helper program with the lock directory `below`, a path below the directory of the place.
    #[track_caller]
    pub fn helper(&self, below: &str, words: &[&str]) -> Child {
        let mut command = self.enter();
        command.arg(helper()).args(words).env("LOCKUTILS_LOCK_PATH", self.place.file(below));
        Child::spawn(command.env_remove("LOCKUTILS_LOCK_FILE_PREFIX"))
    }

    /// The command `lockutils` with the lock directory `below`, a path below the directory of the place.
    #[track_caller]
    pub fn lockutils(&self, below: &str, words: &[&str]) -> Command {
        let mut command = self.enter();
        command.arg(lockutils()).args(words).env("LOCKUTILS_LOCK_PATH", self.place.file(below));
        for key in ["LOCKUTILS_LOCK_FILE_PREFIX", "LOCKUTILS_MECHANISM", "OSLO_LOCK_PATH"] {
            command.env_remove(key);
        }
        command
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.keeper.pid().to_string(), "--"]);
        command
    }
}

/// Says what is missing where a test can be run by root alone. It is not skipped: it would be missed.
///
/// # Panics
///
/// When this is not root's process.
#[track_caller]
pub fn needs_root(what: &str) {
    assert!(geteuid().is_root(), "this test {what}: run it as root");
}
