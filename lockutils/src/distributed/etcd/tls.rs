//! `etcds://`: connections that nobody else can read.

#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
mod config;

pub(super) use self::config::{KEYS, of, secured};
