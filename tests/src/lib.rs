//! Fixtures of the suites: a lock directory of one's own, real processes that take locks, and the programs of
//! other projects that must be excluded. Every wait has a bound, and nothing is skipped: what is missing is
//! an error.

mod child;
mod counter;
mod fenced_file;
pub mod linear;
mod mounts;
mod named;
mod peer;
mod place;
mod program;
pub mod server;
mod terminal;
mod wait;

pub use child::Child;
pub use counter::Counter;
pub use fenced_file::FencedFile;
pub use mounts::{Mounts, needs_root};
pub use named::{has_test, is_test, repository};
pub use peer::{Peer, python};
pub use place::{Place, helper};
pub use program::{lockutils, service};
pub use terminal::Terminal;
pub use wait::{BOUND, asleep, eventually, state, within};
