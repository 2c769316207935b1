//! The whole crate is strict.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unsafe_code)]

/// Unnamed.
#[::lockutils::synchronized]
pub fn unnamed() {}

/// With options.
#[::lockutils::synchronized("strict-{n}", "strict", timeout = "1s")]
pub fn fallible(n: u8) -> ::std::result::Result<u8, ::lockutils::Error> {
    ::std::result::Result::Ok(n)
}

/// Async.
#[::lockutils::synchronized("strict-{n}", blocking = false)]
pub async fn later(n: u8) -> u8 {
    n
}

fn main() {
    unnamed();
    ::std::assert!(fallible(1).is_ok());
    ::std::mem::drop(later(1));
}
