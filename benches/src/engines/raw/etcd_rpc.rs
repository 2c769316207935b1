//! The messages of etcd's public `rpc.proto` and `kv.proto` that the raw client sends, as far as it fills them in.

use prost::{Message, Oneof};

pub(super) const TXN: &str = "/etcdserverpb.KV/Txn";
pub(super) const PUT: &str = "/etcdserverpb.KV/Put";
pub(super) const GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
pub(super) const WATCH: &str = "/etcdserverpb.Watch/Watch";

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LeaseGrant {
    #[prost(int64, tag = "1")]
    pub(super) ttl: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Lease {
    #[prost(int64, tag = "2")]
    pub(super) id: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Put {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(super) lease: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Delete {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Done {}

/// The key was made at this revision; 0: it is not there.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Compare {
    #[prost(int32, tag = "1")]
    pub(super) result: i32,
    #[prost(int32, tag = "2")]
    pub(super) target: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) key: Vec<u8>,
    /// One of several in etcd's own message: written also when it is 0.
    #[prost(int64, optional, tag = "5")]
    pub(super) created: Option<i64>,
}

impl Compare {
    pub(super) fn made_at(key: &[u8], revision: i64) -> Self {
        const CREATED: i32 = 1;
        Self { result: 0, target: CREATED, key: key.to_vec(), created: Some(revision) }
    }
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub(super) enum Op {
    #[prost(message, tag = "2")]
    Put(Put),
    #[prost(message, tag = "3")]
    Delete(Delete),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct RequestOp {
    #[prost(oneof = "Op", tags = "2, 3")]
    pub(super) op: Option<Op>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Txn {
    #[prost(message, repeated, tag = "1")]
    pub(super) compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub(super) success: Vec<RequestOp>,
}

impl Txn {
    pub(super) fn of(compare: Compare, op: Op) -> Self {
        Self { compare: vec![compare], success: vec![RequestOp { op: Some(op) }] }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Header {
    #[prost(int64, tag = "3")]
    pub(super) revision: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct TxnAnswer {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
    #[prost(bool, tag = "2")]
    pub(super) succeeded: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Create {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) create: Option<Create>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct WatchAnswer {
    #[prost(bool, tag = "3")]
    pub(super) created: bool,
}
