//! What becomes of an error: returned, panicked with, or handed to a function.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;

use lockutils::{Error, synchronized};

use crate::support::{hold, panic_text, run};

#[derive(Debug, PartialEq)]
struct ServiceError(String);

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[synchronized("failures-{n}", timeout = "1ms")]
fn own_error(n: u8) -> Result<(), ServiceError> {
    Ok(())
}

#[synchronized("failures-{n}", timeout = "1ms")]
fn lock_error(n: u8) -> Result<(), Error> {
    Ok(())
}

#[synchronized("failures-{n}", blocking = false)]
fn io_error(n: u8) -> io::Result<()> {
    Ok(())
}

#[synchronized("failures-{n}", timeout = "0.5ms")]
fn boxed_error(n: u8) -> Result<(), Box<dyn StdError + Send + Sync>> {
    Ok(())
}

#[synchronized("failures-{n}", timeout = "1ms")]
fn impl_in_result(n: u8) -> std::result::Result<impl Iterator<Item = u8>, ServiceError> {
    Ok(0..n)
}

#[test]
fn results_return_it() {
    let _held = hold(&lockutils::lock("failures-1"));
    let ServiceError(text) = own_error(1).expect_err("a busy lock");
    assert!(text.contains("failures-1"), "{text}");
    assert!(lock_error(1).is_err_and(|error| error.is_timeout()));
    assert!(io_error(1).is_err());
    assert!(boxed_error(1).is_err());
    assert!(impl_in_result(1).is_err());
    assert_eq!(own_error(2), Ok(()));
}

#[synchronized("failures-async-{n}", timeout = "1ms")]
async fn own_error_async(n: u8) -> Result<u8, ServiceError> {
    tokio::task::yield_now().await;
    Ok(n)
}

#[synchronized("failures-async-{n}", blocking = false)]
async fn now_async(n: u8) -> Result<u8, ServiceError> {
    tokio::task::yield_now().await;
    Ok(n)
}

#[synchronized("failures-async-{n}", blocking = false)]
fn now_future(n: u8) -> impl Future<Output = Result<u8, ServiceError>> {
    async move { Ok(n) }
}

#[test]
fn async_results_return_it() {
    let held = hold(&lockutils::lock("failures-async-1"));
    run(async {
        assert!(own_error_async(1).await.is_err());
        assert!(now_async(1).await.is_err());
        assert!(now_future(1).await.is_err());
        drop(held);
        assert_eq!(own_error_async(1).await, Ok(1));
        assert_eq!(now_async(1).await, Ok(1));
        assert_eq!(now_future(1).await, Ok(1));
    });
}

#[synchronized("failures-panic-{n}", timeout = "1ms")]
fn no_result(n: u8) -> u8 {
    n
}

#[synchronized("failures-panic-{n}", blocking = false)]
async fn no_result_async(n: u8) {
    tokio::task::yield_now().await;
    assert_ne!(n, 1);
}

#[synchronized("failures-panic-{n}", timeout = "1ms")]
fn optional(n: u8) -> Option<u8> {
    Some(n)
}

#[synchronized("failures-panic-{n}", timeout = "1ms", on_error = panic)]
fn result_that_panics(n: u8) -> Result<u8, fmt::Error> {
    Ok(n)
}

#[synchronized("failures-panic-{n}", timeout = "1ms")]
fn never(n: u8) -> ! {
    panic!("number {n}")
}

#[test]
fn other_types_panic_with_its_text() {
    let _held = hold(&lockutils::lock("failures-panic-1"));
    for text in [
        panic_text(|| no_result(1)),
        panic_text(|| run(no_result_async(1))),
        panic_text(|| optional(1)),
        panic_text(|| result_that_panics(1)),
        panic_text(|| never(1)),
    ] {
        assert!(text.contains("failures-panic-1"), "{text}");
    }
    assert_eq!(no_result(2), 2);
    assert_eq!(panic_text(|| never(2)), "number 2");
}

#[expect(clippy::needless_pass_by_value, reason = "the attribute hands it over")]
fn none<T>(error: Error) -> Option<T> {
    assert!(!error.to_string().is_empty());
    None
}

struct Worker(u8);

impl Worker {
    #[expect(clippy::needless_pass_by_value, reason = "the attribute hands it over")]
    fn busy(error: Error) -> String {
        error.to_string()
    }

    #[synchronized("failures-call-{n}", blocking = false, on_error = Self::busy)]
    fn work(&self, n: u8) -> String {
        format!("{} {n}", self.0)
    }
}

#[synchronized("failures-call-{n}", timeout = "1ms", on_error = none)]
fn instead(n: u8) -> Option<u8> {
    Some(n)
}

#[synchronized("failures-call-{n}", timeout = "1ms", on_error = drop)]
fn dropped(n: u8) {
    assert!(n > 1, "the body does not run without the lock");
}

#[synchronized("failures-call-{n}", timeout = "1ms", on_error = drop)]
async fn dropped_async(n: u8) {
    assert!(n > 1, "the body does not run without the lock");
}

#[synchronized("failures-call-{n}", timeout = "1ms", on_error = Err)]
fn returned(n: u8) -> Result<u8, Error> {
    Ok(n)
}

#[test]
fn a_function_gives_what_is_returned_instead() {
    let _held = hold(&lockutils::lock("failures-call-1"));
    assert!(Worker(7).work(1).contains("failures-call-1"));
    assert_eq!(Worker(7).work(2), "7 2");
    assert_eq!(instead(1), None);
    assert_eq!(instead(2), Some(2));
    dropped(1);
    dropped(2);
    run(dropped_async(1));
    assert!(returned(1).is_err());
}
