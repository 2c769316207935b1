//! How the command is started: as this process was started itself, whatever this one has changed since.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::{Pid, getpid, getppid};

use super::Command;
use super::attend::Child;
use super::signals::Signals;
use crate::failure::Failure;

/// What keeps the command from outliving what this process holds for it, when this one is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    /// What it inherits, or nothing needs to.
    None,
    /// It is killed too.
    Death,
}

impl Command {
    pub(crate) fn spawn(&self, signals: &Signals, tie: Tie) -> Result<Child, Failure> {
        let started = match tie {
            Tie::None => self.start(signals.before()),
            Tie::Death => self.start_tied(*signals.before()),
        };
        started.map(Child::new).map_err(|error| self.failure(&error))
    }

    /// By posix_spawn(3): a fork that copies nothing.
    fn start(&self, mask: &SigSet) -> io::Result<Pid> {
        match start(&self.words, &self.environment()?, mask) {
            // A script without a first line that says what it is for: as execvp(3) has it, and so every shell.
            Err(Errno::ENOEXEC) => {
                let mut words = self.words.clone();
                words[0] = found(self.program()).into_os_string();
                words.insert(0, "/bin/sh".into());
                Ok(start(&words, &self.environment()?, mask)?)
            }
            started => Ok(started?),
        }
    }

    fn environment(&self) -> io::Result<Vec<CString>> {
        let is_set = |name: &OsStr| self.variables.iter().any(|(variable, _)| OsStr::new(variable) == name);
        let inherited = std::env::vars_os().filter(|(name, _)| !is_set(name));
        let added =
            self.variables.iter().filter_map(|(name, value)| Some((OsString::from(name), value.clone()?)));
        let assigned = inherited.chain(added).map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).map_err(io::Error::from)
        });
        assigned.collect()
    }

    /// By fork(2), in whose child there is something to be done.
    fn start_tied(&self, mask: SigSet) -> io::Result<Pid> {
        let parent = getpid();
        let mut command = std::process::Command::new(self.program());
        command.args(&self.words[1..]);
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let prepare = move || {
            set_pdeathsig(Signal::SIGKILL)?;
            if getppid() != parent {
                // It was killed a moment ago.
                raise(Signal::SIGKILL)?;
            }
            mask.thread_set_mask().map_err(io::Error::from)
        };
        // SAFETY: it makes system calls, which allocate and lock nothing.
        unsafe { command.pre_exec(prepare) };
        // This value neither kills the process nor waits for it.
        let id = command.spawn()?.id();
        i32::try_from(id).map(Pid::from_raw).map_err(io::Error::other)
    }
}

fn start(words: &[OsString], environment: &[CString], mask: &SigSet) -> nix::Result<Pid> {
    let words = words.iter().map(|word| CString::new(word.as_bytes()).map_err(|_| Errno::EINVAL));
    let words = words.collect::<nix::Result<Vec<_>>>()?;
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigmask(mask)?;
    // Programs in Rust begin with ignoring it.
    attributes.set_sigdefault(&SigSet::from_iter([Signal::SIGPIPE]))?;
    posix_spawnp(&words[0], &PosixSpawnFileActions::init()?, &attributes, &words, environment)
}

/// The file that a program's name stands for.
fn found(program: &OsStr) -> PathBuf {
    let is_executable = |path: &Path| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH").filter(|_| !program.as_bytes().contains(&b'/'));
    let mut candidates = path.iter().flat_map(std::env::split_paths).map(|directory| directory.join(program));
    candidates.find(|path| is_executable(path)).unwrap_or_else(|| program.into())
}
