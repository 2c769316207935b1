//! Suites of the engines that keep locks for all hosts.

mod contract;
mod leases;
mod urls;
