//! Suites of the engines that keep locks for all hosts, on real servers: `tests/install` installs them.

mod contract;
mod peers;
mod proxy;
mod servers;
mod zookeeper;
