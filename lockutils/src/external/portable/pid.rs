//! Pid files need more of the system than there is here: which of its processes live, and who closes a file.

use std::path::Path;
use std::sync::Arc;

use super::file::Handle;
use super::mechanism::Lack;
use super::remove::{Manner, Removal};
use super::{Directory, Taker};
use crate::error::Error;
use crate::holder::Holder;
use crate::limit::{Ended, Limit};

/// There is none: who configures them gets an error before one is made.
pub(crate) enum PidLock {}

impl PidLock {
    pub(super) fn new(_: Arc<Directory>, name: &str) -> Result<Self, Error> {
        Err(Lack::OF_ANY_PID_FILE.error(name))
    }

    pub(super) fn path(&self) -> &Path {
        match *self {}
    }

    pub(super) fn try_acquire(&self, _: &Taker) -> Result<bool, Error> {
        match *self {}
    }

    pub(super) fn wait(&self, _: &Limit<'_>, _: &Taker) -> Result<Result<(), Ended>, Error> {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "elsewhere it waits")]
    pub(super) async fn wait_async(&self, _: &Taker) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn release(&self) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn token(&self) -> u64 {
        match *self {}
    }

    pub(super) fn is_held(&self) -> bool {
        match *self {}
    }

    pub(super) fn reenter(&self) -> bool {
        match *self {}
    }

    pub(super) fn is_current(&self) -> Result<bool, Error> {
        match *self {}
    }

    pub(super) fn remove(&self, _: Manner) -> Result<Removal, Error> {
        match *self {}
    }
}

#[expect(clippy::unused_self, reason = "elsewhere it is asked")]
impl Directory {
    pub(super) fn pid_holders(&self, name: &str) -> Result<Vec<Holder>, Error> {
        Err(Lack::OF_ANY_PID_FILE.error(name))
    }

    pub(super) fn pid_holder_in(
        &self,
        _: &Arc<Handle>,
        name: &str,
    ) -> Result<Option<(u64, Option<Holder>)>, Error> {
        Err(Lack::OF_ANY_PID_FILE.error(name))
    }

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    pub(super) fn sweep_pid_files(&self) -> Result<(), Error> {
        Ok(())
    }
}
