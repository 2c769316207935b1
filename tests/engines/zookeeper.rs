//! Locks that a ZooKeeper ensemble keeps, and what can happen to them.

pub(crate) mod intruder;
