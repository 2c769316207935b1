//! Semaphores between processes: there are none, since one lock on a whole file has no parts to give away.

use super::mechanism::Lack;
use super::{LockFile, State};
use crate::error::Error;

/// How many permits a semaphore may have.
pub(super) const MOST_PERMITS: u32 = 1 << 20;

/// A permit that is held: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {}

impl LockFile {
    pub(super) fn try_permit(&self, _: u32, _: bool) -> Result<bool, Error> {
        Err(Lack::OF_PERMITS.error(&self.name))
    }

    #[expect(clippy::unused_async, reason = "elsewhere it waits")]
    pub(super) async fn wait_for_permit(&self, _: u32) -> Result<(), Error> {
        Err(Lack::OF_PERMITS.error(&self.name))
    }
}

impl State {
    #[expect(clippy::unused_self, reason = "elsewhere it is the open file that has the permits")]
    pub(super) fn let_go_of(&self, permit: Permit) -> Result<(), Error> {
        match permit {}
    }
}
