//! The strictest module: no prelude, no unsafe code, everything documented.

#![no_implicit_prelude]
#![deny(unsafe_code, missing_docs, clippy::missing_docs_in_private_items, clippy::nursery)]
#![deny(unused_qualifications, unreachable_pub, single_use_lifetimes, trivial_casts, let_underscore_drop)]
#![deny(elided_lifetimes_in_paths, explicit_outlives_requirements, unused_lifetimes, unused_results)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::shadow_same, clippy::shadow_reuse)]

use ::lockutils::{Error, synchronized};
use ::std::clone::Clone;
use ::std::future::Future;
use ::std::result::Result::{self, Ok};
use ::std::string::String;
use ::std::{assert, assert_eq};

use crate::support::{held, run};

/// Unnamed.
#[synchronized]
fn unnamed() -> bool {
    true
}

/// Without an error path.
#[synchronized("strict-{n}", "strict-{text}")]
fn several(n: u8, text: &str) -> bool {
    held("strict-1") && held("strict-a") && n == 1 && text == "a"
}

/// With one.
#[synchronized("strict-fails", timeout = "1s", fair)]
fn fails() -> Result<bool, Error> {
    Ok(held("strict-fails"))
}

/// Panics.
#[synchronized("strict-panics-{text}", blocking = false)]
async fn panics(text: &str) -> String {
    ::tokio::task::yield_now().await;
    assert!(held("strict-panics-x"));
    Clone::clone(&::std::string::ToString::to_string(text))
}

/// A future.
#[synchronized("strict-future-{n}", timeout = "1s", semaphore = 2)]
fn future(n: u8) -> impl Future<Output = Result<u8, Error>> {
    async move { Ok(n) }
}

#[test]
fn strict_modules_compile() {
    assert!(unnamed());
    assert!(several(1, "a"));
    assert!(fails().is_ok());
    assert_eq!(run(panics("x")), "x");
    assert!(run(future(1)).is_ok());
}
