//! What a service can see of its locks: events and spans of `tracing`, warnings of long waits and holds, metrics, and
//! snapshots.

mod long;
mod metrics;
mod snapshot;
mod spans;
mod stand_in;
mod support;
