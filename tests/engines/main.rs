//! Locks of a cluster, on real servers: `tests/install` installs them.

mod contract;
mod etcd;
mod leases;
mod peers;
mod proxy;
mod servers;
mod urls;
