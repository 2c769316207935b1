//! There is no queue: nobody can tell who waits in another process, and whoever looks first gets the lock.

use std::fs::File;
use std::io;

use super::Sharing;

/// Whether somebody waits whom one who shares like this may not overtake.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it is the kernel that is asked")]
pub(super) fn is_waited(_: &File, _: Sharing) -> io::Result<bool> {
    Ok(false)
}
