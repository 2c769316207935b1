//! Without the feature `tracing`: nothing is said.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use crate::distributed::Loss;
use crate::error::Error;
use crate::holder::Holders;
use crate::observe::About;

/// Whether anybody can be told.
pub(crate) const IS_TOLD: bool = false;

type Place = &'static Location<'static>;

#[inline]
pub(crate) fn is_heard() -> bool {
    false
}

pub(crate) struct Span;

#[expect(clippy::unused_self, reason = "it stands for one that has something to say")]
impl Span {
    pub(crate) fn new(_: &About) -> Self {
        Self
    }

    pub(crate) fn around<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }

    pub(crate) async fn around_async<F: Future>(&self, work: F) -> F::Output {
        work.await
    }

    pub(crate) fn acquired(&self, _: &About, _: Duration) {}
}

pub(crate) fn released(_: &About, _: Duration) {}
pub(crate) fn waiting(_: &str, _: Place) {}
pub(crate) fn waiting_for_file(_: &Path, _: Place, _: impl FnOnce() -> Option<Holders>) {}
pub(crate) fn still_waiting(_: Place, _: impl FnOnce() -> crate::error::Wait) {}
pub(crate) fn waited_long(_: &About, _: Duration) {}
pub(crate) fn held_long(_: &About, _: Duration, _: Duration) {}
pub(crate) fn may_deadlock(_: &str, _: Place) {}
pub(crate) fn not_unlocked(_: &Error) {}
pub(crate) fn not_noted(_: &Path, _: &dyn Display) {}
pub(crate) fn no_engine(_: &str) {}
pub(crate) fn on_network(_: &Path, _: &'static str, _: &'static str) {}
pub(crate) fn waiting_for_engine(_: &str, _: Place, _: &str) {}
pub(crate) fn lost(_: &str, _: &str, _: Loss) {}
