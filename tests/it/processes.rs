//! Several processes and one lock: what dies, forks, waits, goes away or fails, and what the kernel is asked
//! for.

mod clean;
mod count;
mod crafted;
mod death;
mod directory;
mod end;
mod errno;
mod filesystems;
mod fork;
mod limits;
mod order;
mod paths;
mod permits;
mod points;
mod record;
mod refusals;
mod remove;
mod several;
mod share;
mod storage;
mod strace;
mod strange;
mod users;
mod waits;
