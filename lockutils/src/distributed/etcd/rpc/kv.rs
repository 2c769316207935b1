//! Keys and values, and transactions of them.

use prost::{Message, Oneof};

use super::{Call, Header};

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    /// The revision at which it was made: the fencing token.
    #[prost(int64, tag = "2")]
    pub(crate) create_revision: i64,
    #[prost(int64, tag = "3")]
    pub(crate) mod_revision: i64,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) value: Vec<u8>,
    #[prost(int64, tag = "6")]
    pub(crate) lease: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Range {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    /// Empty: this key alone.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) end: Vec<u8>,
    /// 0: all.
    #[prost(int64, tag = "3")]
    pub(crate) limit: i64,
    #[prost(int32, tag = "5")]
    pub(crate) sort_order: i32,
    #[prost(int32, tag = "6")]
    pub(crate) sort_target: i32,
    #[prost(bool, tag = "8")]
    pub(crate) keys_only: bool,
    #[prost(int64, tag = "13")]
    pub(crate) max_create_revision: i64,
}

impl Range {
    const ASCENDING: i32 = 1;
    const DESCENDING: i32 = 2;
    const BY_CREATION: i32 = 2;

    pub(crate) fn one(key: &[u8]) -> Self {
        Self { key: key.to_vec(), ..Self::default() }
    }

    pub(crate) fn all(key: &[u8], end: &[u8]) -> Self {
        Self { key: key.to_vec(), end: end.to_vec(), ..Self::default() }
    }

    pub(crate) fn oldest_first(self) -> Self {
        Self { sort_order: Self::ASCENDING, sort_target: Self::BY_CREATION, ..self }
    }

    pub(crate) fn newest_first(self) -> Self {
        Self { sort_order: Self::DESCENDING, sort_target: Self::BY_CREATION, ..self }
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) kvs: Vec<KeyValue>,
}

impl RangeResponse {
    pub(crate) fn revision(&self) -> i64 {
        self.header.map_or(0, |header| header.revision)
    }
}

impl Call for Range {
    type Answer = RangeResponse;
    const PATH: &'static str = "/etcdserverpb.KV/Range";
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Put {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
    /// 0: none.
    #[prost(int64, tag = "3")]
    pub(crate) lease: i64,
    /// The key must be there, and keeps its value.
    #[prost(bool, tag = "5")]
    pub(crate) ignore_value: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct DeleteRange {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) range_end: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Done {}

impl Call for DeleteRange {
    type Answer = Done;
    const PATH: &'static str = "/etcdserverpb.KV/DeleteRange";
}

/// What must be so.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Compare {
    #[prost(int32, tag = "1")]
    result: i32,
    #[prost(int32, tag = "2")]
    target: i32,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(oneof = "Target", tags = "5, 6")]
    union: Option<Target>,
    /// For all keys up to this one. Where there are none, the condition holds if it holds for 0.
    #[prost(bytes = "vec", tag = "64")]
    range_end: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Oneof)]
enum Target {
    #[prost(int64, tag = "5")]
    Created(i64),
    #[prost(int64, tag = "6")]
    Modified(i64),
}

impl Compare {
    const EQUAL: i32 = 0;
    const LESS: i32 = 2;
    const NOT_EQUAL: i32 = 3;
    const CREATED: i32 = 1;
    const MODIFIED: i32 = 2;

    /// The key is not there.
    pub(crate) fn absent(key: &[u8]) -> Self {
        Self::created(key, 0)
    }

    /// The key is there, whoever made it.
    pub(crate) fn present(key: &[u8]) -> Self {
        Self { result: Self::NOT_EQUAL, ..Self::created(key, 0) }
    }

    /// The key is the one that was made at this revision.
    pub(crate) fn created(key: &[u8], revision: i64) -> Self {
        let union = Some(Target::Created(revision));
        Self { result: Self::EQUAL, target: Self::CREATED, key: key.to_vec(), union, range_end: Vec::new() }
    }

    /// Nobody has changed it since.
    pub(crate) fn modified(key: &[u8], revision: i64) -> Self {
        let union = Some(Target::Modified(revision));
        Self { target: Self::MODIFIED, union, ..Self::created(key, 0) }
    }

    /// None of these keys was made after this revision.
    pub(crate) fn none_after(key: &[u8], range_end: &[u8], revision: i64) -> Self {
        let range_end = range_end.to_vec();
        Self { result: Self::LESS, range_end, ..Self::created(key, revision + 1) }
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RequestOp {
    #[prost(oneof = "Op", tags = "1, 2, 3")]
    op: Option<Op>,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
enum Op {
    #[prost(message, tag = "1")]
    Range(Range),
    #[prost(message, tag = "2")]
    Put(Put),
    #[prost(message, tag = "3")]
    DeleteRange(DeleteRange),
}

impl From<Range> for RequestOp {
    fn from(range: Range) -> Self {
        Self { op: Some(Op::Range(range)) }
    }
}

impl From<Put> for RequestOp {
    fn from(put: Put) -> Self {
        Self { op: Some(Op::Put(put)) }
    }
}

impl From<DeleteRange> for RequestOp {
    fn from(delete: DeleteRange) -> Self {
        Self { op: Some(Op::DeleteRange(delete)) }
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ResponseOp {
    /// Of a range; those of the others are of no interest.
    #[prost(message, optional, tag = "1")]
    pub(crate) range: Option<RangeResponse>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Txn {
    #[prost(message, repeated, tag = "1")]
    pub(crate) compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) success: Vec<RequestOp>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) failure: Vec<RequestOp>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct TxnResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<Header>,
    #[prost(bool, tag = "2")]
    pub(crate) succeeded: bool,
    #[prost(message, repeated, tag = "3")]
    pub(crate) responses: Vec<ResponseOp>,
}

impl TxnResponse {
    pub(crate) fn revision(&self) -> i64 {
        self.header.map_or(0, |header| header.revision)
    }

    /// What the operation at this place has read.
    pub(crate) fn read(&mut self, at: usize) -> Vec<KeyValue> {
        let range = self.responses.get_mut(at).and_then(|response| response.range.take());
        range.unwrap_or_default().kvs
    }
}

impl Call for Txn {
    type Answer = TxnResponse;
    const PATH: &'static str = "/etcdserverpb.KV/Txn";
}
