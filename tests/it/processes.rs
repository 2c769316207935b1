//! Several processes and one lock: what dies, forks, waits, goes away or fails, and what the kernel is asked
//! for.

mod clean;
mod count;
mod death;
mod directory;
mod errno;
mod filesystems;
mod fork;
mod limits;
mod order;
mod permits;
mod record;
mod remove;
mod several;
mod share;
mod strace;
mod strange;
mod waits;
