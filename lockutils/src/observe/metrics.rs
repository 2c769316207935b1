//! With the feature `metrics`: what the recorder of the process is given.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use metrics::{
    SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::Way;

const ACQUIRED: &str = "lockutils_acquired_total";
const CONTENDED: &str = "lockutils_contended_total";
const TIMED_OUT: &str = "lockutils_timed_out_total";
const WAIT: &str = "lockutils_wait_seconds";
const HOLD: &str = "lockutils_hold_seconds";
const HELD: &str = "lockutils_held";
const WAITING: &str = "lockutils_waiting";

/// Whether anything is counted.
static RECORDS: AtomicBool = AtomicBool::new(false);

fn records() -> bool {
    RECORDS.load(Relaxed)
}

/// What metrics call a lock: the template of its attribute or what its handle was told. Without one, the place in the source
/// where it is taken. There are as many as the source has, however many names there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(pub(crate) Option<&'static str>);

impl Label {
    pub(crate) const NONE: Self = Self(None);
}

impl Way {
    fn labels(&self) -> [(&'static str, SharedString); 3] {
        let lock = self.label.0.map_or_else(|| self.place.to_string().into(), SharedString::const_str);
        [("lock", lock), ("scope", self.scope.into()), ("mode", self.mode.as_str().into())]
    }
}

/// A wait is counted while this lives.
pub(crate) struct Waiting(Option<metrics::Gauge>);

impl Waiting {
    pub(crate) fn begin(way: &Way) -> Self {
        let gauge = records().then(|| gauge!(WAITING, &way.labels()));
        if let Some(gauge) = &gauge {
            gauge.increment(1.0);
        }
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.decrement(1.0);
        }
    }
}

/// A lock is held, at once or after a wait. Says whether that was counted.
pub(crate) fn acquired(way: &Way, waited: Duration) -> bool {
    if !records() {
        return false;
    }
    let labels = way.labels();
    counter!(ACQUIRED, &labels).increment(1);
    histogram!(WAIT, &labels).record(waited);
    gauge!(HELD, &labels).increment(1.0);
    true
}

/// One that was counted has been let go.
pub(crate) fn released(way: &Way, held: Duration) {
    let labels = way.labels();
    gauge!(HELD, &labels).decrement(1.0);
    histogram!(HOLD, &labels).record(held);
}

/// It was not free.
pub(crate) fn contended(way: &Way) {
    if records() {
        counter!(CONTENDED, &way.labels()).increment(1);
    }
}

/// Somebody has waited in vain.
pub(crate) fn timed_out(way: &Way) {
    if records() {
        counter!(TIMED_OUT, &way.labels()).increment(1);
    }
}

/// Begins to count the locks of the process, with the recorder of the crate `metrics` that is installed. To be called once,
/// after the recorder has been installed and before the first lock is taken: locks that are held already are not counted.
///
/// | metric | kind | counts |
/// |---|---|---|
/// | `lockutils_acquired_total` | counter | locks that were taken |
/// | `lockutils_contended_total` | counter | locks that were not free when they were asked for: waits, and tries that found them busy |
/// | `lockutils_timed_out_total` | counter | waits that came to their limit |
/// | `lockutils_wait_seconds` | histogram | how long it took until the lock was there; 0 when it was free. Waits in vain are not in it |
/// | `lockutils_hold_seconds` | histogram | how long locks were held |
/// | `lockutils_held` | gauge | locks that are held |
/// | `lockutils_waiting` | gauge | threads and tasks that wait |
///
/// Each has three labels: `lock`, `scope` (`internal`, `external`) and `mode` (`write`, `read`, `permit`). `lock` is the
/// template of the attribute (`volume-{id}`), what [`Lock::label`](crate::Lock::label) says, or else the place in the source
/// where the lock is taken; never the name itself, of which there may be millions.
///
/// An acquire and its release then cost about a microsecond more. A program that does not call this pays nothing.
///
/// ```
/// lockutils::record_metrics();
/// ```
pub fn record_metrics() {
    describe_counter!(ACQUIRED, Unit::Count, "locks that were taken");
    describe_counter!(CONTENDED, Unit::Count, "locks that were not free when they were asked for");
    describe_counter!(TIMED_OUT, Unit::Count, "waits for locks that came to their limit");
    describe_histogram!(WAIT, Unit::Seconds, "how long it took until a lock was there");
    describe_histogram!(HOLD, Unit::Seconds, "how long locks were held");
    describe_gauge!(HELD, Unit::Count, "locks that are held");
    describe_gauge!(WAITING, Unit::Count, "threads and tasks that wait for a lock");
    RECORDS.store(true, Relaxed);
    super::want();
}
