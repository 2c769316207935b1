//! Watches: many of them on one stream.

use prost::{Message, Oneof};

use super::kv::KeyValue;

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct WatchRequest {
    #[prost(oneof = "Request", tags = "1, 2")]
    pub(crate) request: Option<Request>,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub(crate) enum Request {
    #[prost(message, tag = "1")]
    Create(Create),
    #[prost(message, tag = "2")]
    Cancel(Cancel),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Create {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) range_end: Vec<u8>,
    /// From this revision on, also what has happened before the watch began.
    #[prost(int64, tag = "3")]
    pub(crate) start_revision: i64,
    #[prost(int32, repeated, tag = "5")]
    pub(crate) filters: Vec<i32>,
    /// Chosen by us; etcd 3.4 and later.
    #[prost(int64, tag = "7")]
    pub(crate) watch_id: i64,
}

impl Create {
    /// A filter: only deletions are told.
    pub(crate) const NO_PUTS: i32 = 0;
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Cancel {
    #[prost(int64, tag = "1")]
    pub(crate) watch_id: i64,
}

impl WatchRequest {
    pub(crate) const PATH: &'static str = "/etcdserverpb.Watch/Watch";
}

impl From<Create> for WatchRequest {
    fn from(create: Create) -> Self {
        Self { request: Some(Request::Create(create)) }
    }
}

impl From<Cancel> for WatchRequest {
    fn from(cancel: Cancel) -> Self {
        Self { request: Some(Request::Cancel(cancel)) }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WatchResponse {
    #[prost(int64, tag = "2")]
    pub(crate) watch_id: i64,
    #[prost(bool, tag = "3")]
    pub(crate) created: bool,
    /// It was ended by the server: what it should tell is no longer known, or it is not for us.
    #[prost(bool, tag = "4")]
    pub(crate) canceled: bool,
    #[prost(message, repeated, tag = "11")]
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// [`Event::DELETE`], or something was put.
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) kv: Option<KeyValue>,
}

impl Event {
    pub(crate) const DELETE: i32 = 1;

    /// The key, if it was deleted.
    pub(crate) fn deleted(self) -> Option<Vec<u8>> {
        self.kv.filter(|_| self.kind == Self::DELETE).map(|kv| kv.key)
    }
}
