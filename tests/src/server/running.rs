//! A server that runs, and what is done to it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::directory::Directory;
use super::port;
use super::spawn::{mortal, spawn};
use crate::wait::{BOUND, eventually, threads_are};

const EVERY: Duration = Duration::from_millis(2);

/// How often another port is tried.
const TRIES: usize = 5;

/// How one starts a server.
pub(super) struct Plan {
    pub(super) what: &'static str,
    pub(super) port: u16,
    pub(super) directory: Directory,
    pub(super) program: &'static str,
    pub(super) arguments: Vec<String>,
    /// Whether it answers. It is asked only once it listens.
    pub(super) is_ready: Box<dyn Fn() -> bool + Send + Sync>,
}

/// A server: what all engines have in common. It is killed when it is dropped.
pub struct Server {
    plan: Plan,
    process: Mutex<Child>,
}

/// Why it could not be started.
#[derive(Debug)]
pub(super) struct Failed(String);

impl Server {
    /// Starts one on a free port, and on another if somebody else was faster.
    #[track_caller]
    pub(super) fn start(plan: impl Fn(u16) -> Plan) -> Self {
        Self::start_on(port::free, plan)
    }

    #[track_caller]
    pub(super) fn start_on(mut port: impl FnMut() -> u16, plan: impl Fn(u16) -> Plan) -> Self {
        let mut last = None;
        for _ in 0..TRIES {
            let server = Self::launch(plan(port()));
            match server.wait_until_ready() {
                Ok(()) => return server,
                Err(failed) if failed.is_about_the_port() => last = Some(failed),
                Err(failed) => panic!("{failed:?}"),
            }
        }
        panic!("no free port in {TRIES} tries: {last:?}")
    }

    /// Starts one that may need others before it is ready.
    #[track_caller]
    pub(super) fn launch(plan: Plan) -> Self {
        let process = Mutex::new(plan.spawn());
        Self { plan, process }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.plan.port
    }

    /// The number of its process, or of the last that it had.
    ///
    /// # Panics
    ///
    /// Never: process numbers are small.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process().id()).expect("process numbers are small"))
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.plan.directory.path()
    }

    /// What it has written since it was started last.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.plan.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Stops it as it is, and returns when all its threads have stopped. Its connections stay open, and nothing is answered.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    #[track_caller]
    pub fn freeze(&self) {
        let pid = self.pid();
        self.signal(pid, Signal::SIGSTOP);
        eventually("the server stops", || threads_are(pid, 'T'));
    }

    /// Lets it go on after a [`freeze`](Self::freeze).
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[track_caller]
    pub fn thaw(&self) {
        self.signal(self.pid(), Signal::SIGCONT);
    }

    /// Whether a [`freeze`](Self::freeze) has stopped it.
    pub fn is_frozen(&self) -> bool {
        threads_are(self.pid(), 'T')
    }

    /// Kills it with SIGKILL, and returns when it is dead.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    #[track_caller]
    pub fn kill(&self) {
        end(&mut self.process()).expect("a child can be killed and waited for");
    }

    /// Whether its process is there, frozen or not.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    pub fn is_alive(&self) -> bool {
        self.process().try_wait().expect("a child can be waited for").is_none()
    }

    /// Kills it if it still runs, and starts it again on the same port with what is in its directory. Returns when it is
    /// ready.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn restart(&self) {
        self.relaunch();
        self.wait_until_ready().unwrap_or_else(|failed| panic!("{failed:?}"));
    }

    /// The same without the wait, for one that needs others before it is ready.
    #[track_caller]
    pub(super) fn relaunch(&self) {
        self.kill();
        *self.process() = self.plan.spawn();
    }

    /// Waits until it answers.
    pub(super) fn wait_until_ready(&self) -> Result<(), Failed> {
        let started = Instant::now();
        while !self.is_ready() {
            if !self.is_alive() {
                return Err(self.failed("has ended"));
            }
            if started.elapsed() > BOUND {
                return Err(self.failed("is not ready"));
            }
            thread::sleep(EVERY);
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        listens(self.pid(), self.port()) && (self.plan.is_ready)()
    }

    fn failed(&self, what: &str) -> Failed {
        Failed(format!("{} on port {} {what}: {}", self.plan.what, self.port(), self.log()))
    }

    fn process(&self) -> MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn signal(&self, pid: Pid, signal: Signal) {
        assert!(self.is_alive(), "{} is dead", self.plan.what);
        kill(pid, signal)
            .unwrap_or_else(|error| panic!("cannot send {signal} to {}: {error}", self.plan.what));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = end(&mut self.process());
    }
}

impl Plan {
    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    #[track_caller]
    fn spawn(&self) -> Child {
        self.try_spawn().unwrap_or_else(|error| {
            panic!("cannot start {}: {error}; has `tests/install` been run?", self.what)
        })
    }

    fn try_spawn(&self) -> io::Result<Child> {
        let log = File::create(self.log())?;
        let mut command: Command = mortal(self.program);
        command.args(&self.arguments).current_dir(self.directory.path());
        command.stdout(log.try_clone()?).stderr(log);
        spawn(command)
    }
}

impl Failed {
    pub(super) fn is_about_the_port(&self) -> bool {
        self.0.to_lowercase().contains("address already in use")
    }
}

fn end(process: &mut Child) -> io::Result<()> {
    process.kill()?;
    process.wait().map(drop)
}

/// Whether a process listens on a port, by what the kernel says. To connect would not do: somebody else's server may be there,
/// and ZooKeeper leaves those hanging that come too early.
fn listens(pid: Pid, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let sockets = sockets(pid);
    let end_of_address = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns.len() > 9
            && columns[3] == LISTEN
            && columns[1].ends_with(&end_of_address)
            && sockets.iter().any(|inode| inode == columns[9])
    })
}

/// The inodes of a process's sockets.
fn sockets(pid: Pid) -> Vec<String> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let targets = descriptors.flatten().filter_map(|one| fs::read_link(one.path()).ok());
    let inode =
        |target: PathBuf| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    targets.filter_map(inode).collect()
}
