//! Who has a lock file, as far as the kernel and the record in the file can tell.

use std::path::Path;

use super::Sharing;
use super::directory::Opened;
use super::file;
use super::range::{self, Range};
use super::record::Record;
use crate::error::Error;
use crate::holder::{Evidence, Holder};
use crate::process::{Identity, Life};

impl Opened {
    /// Whether anybody holds the file.
    pub(super) fn is_locked(&self) -> Result<bool, Error> {
        Ok(Claims::on(self)?.is_some())
    }

    /// Those who hold the file. Takes nothing.
    pub(super) fn holders(&self) -> Result<Vec<Holder>, Error> {
        let Some(claims) = Claims::on(self)? else { return Ok(Vec::new()) };
        // What cannot be read is not known.
        let record = self.record().ok().flatten();
        Ok(claims.of(record.filter(|record| record.is_held && record.is_whole)))
    }
}

/// What the kernel says of those who have a file.
struct Claims {
    pids: Vec<u32>,
}

impl Claims {
    /// `None`: nobody has it.
    fn on(opened: &Opened) -> Result<Option<Self>, Error> {
        let failed = |error| Error::io_at("look at lock file", opened.path(), error);
        let conflict = range::conflict(opened.file(), Range::LOCK, Sharing::Alone).map_err(failed)?;
        let seen =
            file::seen(opened.id()).map_err(|error| Error::io_at("read", Path::new("/proc/locks"), error))?;
        if conflict.is_none() && !seen.iter().any(|seen| seen.is_flock) {
            return Ok(None);
        }
        let mut pids: Vec<u32> = seen.iter().map(|seen| seen.pid).collect();
        pids.extend(conflict.and_then(|conflict| conflict.pid));
        pids.sort_unstable();
        pids.dedup();
        Ok(Some(Self { pids }))
    }

    /// The holders, with what `record` knows of one of them.
    fn of(&self, record: Option<Record>) -> Vec<Holder> {
        let Some(record) = record else { return self.named(Evidence::Kernel) };
        if let Some(pid) = self.pids.iter().copied().find(|pid| is_of(&record.process, *pid)) {
            let others = self.pids.iter().filter(|other| **other != pid);
            let others = others.map(|pid| Holder::named(*pid, Evidence::Kernel));
            return [Holder::of(record, pid, Evidence::Both)].into_iter().chain(others).collect();
        }
        if self.pids.is_empty() && is_of_a_boot_that_lasts(&record.process) && record.process.may_live() {
            let pid = record.process.pid;
            return vec![Holder::of(record, pid, Evidence::Record)];
        }
        self.disputed()
    }

    /// The record names somebody who does not have the lock.
    fn disputed(&self) -> Vec<Holder> {
        self.named(Evidence::KernelAgainstRecord)
    }

    fn named(&self, evidence: Evidence) -> Vec<Holder> {
        if self.pids.is_empty() {
            return vec![Holder::unknown()];
        }
        self.pids.iter().map(|pid| Holder::named(*pid, evidence)).collect()
    }
}

/// Whether a process that is seen here under this pid is the one that has written the record. In another pid namespace
/// it has another pid, but it was started when it was.
fn is_of(writer: &Identity, pid: u32) -> bool {
    let me = Identity::current();
    if writer.namespace == 0 && writer.boot.is_empty() {
        // That is all that the portable path knows of itself.
        return writer.pid == pid && writer.host == me.host;
    }
    let is_same = if writer.namespace == me.namespace {
        writer.pid == pid && writer.is_now(Life::of(pid))
    } else {
        Life::of(pid) == Life::Since(writer.started)
    };
    is_same && writer.boot == me.boot
}

/// What ran on this host before it was booted has ended, whoever has its number now.
fn is_of_a_boot_that_lasts(writer: &Identity) -> bool {
    let me = Identity::current();
    writer.host != me.host || writer.boot == me.boot
}
