//! Suites of everything that a user can see.

mod assertions;
mod configuration;
#[path = "../conformance/mod.rs"]
mod conformance;
mod deadlocks;
mod distributed;
mod errors;
mod fasteners;
mod faults;
mod fencing;
mod filelock;
mod files;
mod matrix;
mod mixed_fleet;
mod names;
mod oslo;
mod peers;
// The portable path has no pid files.
#[cfg(not(lockutils_portable))]
mod pid_files;
mod portable;
mod processes;
mod scale;
mod semantics;
mod tasks;
mod types;
