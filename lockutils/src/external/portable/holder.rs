//! Who has a lock file: whether anybody has is seen by [trying](file::is_locked), and the record in the file says who.

use super::directory::{Existing, Opened};
use super::file::{self, Purpose};
use super::record::Record;
use super::{Directory, Mechanism};
use crate::error::{Error, Kind};
use crate::holder::{Evidence, Holder};
use crate::process::{Identity, Life};

impl Directory {
    /// Whether anybody holds the file.
    pub(crate) fn is_locked(&self, name: &str) -> Result<bool, Error> {
        if self.mechanism() == Mechanism::Pid {
            return self.is_pid_locked(name);
        }
        match self.open_existing(name, Purpose::Look)? {
            Existing::Missing => Ok(false),
            // A remover has the lock at this moment.
            Existing::Leased => Ok(true),
            Existing::NotAFile(path, what) => Err(Kind::NotAFile { path, what }.into()),
            Existing::Open(opened) => is_locked(&opened),
        }
    }

    /// Those who hold the file.
    pub(crate) fn holders(&self, name: &str) -> Result<Vec<Holder>, Error> {
        if self.mechanism() == Mechanism::Pid {
            return self.pid_holders(name);
        }
        match self.open_existing(name, Purpose::Look)? {
            Existing::Missing => Ok(Vec::new()),
            Existing::Leased => Ok(vec![Holder::unknown()]),
            Existing::NotAFile(path, what) => Err(Kind::NotAFile { path, what }.into()),
            Existing::Open(opened) if !is_locked(&opened)? => Ok(Vec::new()),
            Existing::Open(opened) => {
                // What cannot be read is not known.
                let record = opened.record().ok().flatten();
                let record = record.filter(|record| record.is_held && record.is_whole && may_live(record));
                Ok(vec![record.map_or_else(Holder::unknown, |record| {
                    let pid = record.process.pid;
                    Holder::of(record, pid, Evidence::Record)
                })])
            }
        }
    }
}

fn is_locked(opened: &Opened) -> Result<bool, Error> {
    file::is_locked(opened.file()).map_err(|error| Error::io_at("look at lock file", opened.path(), error))
}

/// Whether the writer of a record may still be there. Of other hosts nothing can be seen.
fn may_live(record: &Record) -> bool {
    let writer = &record.process;
    writer.host != Identity::current().host || Life::of(writer.pid).may_be(writer.started)
}
