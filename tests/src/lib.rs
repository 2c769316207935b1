//! Fixtures of the suites: a lock directory of one's own, real processes that take locks, and the programs of
//! other projects that must be excluded. Every wait has a bound, and nothing is skipped: what is missing is
//! an error.

mod child;
mod cli;
mod counter;
mod mounts;
mod peer;
mod place;
mod terminal;
mod wait;

pub use child::Child;
pub use cli::lockutils;
pub use counter::Counter;
pub use mounts::{Mounts, needs_root};
pub use peer::{Peer, python};
pub use place::{Place, helper};
pub use terminal::Terminal;
pub use wait::{BOUND, asleep, eventually, state, within};
