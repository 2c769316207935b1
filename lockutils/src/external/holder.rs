//! Who has a lock file, as far as the kernel and the record in the file can tell.

use std::collections::HashSet;

use super::Sharing;
use super::directory::Opened;
use super::locked::Locked;
use super::range::{self, Range};
use super::record::Record;
use super::table::{Entry, Table};
use crate::error::Error;
use crate::holder::{Evidence, Holder};
use crate::process::{Identity, Life};

impl Opened {
    /// Whether anybody holds the file.
    pub(super) fn is_locked(&self) -> Result<bool, Error> {
        Ok(self.locked()?.is_held())
    }

    /// Those who hold the file. Takes nothing.
    pub(super) fn holders(&self) -> Result<Vec<Holder>, Error> {
        let locked = self.locked()?;
        if !locked.is_held() {
            return Ok(Vec::new());
        }
        // What cannot be read is not known.
        let record = self.record().ok().flatten();
        Ok(Claims::of(&locked).with(record))
    }

    /// What the kernel says of the file.
    pub(super) fn locked(&self) -> Result<Locked, Error> {
        let table = Table::of(&HashSet::from([self.id().inode]))?;
        self.locked_by(table.entries(self.id()))
    }

    /// The same, of one who has looked into the table.
    pub(super) fn locked_by(&self, entries: &[Entry]) -> Result<Locked, Error> {
        let conflict = range::conflict(self.file(), Range::LOCK, Sharing::Alone);
        let conflict = conflict.map_err(|error| Error::io_at("look at lock file", self.path(), error))?;
        Ok(Locked::asked(entries.to_vec(), conflict))
    }
}

/// What the kernel says of those who have a file.
pub(super) struct Claims {
    pids: Vec<u32>,
}

impl Claims {
    pub(super) fn of(locked: &Locked) -> Self {
        Self { pids: locked.pids() }
    }

    /// The holders, with what `record` knows of one of them.
    pub(super) fn with(&self, record: Option<Record>) -> Vec<Holder> {
        let Some(record) = record.filter(Record::names_a_holder) else {
            return self.named(Evidence::Kernel);
        };
        if let Some(pid) = self.writer_of(&record) {
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

    /// Whether the record names somebody who lives and does not have the lock: it comes and goes at this moment.
    pub(super) fn may_have_changed(&self, record: Option<&Record>) -> bool {
        let record = record.filter(|record| !self.pids.is_empty() && record.names_a_holder());
        record.is_some_and(|record| self.writer_of(record).is_none() && record.process.may_live())
    }

    fn writer_of(&self, record: &Record) -> Option<u32> {
        self.pids.iter().copied().find(|pid| is_of(&record.process, *pid))
    }

    /// The record names somebody who does not have the lock.
    fn disputed(&self) -> Vec<Holder> {
        self.named(Evidence::KernelAgainstRecord)
    }

    pub(super) fn named(&self, evidence: Evidence) -> Vec<Holder> {
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
