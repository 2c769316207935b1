//! The engines that keep locks for all hosts: one suite for all of them, and the servers that they need, which
//! `tests/install` installs.

#[path = "../conformance/mod.rs"]
#[allow(dead_code, reason = "the suite of locks uses the rest")]
mod conformance;
mod contract;
mod etcd;
mod forked;
mod leases;
mod linear;
mod matrix;
mod peers;
mod proxy;
mod redis;
mod servers;
mod urls;
mod zookeeper;
