//! What is dropped when: locals, temporaries of the last expression, the guard, parameters.

use std::cell::RefCell;
use std::future::Future;

use lockutils::synchronized;

use crate::support::{held, run};

thread_local! {
    static DROPS: RefCell<Vec<(&'static str, bool)>> = const { RefCell::new(Vec::new()) };
}

/// Notes, when it is dropped, whether the lock is held.
struct Noted {
    what: &'static str,
    lock: &'static str,
}

impl Noted {
    fn value(&self) -> u8 {
        u8::try_from(self.what.len()).unwrap_or(0)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let held = held(self.lock);
        DROPS.with_borrow_mut(|drops| drops.push((self.what, held)));
    }
}

fn drops() -> Vec<(&'static str, bool)> {
    DROPS.take()
}

const LOCK: &str = "order";

fn noted(what: &'static str) -> Noted {
    Noted { what, lock: LOCK }
}

#[synchronized("order")]
fn sync_body(_parameter: Noted) -> u8 {
    let _local = noted("local");
    noted("tail").value()
}

#[synchronized("order", timeout = "5s")]
fn match_tail(_parameter: Noted) -> Result<u8, lockutils::Error> {
    let _local = noted("local");
    match noted("tail").value() {
        4 => Ok(1),
        _ => Ok(2),
    }
}

#[synchronized("order")]
async fn async_body(_parameter: Noted) -> u8 {
    let _local = noted("local");
    tokio::task::yield_now().await;
    noted("tail").value()
}

#[synchronized("order")]
#[expect(clippy::manual_async_fn, reason = "the shape is what is tested")]
fn future_body(parameter: Noted) -> impl Future<Output = u8> {
    async move {
        let _moved = &parameter;
        let _local = noted("local");
        noted("tail").value()
    }
}

#[synchronized("order")]
fn rebound(parameter: Noted) -> u8 {
    let _parameter = parameter;
    noted("tail").value()
}

#[synchronized("order")]
fn unit_body(_parameter: Noted) {
    let _local = noted("local");
    drop_reference(&noted("tail"))
}

fn drop_reference(_: &Noted) {}

#[test]
fn temporaries_die_before_the_guard_and_parameters_after() {
    // The last expression's temporaries live longer than locals before edition 2024.
    let sorted = |mut drops: Vec<_>| {
        drops.sort_unstable();
        drops
    };
    let expected = [("local", true), ("parameter", false), ("tail", true)];
    sync_body(noted("parameter"));
    assert_eq!(sorted(drops()), expected);
    match_tail(noted("parameter")).expect("a free lock");
    assert_eq!(sorted(drops()), expected);
    run(async_body(noted("parameter")));
    assert_eq!(sorted(drops()), expected);
    run(future_body(noted("parameter")));
    assert_eq!(sorted(drops()), expected);
    unit_body(noted("parameter"));
    assert_eq!(sorted(drops()), expected);
}

#[test]
fn a_parameter_that_the_body_takes_dies_under_the_lock() {
    rebound(noted("parameter"));
    let mut drops = drops();
    drops.sort_unstable();
    assert_eq!(drops, [("parameter", true), ("tail", true)]);
}
