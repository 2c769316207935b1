//! Locks of a cluster, on real servers: `tests/install` installs them.

mod peers;
mod proxy;
mod servers;
