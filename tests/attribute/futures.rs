//! Async functions, and functions that return futures.

use std::future::Future;
use std::num::ParseIntError;
use std::pin::Pin;

use lockutils::synchronized;
use tokio::task::yield_now;

use crate::support::{held, hold, poll_once, run, sendable};

#[synchronized("futures-early")]
async fn early(text: &str) -> Result<&str, ParseIntError> {
    yield_now().await;
    assert!(held("futures-early"));
    if text.is_empty() {
        return Ok("none");
    }
    let _: u8 = text.parse()?;
    Ok(text)
}

#[synchronized("futures-unit")]
async fn unit() {
    yield_now().await;
    assert!(held("futures-unit"));
}

#[synchronized("futures-nested-impl")]
async fn nested_impl(end: u8) -> Result<impl Iterator<Item = u8>, ParseIntError> {
    yield_now().await;
    Ok(0..end)
}

#[test]
fn async_functions() {
    assert_eq!(run(early("")), Ok("none"));
    assert_eq!(run(early("7")), Ok("7"));
    assert!(run(early("x")).is_err());
    run(unit());
    assert_eq!(run(nested_impl(4)).map(Iterator::sum::<u8>), Ok(6));
    assert!(!held("futures-early"));
}

#[test]
fn nothing_is_held_before_the_first_poll() {
    let future = unit();
    assert!(!held("futures-unit"));
    drop(future);
}

#[synchronized("futures-impl-{name}")]
fn impl_future(name: String) -> impl Future<Output = usize> {
    let kept = name; // The argument is used up before the future runs.
    async move {
        yield_now().await;
        assert!(held(&format!("futures-impl-{kept}")));
        kept.len()
    }
}

#[synchronized("futures-not-moved-{n}")]
fn not_moved(n: u8) -> impl Future<Output = bool> {
    async {
        yield_now().await;
        held("futures-not-moved-3")
    }
}

#[synchronized("futures-kept")]
#[expect(clippy::manual_async_fn, reason = "the shape is what is tested")]
fn kept(answer: &u8) -> impl Future<Output = &u8> {
    async move {
        assert!(held("futures-kept"));
        answer
    }
}

#[synchronized("futures-boxed-{text}")]
fn boxed<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = Result<&'a str, ParseIntError>> + Send + 'a>> {
    assert!(!held(&format!("futures-boxed-{text}")), "only the future holds it");
    Box::pin(async move {
        yield_now().await;
        assert!(held(&format!("futures-boxed-{text}")));
        if text == "0" {
            return Ok("zero");
        }
        let _: u8 = text.parse()?;
        Ok(text)
    })
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[synchronized("futures-alias")]
#[expect(clippy::needless_return, reason = "the shape is what is tested")]
fn alias<'a>(n: u8) -> BoxFuture<'a, u8> {
    return Box::pin(async move {
        assert!(held("futures-alias"));
        n
    });
}

#[test]
fn returned_futures_hold_the_lock_while_they_run() {
    let future = sendable(impl_future(String::from("ab")));
    assert!(!held("futures-impl-ab"));
    assert_eq!(run(future), 2);
    assert!(run(not_moved(3)));
    assert_eq!(run(kept(&4)), &4);
    assert_eq!(run(boxed("0")), Ok("zero"));
    assert!(run(boxed("x")).is_err());
    assert_eq!(run(alias(5)), 5);
}

#[synchronized("futures-cancelled-{n}")]
async fn never_ends(n: u8) {
    let _ = n;
    std::future::pending::<()>().await;
}

#[test]
fn a_cancelled_body_lets_go() {
    let mut future = Box::pin(never_ends(1));
    assert!(poll_once(future.as_mut()).is_none());
    assert!(held("futures-cancelled-1"));
    drop(future);
    assert!(!held("futures-cancelled-1"));
}

#[test]
fn a_cancelled_wait_leaves_no_trace() {
    let other = hold(&lockutils::lock("futures-cancelled-2"));
    let mut future = Box::pin(never_ends(2));
    assert!(poll_once(future.as_mut()).is_none());
    drop(future);
    drop(other);
    assert!(!held("futures-cancelled-2"));
}

struct Unit {
    id: u8,
}

#[synchronized("futures-send-{unit.id}-{text}")]
async fn send(unit: &Unit, text: String) -> usize {
    yield_now().await;
    text.len() + usize::from(unit.id)
}

#[synchronized("futures-send-fails", timeout = "5s")]
async fn send_fallible(bytes: Vec<u8>) -> Result<usize, lockutils::Error> {
    yield_now().await;
    Ok(bytes.len())
}

#[synchronized("futures-send-now", blocking = false)]
async fn send_now() -> Result<(), lockutils::Error> {
    yield_now().await;
    Ok(())
}

#[synchronized("futures-send-{n}", "futures-send-all")]
async fn send_all(n: u8) -> u8 {
    yield_now().await;
    assert!(held("futures-send-all"));
    n
}

#[test]
fn futures_may_move_to_other_threads() {
    assert_eq!(run(sendable(send(&Unit { id: 1 }, String::from("ab")))), 3);
    assert!(run(sendable(send_fallible(vec![1]))).is_ok());
    assert!(run(sendable(send_now())).is_ok());
    assert_eq!(run(sendable(send_all(2))), 2);
}

#[test]
fn an_argument_may_be_set_to_a_local_reference() {
    #[synchronized("futures-local")]
    async fn local(mut text: &str) -> usize {
        let own = String::from("abc");
        if text.is_empty() {
            text = &own;
        }
        yield_now().await;
        text.len()
    }
    assert_eq!(run(local("")), 3);
}

#[test]
fn two_tasks_take_turns() {
    #[synchronized("futures-turns")]
    async fn turn(inside: &std::cell::Cell<u8>) {
        inside.set(inside.get() + 1);
        assert_eq!(inside.get(), 1);
        yield_now().await;
        inside.set(inside.get() - 1);
    }
    let inside = std::cell::Cell::new(0);
    run(async { tokio::join!(turn(&inside), turn(&inside), turn(&inside)) });
}
