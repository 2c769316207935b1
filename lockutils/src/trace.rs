//! The only place that knows the logging crate. Normal acquires and releases are told at the level trace, and what a user
//! should know of at the level warn.

#[cfg(feature = "tracing")]
mod heard;
#[cfg(not(feature = "tracing"))]
#[path = "trace/unheard.rs"]
mod heard;

pub(crate) use self::heard::{
    IS_TOLD, Span, held_long, is_heard, lost, may_deadlock, no_engine, not_noted, not_unlocked, on_network,
    released, still_waiting, waited_long, waiting, waiting_for_engine, waiting_for_file,
};
