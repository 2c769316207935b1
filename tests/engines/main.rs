//! The engines that keep locks for all hosts: one suite for all of them, and the servers that they need, which
//! `tests/install` installs.

mod contract;
mod etcd;
mod leases;
mod peers;
mod proxy;
mod servers;
mod urls;
mod zookeeper;
