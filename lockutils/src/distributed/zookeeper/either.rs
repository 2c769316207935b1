//! Two things that may happen.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

pub(super) enum Either<A, B> {
    First(A),
    Second(B),
}

/// What is ready first. Of two that are ready at once, the first.
pub(super) async fn either<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|context| {
        if let Poll::Ready(ready) = a.as_mut().poll(context) {
            return Poll::Ready(Either::First(ready));
        }
        b.as_mut().poll(context).map(Either::Second)
    })
    .await
}

/// What it says if it is ready now.
pub(super) async fn now<A: Future>(a: A) -> Option<A::Output> {
    match either(a, std::future::ready(())).await {
        Either::First(ready) => Some(ready),
        Either::Second(()) => None,
    }
}
