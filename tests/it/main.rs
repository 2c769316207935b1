//! Suites of everything that a user can see.

mod configuration;
mod conformance;
mod deadlocks;
mod errors;
mod fasteners;
mod faults;
mod fencing;
mod filelock;
mod mixed_fleet;
mod names;
mod oslo;
mod peers;
mod portable;
mod processes;
mod scale;
mod semantics;
mod tasks;
mod types;
