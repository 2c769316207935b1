//! A lock directory of a test's own.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lockutils::{Config, Lock, LockGuard, Locks, Mechanism};
use tempfile::TempDir;

use crate::child::Child;
use crate::program::lockutils;
use crate::wait::eventually;

/// The helper program of this crate, which cargo builds before it runs a test of this crate.
///
/// # Panics
///
/// When it is not where cargo puts it.
#[track_caller]
pub fn helper() -> PathBuf {
    let here = std::env::current_exe().expect("a test knows its own program");
    let found =
        here.ancestors().skip(1).map(|directory| directory.join("helper")).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no `helper` beside {}: run the tests with cargo", here.display()))
}

/// A directory of lock files and a registry of its own, for one test. It is removed with the value.
pub struct Place {
    locks: Locks,
    directory: TempDir,
    mechanism: &'static str,
}

impl Place {
    /// Makes it; `test` is the name of the test and part of the name of the directory.
    pub fn new(test: &str) -> Self {
        Self::with(test, |config| config)
    }

    /// The same with more configuration.
    ///
    /// # Panics
    ///
    /// When there is no temporary directory to be had.
    pub fn with(test: &str, configure: impl FnOnce(Config) -> Config) -> Self {
        let made = tempfile::Builder::new().prefix(&format!("lockutils-{test}-")).tempdir();
        let directory = made.expect("a temporary directory");
        let config = configure(Config::new().lock_path(directory.path()));
        let mechanism = if config.mechanism == Mechanism::Pid { "pid" } else { "kernel" };
        Self { locks: Locks::new(config).expect("a configuration that can be used"), directory, mechanism }
    }

    /// One of pid files, also for the other processes.
    pub fn of_pid_files(test: &str) -> Self {
        Self::with(test, |config| config.mechanism(Mechanism::Pid))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The registry.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// An external lock of the registry.
    pub fn lock(&self, name: &str) -> Lock {
        self.locks.lock(name).external()
    }

    /// The path of a lock file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Takes an external lock if it is free.
    ///
    /// # Panics
    ///
    /// When that is an error.
    #[track_caller]
    pub fn try_acquire(&self, name: &str) -> Option<LockGuard> {
        self.lock(name).try_acquire().expect("a lock that can be tried")
    }

    /// Whether an external lock can be taken within `bound`.
    ///
    /// # Panics
    ///
    /// When there is an error other than a time-out.
    #[track_caller]
    pub fn comes_free(&self, name: &str, bound: Duration) -> bool {
        match self.lock(name).timeout(bound).acquire() {
            Ok(_) => true,
            Err(error) => {
                assert!(error.is_timeout(), "{error}");
                false
            }
        }
    }

    /// Removes the whole directory and makes it anew, as a reboot or a cleaner does.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn renew(&self) {
        fs::remove_dir_all(self.path()).expect("the directory can be removed");
        fs::create_dir(self.path()).expect("the directory can be made");
    }

    /// The command `lockutils` with these arguments, and this directory as its configuration.
    #[track_caller]
    pub fn lockutils(&self, words: &[&str]) -> Command {
        let mut command = Command::new(lockutils());
        self.configure(command.args(words));
        command
    }

    /// The helper program of this crate with these arguments, and this directory as its configuration.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(helper());
        self.configure(command.args(words));
        command
    }

    /// Starts the helper program.
    #[track_caller]
    pub fn helper(&self, words: &[&str]) -> Child {
        Child::spawn(&mut self.command(words))
    }

    /// Starts the helper program with the lock directory `below`, a path below this one.
    #[track_caller]
    pub fn helper_at(&self, below: &str, words: &[&str]) -> Child {
        Child::spawn(self.command(words).env("LOCKUTILS_LOCK_PATH", self.file(below)))
    }

    /// The helper program under strace(1) with these options of it, which writes into a file that it returns.
    #[track_caller]
    pub fn strace(&self, options: &[&str], words: &[&str]) -> (Child, PathBuf) {
        let log = self.path().join("strace.log");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(&log).args(options).arg(helper());
        self.configure(command.args(words));
        (Child::spawn(&mut command), log)
    }

    fn configure(&self, command: &mut Command) {
        command.env("LOCKUTILS_LOCK_PATH", self.path()).env_remove("LOCKUTILS_LOCK_FILE_PREFIX");
        command.env("LOCKUTILS_MECHANISM", self.mechanism);
    }

    /// Another process of ours that can take the lock; see [`Child`] for what it can be told. `words` are the
    /// options of the lock: `read`, `fair`, `async`, `timeout=MS`.
    #[track_caller]
    pub fn actor(&self, name: &str, words: &[&str]) -> Child {
        self.helper(&[&["actor", name], words].concat())
    }

    /// Another process of ours that has the lock.
    #[track_caller]
    pub fn holder(&self, name: &str) -> Child {
        self.holder_with(name, &[])
    }

    /// The same with options of the lock.
    #[track_caller]
    pub fn holder_with(&self, name: &str, words: &[&str]) -> Child {
        let mut holder = self.actor(name, words);
        holder.take();
        holder
    }

    /// Another process of ours that waits for the lock in the kernel.
    #[track_caller]
    pub fn waiter(&self, name: &str, words: &[&str]) -> Child {
        let before = self.waiters(name);
        let mut waiter = self.actor(name, words);
        waiter.say("wait");
        self.has_waiters(name, before + 1);
        waiter
    }

    /// How many wait in the kernel for a lock on the file, of whatever kind: the lines with an arrow of
    /// `/proc/locks`. That comes in pieces, and what changes meanwhile may be seen twice or not at all: what is
    /// seen twice running is true.
    ///
    /// # Panics
    ///
    /// When `/proc/locks` cannot be read.
    pub fn waiters(&self, name: &str) -> usize {
        let mut seen = self.waiters_seen(name);
        loop {
            let again = self.waiters_seen(name);
            if again == seen {
                return seen;
            }
            seen = again;
        }
    }

    /// Who waits without the kernel has the file open and does not hold it. So does who keeps a lock for later: who counts
    /// looks before, too.
    #[cfg(lockutils_portable)]
    fn waiters_seen(&self, name: &str) -> usize {
        let path = self.file(name);
        let Ok(file) = fs::metadata(&path) else { return 0 };
        let locks = kernel_locks().expect("/proc/locks can be read");
        let inode = format!(":{} ", file.ino());
        let held = locks.lines().filter(|line| !line.contains("->") && line.contains(&inode)).count();
        let processes = fs::read_dir("/proc").expect("it can be listed").flatten();
        processes.map(|process| opened(&process.path().join("fd"), &path)).sum::<usize>().saturating_sub(held)
    }

    #[cfg(not(lockutils_portable))]
    fn waiters_seen(&self, name: &str) -> usize {
        let Ok(file) = fs::metadata(self.file(name)) else { return 0 };
        let locks = kernel_locks().expect("/proc/locks can be read");
        let device = file.dev();
        let file =
            format!(" {:02x}:{:02x}:{} ", nix::libc::major(device), nix::libc::minor(device), file.ino());
        locks.lines().filter(|line| line.contains("->") && line.contains(&file)).count()
    }

    /// Waits until so many wait in the kernel.
    #[track_caller]
    pub fn has_waiters(&self, name: &str, number: usize) {
        if cfg!(lockutils_portable) && number == 0 {
            // Who has given up has nothing that could be in anybody's way.
            return;
        }
        // Without the kernel, those who are about to wait are counted too.
        let are_enough = |waiters| waiters == number || cfg!(lockutils_portable) && waiters > number;
        eventually(&format!("{number} wait for {name}"), || are_enough(self.waiters(name)));
    }

    /// Waits until a process has the file open.
    #[track_caller]
    pub fn is_open_in(&self, name: &str, child: &Child) {
        let path = self.file(name);
        eventually(&format!("{name} is open in the process"), || has_open(child, &path));
    }
}

/// `/proc/locks`, in the largest pieces that the kernel gives. `read_to_string` begins with pieces of less than a
/// line, and between two of them a line is missed whenever one before it goes.
fn kernel_locks() -> io::Result<String> {
    let (mut file, mut text, mut piece) = (File::open("/proc/locks")?, Vec::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => return String::from_utf8(text).map_err(io::Error::other),
            length => text.extend_from_slice(&piece[..length]),
        }
    }
}

fn has_open(child: &Child, path: &Path) -> bool {
    opened(Path::new(&format!("/proc/{}/fd", child.pid())), path) > 0
}

/// How many descriptors of a process lead to the file at a path.
fn opened(descriptors: &Path, path: &Path) -> usize {
    let Ok(descriptors) = fs::read_dir(descriptors) else { return 0 };
    let leads_there = |target: PathBuf| target == path;
    descriptors.flatten().filter(|one| fs::read_link(one.path()).is_ok_and(leads_there)).count()
}
