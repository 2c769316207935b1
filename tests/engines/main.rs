//! Locks of a cluster, on real servers: `tests/install` installs them.

mod proxy;
mod servers;
