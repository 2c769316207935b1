//! The few messages and calls of etcd that locks need, written by hand after its public `rpc.proto` and `kv.proto`, so that
//! nobody needs `protoc`.

mod auth;
mod kv;
mod lease;
mod watch;

use prost::Message;

pub(crate) use self::auth::{Authenticate, Status};
pub(crate) use self::kv::{Compare, DeleteRange, KeyValue, Put, Range, RequestOp, Txn, TxnResponse};
pub(crate) use self::lease::{KeepAlive, KeepAliveResponse, LeaseGrant, LeaseRevoke};
pub(crate) use self::watch::{Cancel, Create, Event, WatchRequest, WatchResponse};

/// A request that has one answer.
pub(crate) trait Call: Message + Clone + Default + 'static {
    type Answer: Message + Default + 'static;
    const PATH: &'static str;
}

/// What every answer begins with.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Header {
    #[prost(uint64, tag = "1")]
    pub(crate) cluster_id: u64,
    /// How many changes the store had seen.
    #[prost(int64, tag = "3")]
    pub(crate) revision: i64,
}
