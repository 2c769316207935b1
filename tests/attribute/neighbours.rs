//! Other attributes above and below ours.

use async_recursion::async_recursion;
use lockutils::synchronized;
use tracing::instrument;

use crate::support::{held, run, sendable};

#[instrument]
#[synchronized("neighbours-instrument-{n}")]
fn instrument_above(n: u8) -> Result<u8, String> {
    assert!(held(&format!("neighbours-instrument-{n}")));
    Ok(n)
}

#[synchronized("neighbours-instrument-below-{n}")]
#[instrument(err, ret)]
fn instrument_below(n: u8) -> Result<u8, String> {
    assert!(held(&format!("neighbours-instrument-below-{n}")));
    Ok(n)
}

#[instrument(skip(text))]
#[synchronized("neighbours-async-{text}")]
async fn async_instrument_above(text: String) -> usize {
    tokio::task::yield_now().await;
    assert!(held(&format!("neighbours-async-{text}")));
    text.len()
}

#[synchronized("neighbours-async-below-{text}")]
#[instrument]
async fn async_instrument_below(text: String) -> usize {
    tokio::task::yield_now().await;
    assert!(held(&format!("neighbours-async-below-{text}")));
    text.len()
}

#[test]
fn instrument() {
    assert_eq!(instrument_above(1), Ok(1));
    assert_eq!(instrument_below(1), Ok(1));
    assert_eq!(run(sendable(async_instrument_above(String::from("ab")))), 2);
    assert_eq!(run(sendable(async_instrument_below(String::from("ab")))), 2);
}

#[async_recursion]
#[synchronized("neighbours-recursion-{n}")]
async fn recursion_above(n: u8) -> u8 {
    assert!(held(&format!("neighbours-recursion-{n}")));
    if n == 0 {
        return 0;
    }
    1 + recursion_above(n - 1).await
}

#[synchronized("neighbours-recursion-below-{n}")]
#[async_recursion]
async fn recursion_below(n: u8) -> u8 {
    assert!(held(&format!("neighbours-recursion-below-{n}")));
    if n == 0 { 0 } else { 1 + recursion_below(n - 1).await }
}

#[test]
fn async_recursions() {
    assert_eq!(run(recursion_above(3)), 3);
    assert_eq!(run(recursion_below(3)), 3);
}

#[tokio::test]
#[synchronized("neighbours-tokio-above")]
async fn tokio_test_above() {
    tokio::task::yield_now().await;
    assert!(held("neighbours-tokio-above"));
}

#[synchronized("neighbours-tokio-below")]
#[tokio::test]
async fn tokio_test_below() {
    tokio::task::yield_now().await;
    assert!(held("neighbours-tokio-below"));
}

#[test]
#[synchronized]
fn test_above() {
    assert!(held(concat!(module_path!(), "::test_above")));
}

#[synchronized("neighbours-test-{fn}")]
#[test]
fn test_below() {
    assert!(held("neighbours-test-test_below"));
}

#[synchronized("neighbours-outer")]
#[synchronized("neighbours-inner")]
fn twice() {
    assert!(held("neighbours-outer") && held("neighbours-inner"));
}

#[synchronized("neighbours-async-outer")]
#[synchronized("neighbours-async-inner")]
async fn twice_async() {
    tokio::task::yield_now().await;
    assert!(held("neighbours-async-outer") && held("neighbours-async-inner"));
}

#[test]
fn two_of_ours() {
    twice();
    run(twice_async());
}
