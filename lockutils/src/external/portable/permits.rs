//! Semaphores between processes: there are none, since one lock on a whole file has no parts to give away.

use super::{LockFile, State};
use crate::error::{Error, Kind};

/// How many permits a semaphore may have.
pub(crate) const MOST_PERMITS: u32 = 1 << 20;

/// A permit that is held: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {}

impl LockFile {
    pub(super) fn try_permit(&self, _: u32, _: bool) -> Result<bool, Error> {
        Err(self.no_permits())
    }

    #[expect(clippy::unused_async, reason = "elsewhere it waits")]
    pub(super) async fn wait_for_permit(&self, _: u32) -> Result<(), Error> {
        Err(self.no_permits())
    }

    fn no_permits(&self) -> Error {
        let what = "a semaphore between processes needs locks on parts of a file, which the portable path does without";
        let instead = "make it `internal`, or use one lock for each permit";
        Kind::Unsupported { name: self.name.to_string(), what, instead }.into()
    }
}

impl State {
    #[expect(clippy::unused_self, reason = "elsewhere it is the open file that has the permits")]
    pub(super) fn let_go_of(&self, permit: Permit) -> Result<(), Error> {
        match permit {}
    }
}
