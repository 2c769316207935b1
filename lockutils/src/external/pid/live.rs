//! The ids that this process uses: what it has left behind, since it could not remove it, is told from what somebody in
//! it has.

use std::collections::HashSet;

use nix::errno::Errno;
use nix::libc;
use parking_lot::Mutex;

use super::super::file::retried;
use super::slot::Id;
use crate::process::PerProcess;

static LIVE: PerProcess<Mutex<HashSet<Id>>> = PerProcess::new();

fn all() -> &'static Mutex<HashSet<Id>> {
    LIVE.get(Mutex::default)
}

/// Whether somebody in this process uses it.
pub(super) fn is(id: Id) -> bool {
    all().lock().contains(&id)
}

/// An id that is in use as long as this lives.
#[derive(Debug)]
pub(super) struct Number(Id);

impl Number {
    /// 128 random bits.
    pub(super) fn new() -> nix::Result<Self> {
        let mut bytes = [0; 16];
        let length = retried(|| {
            // SAFETY: getrandom(2) writes at most so many bytes into the buffer.
            Errno::result(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) })
        })?;
        if length.unsigned_abs() != bytes.len() {
            return Err(Errno::EIO);
        }
        let id = Id(u128::from_ne_bytes(bytes));
        all().lock().insert(id);
        Ok(Self(id))
    }

    pub(super) fn id(&self) -> Id {
        self.0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        all().lock().remove(&self.0);
    }
}
