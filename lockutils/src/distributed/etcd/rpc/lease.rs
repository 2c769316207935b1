//! Leases: what is attached to one goes with it.

use prost::Message;

use super::Call;

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct LeaseGrant {
    /// In seconds.
    #[prost(int64, tag = "1")]
    pub(crate) ttl: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct LeaseGrantResponse {
    #[prost(int64, tag = "2")]
    pub(crate) id: i64,
    /// What was granted, which may be more than was asked for.
    #[prost(int64, tag = "3")]
    pub(crate) ttl: i64,
    #[prost(string, tag = "4")]
    pub(crate) error: String,
}

impl Call for LeaseGrant {
    type Answer = LeaseGrantResponse;
    const PATH: &'static str = "/etcdserverpb.Lease/LeaseGrant";
}

/// Also deletes all keys that are attached to it.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct LeaseRevoke {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct LeaseRevokeResponse {}

impl Call for LeaseRevoke {
    type Answer = LeaseRevokeResponse;
    const PATH: &'static str = "/etcdserverpb.Lease/LeaseRevoke";
}

/// One of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct KeepAlive {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
}

impl KeepAlive {
    pub(crate) const PATH: &'static str = "/etcdserverpb.Lease/LeaseKeepAlive";
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct KeepAliveResponse {
    /// 0: there is no such lease.
    #[prost(int64, tag = "3")]
    pub(crate) ttl: i64,
}
