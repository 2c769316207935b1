//! What tells that a distributed lock is lost, while something else is waited for.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use lockutils::LockGuard;
use nix::sys::eventfd::{EfdFlags, EventFd};

/// It can be waited for beside other descriptors, until it rings.
pub(super) struct Bell(Arc<EventFd>);

impl Bell {
    pub(super) fn new() -> nix::Result<Self> {
        EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map(|bell| Self(Arc::new(bell)))
    }

    /// Rings when this lock is lost.
    pub(super) fn watch(&self, guard: &LockGuard) {
        let bell = Arc::clone(&self.0);
        guard.on_lost(move |_| {
            // It can only fail when it has rung already.
            let _ = bell.write(1);
        });
    }

    /// Whether it has rung since this was asked last.
    pub(super) fn has_rung(&self) -> bool {
        self.0.read().is_ok()
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
