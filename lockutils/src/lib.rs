#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cancel;
mod clean;
mod clock;
mod config;
pub mod distributed;
mod error;
#[cfg(feature = "cli")]
pub mod exit;
mod external;
mod fence;
mod files;
mod guard;
mod holder;
mod internal;
mod limit;
mod lock;
mod locks;
mod many;
mod name;
mod observe;
mod private;
mod process;
mod reads;
mod reentrant;
mod registry;
mod snapshot;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod thread;
mod token;
mod trace;

pub use crate::cancel::Cancel;
pub use crate::clean::{Cleaned, Cleaner};
pub use crate::config::Config;
pub use crate::error::Error;
pub use crate::external::filesystem::{NetworkFileSystem, Policy};
pub use crate::external::remove::Removal;
pub use crate::external::status::{FileState, FileStatus};
pub use crate::external::{Files, Mechanism};
pub use crate::fence::Fence;
pub use crate::guard::LockGuard;
pub use crate::holder::{Evidence, Holder};
pub use crate::lock::{Lock, lock, semaphore};
pub use crate::locks::{Locks, init, locks, with_prefix};
pub use crate::many::{LockAll, LockAllGuard, lock_all};
pub use crate::name::name_of;
#[cfg(feature = "metrics")]
pub use crate::observe::record_metrics;
pub use crate::reentrant::{Reentrant, ReentrantGuard};
pub use crate::snapshot::{LockState, Mode};
#[cfg(feature = "macros")]
pub use lockutils_macros::synchronized;

#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
}
