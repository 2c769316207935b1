//! Several processes and one lock: what dies, forks, waits, goes away or fails, and what the kernel is asked
//! for.

mod clean;
mod count;
mod crafted;
mod death;
mod directory;
mod end;
// The portable path makes other calls than those that fail here, by their names.
#[cfg(not(lockutils_portable))]
mod errno;
mod filesystems;
pub(crate) mod fork;
mod inherit;
mod limits;
mod order;
mod paths;
// The portable path has no semaphores between processes.
#[cfg(not(lockutils_portable))]
mod permits;
mod points;
mod record;
// As `errno`.
#[cfg(not(lockutils_portable))]
mod refusals;
mod remove;
mod several;
mod share;
mod storage;
mod strace;
mod strange;
mod users;
mod waits;
