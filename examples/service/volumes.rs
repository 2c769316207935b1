//! What the locks protect: a file for each volume, and nothing but the locks to keep two from changing it at once.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a user calls a volume. It becomes part of the names of files and locks.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(String);

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = (1..=64).contains(&text.len()) && !text.contains(|c: char| c == '/' || c.is_control());
        if fits { Ok(Self(text)) } else { Err("the id of a volume has 1 to 64 bytes, and no slash in it") }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Volume {
    pub(crate) gib: u64,
    /// How often it has been changed.
    pub(crate) changes: u64,
    /// How large its content is.
    pub(crate) bytes: u64,
}

/// All volumes, in a directory.
///
/// Its functions do not await: what `tokio::fs` has begun goes on in the background when the client has left and the
/// handler is dropped, and with it the lock.
#[derive(Clone)]
pub(crate) struct Volumes(Arc<Path>);

impl Volumes {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self(directory.into()))
    }

    /// `None`: there is none yet.
    pub(crate) fn read(&self, id: &Id) -> io::Result<Option<Volume>> {
        match fs::read(self.path(id, "json")) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What was there stays until all of it is written, since a crash lets go of every lock.
    pub(crate) fn write(&self, id: &Id, mut volume: Volume) -> io::Result<Volume> {
        volume.changes += 1;
        let new = self.path(id, "new");
        fs::write(&new, serde_json::to_vec(&volume)?)?;
        fs::rename(new, self.path(id, "json"))?;
        Ok(volume)
    }

    pub(crate) fn write_content(&self, id: &Id, content: &[u8]) -> io::Result<()> {
        fs::write(self.path(id, "content"), content)
    }

    pub(crate) fn copy(&self, id: &Id) -> io::Result<u64> {
        fs::copy(self.path(id, "json"), self.path(id, "backup"))
    }

    fn path(&self, id: &Id, what: &str) -> PathBuf {
        self.0.join(format!("volume-{id}.{what}"))
    }
}
