//! What errors say: the lock, the path, the wait and the way out.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{InTheWay, Kind, LINKING, LOOKING, Others, TAKING, Wait};
use crate::distributed::Failure;
use crate::external::Mechanism;
use crate::registry::Long;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, prefix, rule } => {
                write!(f, "{:?}", Shown(name))?;
                if !prefix.is_empty() {
                    write!(f, " with the prefix {:?}", Shown(prefix))?;
                }
                write!(f, " cannot be the name of a lock: {rule}")
            }
            Self::NoLockPath { name } => write!(
                f,
                "no directory for the lock file of {}: set `lock_path` in the configuration given to \
                 `lockutils::init`, or the environment variable LOCKUTILS_LOCK_PATH (OSLO_LOCK_PATH is read too), \
                 or call `.lock_path(…)` on the lock",
                Shown(name)
            ),
            Self::Timeout(wait) => write_timeout(f, wait),
            Self::Cancelled(wait) => write!(f, "the wait was cancelled for {wait}"),
            Self::Busy(wait) => {
                write!(f, "did not wait for {wait}; try again, or leave `blocking = false` out to wait")
            }
            Self::WouldDeadlock { name, held_at, asked_at, reads } => {
                write!(f, "this thread already holds lock `{name}`")?;
                held_at.map_or(Ok(()), |place| write!(f, ", taken at {place}"))?;
                write!(f, ", and would wait for itself at {asked_at}; ")?;
                match reads {
                    true => write!(f, "a thread that reads cannot go on to write: let go first"),
                    false => write!(f, "let go first, or make both `reentrant`"),
                }
            }
            Self::LimitReached { name, limit } => {
                write!(
                    f,
                    "this thread holds re-entrant lock `{name}` {limit} times, which is its limit; raise it or nest less"
                )
            }
            Self::Mismatch { name, asked, agreed } => write!(
                f,
                "semaphore `{name}` is in use with {agreed} permits, but {asked} were asked for; \
                 use one number for one name"
            ),
            Self::ZeroPermits { name } => {
                write!(f, "semaphore {} was asked for with 0 permits; the least is 1", Shown(name))
            }
            Self::Unsupported { name, what, instead } => write!(f, "{what} (lock `{name}`); {instead}"),
            Self::NamesNobody { path } => write!(
                f,
                "lock file {} does not say who has it, as pid files do: another mechanism or program uses it, or the system \
                 crashed when it was made; remove it if nobody uses it, or choose another name",
                path.display()
            ),
            Self::OtherMechanism { path, found } => write_other_mechanism(f, path, *found),
            Self::NotAFile { path, what } => {
                write!(
                    f,
                    "lock file {} is {what}, not a regular file; move it away or choose another name",
                    path.display()
                )
            }
            Self::Io { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())?;
                hint(doing, source).map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
            Self::FileSystem { path, name, why } => write!(
                f,
                "the lock directory {} is on {name}, and {why}; choose a local directory as `lock_path`, such as one \
                 below /run, or `mechanism = \"pid\"`, or say `network_filesystems = \"allow\"` in the configuration if you know better",
                path.display()
            ),
            Self::Insecure { path } => write!(
                f,
                "everybody may write to the lock directory {}, and so remove the files of others: take that right away \
                 (chmod o-w), or set the sticky bit (chmod +t), or say `insecure_lock_path = true` in the configuration",
                path.display()
            ),
            Self::Lost { name, path } => write!(
                f,
                "lock `{name}` is lost: its file {} was removed or replaced while it was held, and somebody else may \
                 hold it now; stop what it protects, and take it again",
                path.display()
            ),
            Self::LostInEngine { .. }
            | Self::Engine { .. }
            | Self::Unpromised { .. }
            | Self::NoPromises { .. }
            | Self::NoBackend { .. } => self.write_distributed(f),
            Self::Fenced { token, highest } => write!(
                f,
                "fencing token {token} is out of date: {highest} was seen, so somebody else has had the lock since; \
                 take it again"
            ),
            Self::AlreadyInitialized { why } => {
                write!(f, "{why}; call `lockutils::init` once, before the first lock is taken")
            }
            Self::Config { what, source } => {
                write!(f, "{what}")?;
                source.as_ref().map_or(Ok(()), |source| write!(f, ": {source}"))
            }
        }
    }
}

impl Kind {
    /// The texts about engines.
    fn write_distributed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostInEngine { name, location, loss } => write!(
                f,
                "distributed lock `{name}` ({location}) is lost: {loss}, and somebody else may have it by now; stop what it \
                 protects, and take it again"
            ),
            Self::Engine { name, location, doing, failure } => {
                write!(f, "cannot {doing} distributed lock `{name}` ({location}): {failure}")?;
                engine_hint(doing, failure).map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
            Self::Unpromised { name, location, promise } => write!(
                f,
                "distributed lock `{name}` requires {promise:?}, which its engine ({location}) does not promise; configure \
                 another `backend_url`, or leave `require` out"
            ),
            Self::NoPromises { name, promise } => write!(
                f,
                "distributed lock `{name}` requires {promise:?}, and no engine is configured: lock files of this host would take \
                 its place, and exclude nobody on other hosts; set `backend_url` or the environment variable \
                 LOCKUTILS_BACKEND_URL, or say backend_url = \"file:///dir\" if lock files are meant"
            ),
            Self::NoBackend { name } => write!(
                f,
                "no engine for the distributed lock {}: set `backend_url` in the configuration given to `lockutils::init`, or the \
                 environment variable LOCKUTILS_BACKEND_URL; or `lock_path`, for locks of this host alone",
                Shown(name)
            ),
            _ => Ok(()),
        }
    }
}

fn write_other_mechanism(f: &mut fmt::Formatter<'_>, path: &Path, found: Mechanism) -> fmt::Result {
    let (what, name) = match found {
        Mechanism::Kernel => ("was made for a lock of the kernel", "kernel"),
        Mechanism::Pid => ("is a pid file", "pid"),
    };
    write!(
        f,
        "lock file {} {what}, so somebody uses its directory with `mechanism = \"{name}\"`, or did: use one mechanism for one \
         directory, and remove the file if nobody uses it that way any more",
        path.display()
    )
}

fn write_timeout(f: &mut fmt::Formatter<'_>, wait: &Wait) -> fmt::Result {
    write!(f, "gave up on {wait}; ")?;
    f.write_str(if wait.own {
        "it would have waited for itself: let go first"
    } else if wait.is_lost && wait.holder.is_some() {
        "let go of that one first"
    } else if let Some(InTheWay::Elsewhere(_)) = wait.file {
        "a longer timeout may help, but nobody can see from here whether that process lives: if it has ended, remove the \
         file"
    } else if wait.file.is_some() || wait.engine.is_some() {
        "a longer timeout may help"
    } else {
        "a longer timeout or `fair` may help"
    })
}

/// What is known of the lock then, and what to do about it.
fn engine_hint(doing: &str, failure: &Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::Unreachable(_) => match doing {
            TAKING => "nothing is held; check that the engine runs and that `backend_url` leads to it",
            LOOKING => {
                "who has it is not known; check that the engine runs and that `backend_url` leads to it"
            }
            "check" | "extend" => {
                "the lock is held for as long as `remaining` says; check that the engine runs and that `backend_url` leads to it"
            }
            "let go of" => {
                "the lock is free when the engine has heard of it, or when its lease has run out; check that the engine runs and \
                 that `backend_url` leads to it"
            }
            _ => "check that the engine runs and that `backend_url` leads to it",
        },
        Failure::Untrusted(_) => {
            "set `ca` in `backend_url` to the file of who signs the certificates of the engine, and name its hosts as they do"
        }
        Failure::Denied(_) => {
            "check the user and the password in `backend_url`, and what they are allowed to do"
        }
        Failure::Foreign(_) => "choose another name, or a prefix of your own in `backend_url`",
        _ => return None,
    })
}

/// A name as it was written, which may be too long to be read: then its beginning, and how long it is.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl Shown<'_> {
    /// More than this is cut off after `KEPT` bytes.
    const LONGEST: usize = 80;
    const KEPT: usize = 60;

    /// The part that is shown, and what is said of the rest.
    fn parts(&self) -> (&str, String) {
        let Self(name) = *self;
        if name.len() <= Self::LONGEST {
            return (name, String::new());
        }
        let end = (0..=Self::KEPT).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        (&name[..end], format!("… ({} bytes)", name.len()))
    }
}

/// In back ticks.
impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, rest) = self.parts();
        write!(f, "`{part}`{rest}")
    }
}

/// In quotes, for what may hold anything.
impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, rest) = self.parts();
        write!(f, "{part:?}{rest}")
    }
}

/// What to do about an error number.
fn hint(doing: &str, source: &io::Error) -> Option<&'static str> {
    use nix::errno::Errno;
    if doing.starts_with("say in it which process") {
        return Some(
            "pid files need a /proc that can be read: mount it (proc(5)), or let this process read it",
        );
    }
    Some(match Errno::from_raw(source.raw_os_error()?) {
        _ if doing.starts_with("start a thread") => {
            "raise the limits of threads and of memory, or wait without a limit in a thread, which needs no other one"
        }
        Errno::EPERM | Errno::ENOSYS | Errno::EOPNOTSUPP if doing == LINKING => {
            "pid files need hard links, which this file system may not have: choose another `lock_path`, or \
             `mechanism = \"kernel\"` if the file system keeps locks"
        }
        Errno::EACCES | Errno::EPERM if doing == "make the lock directory" => {
            "choose another `lock_path`, or make the directory beforehand and give it to this user"
        }
        Errno::EACCES | Errno::EPERM if doing.ends_with("the lock directory") => {
            "choose another `lock_path`, or change the owner or the mode of the directory or of those above it"
        }
        Errno::EACCES | Errno::EPERM => {
            "check the owner and the mode of the file and of its directory (`lock_file_mode` sets the mode of new \
             files), or choose another `lock_path`"
        }
        Errno::EROFS => "the file system is mounted read-only; choose another `lock_path`",
        Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP if cfg!(lockutils_portable) => {
            "this file system does not keep locks; choose a local directory as `lock_path`, such as one below /run"
        }
        Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP => {
            "this file system does not keep locks; choose a local directory as `lock_path`, such as one below /run, or \
             configure `mechanism = \"pid\"`"
        }
        Errno::EMFILE | Errno::ENFILE => {
            "too many open files; raise the limit or hold fewer external locks at once"
        }
        Errno::ENOSPC | Errno::EDQUOT => {
            "no space for a new file; clean lock files up or choose another `lock_path`"
        }
        Errno::ENOTDIR => "a part of `lock_path` is not a directory",
        Errno::ENAMETOOLONG => "choose a shorter `lock_path`, or say `hashed()` for a long name",
        Errno::ENOMEM => "there is no memory left: try again when there is",
        Errno::EIO | Errno::ESTALE => {
            "the file system fails, or what it lies on: look into the log of the kernel, or choose another `lock_path`"
        }
        _ => "try again, and if that does not help, choose another `lock_path`",
    })
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock `{}`", self.name)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, " ({})", path.display()))?;
        if !self.waited.is_zero() {
            write!(f, " after {}", Seconds(self.waited))?;
        }
        if let Some((location, holders)) = &self.engine {
            return match holders {
                Some(holders) => write!(f, "; it is held by {holders}, as {location} says"),
                None => write!(f, "; somebody else has it at {location}"),
            };
        }
        if let Some((place, _)) = self.holder.as_ref().filter(|_| self.is_lost) {
            f.write_str("; this process has lost it, and a guard of it is still here")?;
            return place.map_or(Ok(()), |place| write!(f, ", taken at {place}"));
        }
        let who = if self.own { "this thread" } else { "this process" };
        match &self.holder {
            Some((place, long)) => {
                match long {
                    Long::Exactly(long) => write!(f, "; {who} has held it for {}", Seconds(*long)),
                    Long::AtLeast(long) => write!(f, "; {who} has held it for {} or longer", Seconds(*long)),
                    Long::Unknown => write!(f, "; {who} has it"),
                }?;
                place.map_or(Ok(()), |place| write!(f, ", taken at {place}"))
            }
            None => match &self.file {
                Some(InTheWay::Holders(holders) | InTheWay::Elsewhere(holders)) => {
                    write!(f, "; its file is held by {holders}")
                }
                Some(InTheWay::Queue) => f.write_str(
                    "; nobody holds its file, but one who came first has not taken it yet: if that process is stopped, it \
                     keeps its place until it goes on or ends",
                ),
                Some(InTheWay::Unknown) => {
                    f.write_str("; its file was let go a moment ago, or is held where it cannot be seen")
                }
                None => write!(f, "; {}", self.others),
            },
        }
    }
}

/// A duration as people write it: `2s`, `1.5s`, `30ms`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0..1000 => write!(f, "{millis}ms"),
            _ if millis.is_multiple_of(1000) => write!(f, "{}s", millis / 1000),
            _ => write!(f, "{:.1}s", self.0.as_secs_f64()),
        }
    }
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("others in this process read it"),
            Self::HavePermits(Some(1)) => f.write_str("its one permit is taken in this process"),
            Self::HavePermits(Some(all)) => write!(f, "all its {all} permits are taken in this process"),
            Self::HavePermits(None) => f.write_str("others in this process have permits of it"),
            Self::Come => f.write_str("others in this process came first"),
        }
    }
}
