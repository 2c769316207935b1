//! Two things at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// What is ready first; `one` if both are. The other is dropped.
pub(super) async fn first<T>(one: impl Future<Output = T>, two: impl Future<Output = T>) -> T {
    let (mut one, mut two) = (pin!(one), pin!(two));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(value),
        Poll::Pending => two.as_mut().poll(context),
    })
    .await
}
