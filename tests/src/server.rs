//! Real servers of the engines, and what can happen to them.
//!
//! Each is started on a free port of the loopback interface with a directory of its own, is ready when its fixture is there,
//! and is killed with it. None outlives the process of the test, however that ends.

mod ask;
mod cluster;
mod directory;
mod etcd;
mod etcd_cluster;
mod etcd_options;
mod peers;
mod port;
mod proxy;
mod proxy_counts;
mod proxy_lines;
mod redis;
mod redis_options;
mod redis_replicated;
mod running;
mod spawn;
#[cfg(test)]
mod taken_port;
mod tls;
mod tool;
mod zookeeper;
mod zookeeper_cluster;
mod zookeeper_look;
mod zookeeper_options;

pub use cluster::{Cluster, Member};
pub use etcd::Etcd;
pub use etcd_cluster::EtcdCluster;
pub use etcd_options::EtcdOptions;
pub use peers::EnginePeer;
pub use proxy::{Proxy, Way};
pub use proxy_counts::Counts;
pub use redis::Redis;
pub use redis_options::RedisOptions;
pub use redis_replicated::RedisReplicated;
pub use running::Server;
pub use tls::Tls;
pub use zookeeper::ZooKeeper;
pub use zookeeper_cluster::ZooKeeperCluster;
pub use zookeeper_look::Znode;
pub use zookeeper_options::ZooKeeperOptions;
