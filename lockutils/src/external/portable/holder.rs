//! Who has a lock file: whether anybody has is seen by [trying](file::is_locked), and the record in the file says who.

use super::directory::Opened;
use super::file;
use super::record::Record;
use crate::error::Error;
use crate::holder::{Evidence, Holder};
use crate::process::{Identity, Life};

impl Opened {
    /// Whether anybody holds the file.
    pub(super) fn is_locked(&self) -> Result<bool, Error> {
        file::is_locked(self.file()).map_err(|error| Error::io_at("look at lock file", self.path(), error))
    }

    /// The one who holds the file, as far as it can be told.
    pub(super) fn holders(&self) -> Result<Vec<Holder>, Error> {
        if !self.is_locked()? {
            return Ok(Vec::new());
        }
        // What cannot be read is not known.
        let record = self.record().ok().flatten();
        let record = record.filter(|record| record.names_a_holder() && may_live(record));
        Ok(vec![record.map_or_else(Holder::unknown, |record| {
            let pid = record.process.pid;
            Holder::of(record, pid, Evidence::Record)
        })])
    }
}

/// Whether the writer of a record may still be there. Of other hosts nothing can be seen.
fn may_live(record: &Record) -> bool {
    let writer = &record.process;
    writer.host != Identity::current().host || Life::of(writer.pid).may_be(writer.started)
}
