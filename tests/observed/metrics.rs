//! What is counted.

use std::collections::BTreeMap;
use std::sync::Once;
use std::thread;

use lockutils::synchronized;
use lockutils_tests::{Place, eventually};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::support::{ms, own};

/// Metrics of one test, which are counted on the threads that run in it.
struct Counted {
    recorder: DebuggingRecorder,
    snapshotter: Snapshotter,
    seen: BTreeMap<String, f64>,
}

impl Counted {
    /// Begins to count in this process: nothing has been counted before.
    fn new() -> Self {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            let mut before = Self::begun();
            before.while_in(|| drop(own().lock("x").acquire()));
            assert!(before.seen.is_empty(), "{:?}", before.seen);
            lockutils::record_metrics();
        });
        Self::begun()
    }

    fn begun() -> Self {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        Self { recorder, snapshotter, seen: BTreeMap::new() }
    }

    fn while_in<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let result = metrics::with_local_recorder(&self.recorder, work);
        self.look();
        result
    }

    /// Looking takes what was counted away.
    fn look(&mut self) {
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let labels: Vec<_> =
                key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let name = format!("{}{{{}}}", key.key().name(), labels.join(","));
            let seen = self.seen.entry(name).or_default();
            match value {
                DebugValue::Counter(times) => *seen += f64::from(u32::try_from(times).expect("few")),
                DebugValue::Gauge(change) => *seen += change.into_inner(),
                DebugValue::Histogram(values) => {
                    *seen += f64::from(u32::try_from(values.len()).expect("few"));
                }
            }
        }
    }

    #[track_caller]
    fn expect(&self, metric: &str, lock: &str, scope: &str, mode: &str, value: f64) {
        let name = format!("lockutils_{metric}{{lock={lock},scope={scope},mode={mode}}}");
        let seen = self.seen.get(&name).copied().unwrap_or_default();
        assert!((seen - value).abs() < 0.1, "{name} is {seen}, not {value}: {:#?}", self.seen);
    }
}

#[test]
fn every_acquire_and_release_is_counted() {
    let place = Place::new("counted");
    let mut counted = Counted::new();
    let [internal, external] = [place.locks().lock("x"), place.lock("x")].map(|lock| lock.label("mine"));
    counted.while_in(|| {
        for _ in 0..3 {
            drop(internal.acquire().expect("free"));
        }
        drop(external.try_acquire().expect("free"));
        drop(internal.clone().read().acquire().expect("free"));
        drop(place.locks().semaphore("s", 2).label("mine").acquire().expect("free"));
        drop(futures_lite::future::block_on(external.acquire_async()).expect("free"));
        drop(internal.clone().reentrant(2).acquire().expect("free"));
    });
    for (scope, mode, times) in [
        ("internal", "write", 4.0),
        ("external", "write", 2.0),
        ("internal", "read", 1.0),
        ("internal", "permit", 1.0),
    ] {
        for metric in ["acquired_total", "wait_seconds", "hold_seconds"] {
            counted.expect(metric, "mine", scope, mode, times);
        }
        counted.expect("held", "mine", scope, mode, 0.0);
        counted.expect("contended_total", "mine", scope, mode, 0.0);
    }
}

#[test]
fn held_locks_are_a_gauge() {
    let mut counted = Counted::new();
    let locks = own();
    let lock = locks.lock("x").read().label("gauge");
    let guards = counted.while_in(|| [lock.acquire().expect("free"), lock.acquire().expect("shared")]);
    counted.expect("held", "gauge", "internal", "read", 2.0);
    counted.while_in(|| drop(guards));
    counted.expect("held", "gauge", "internal", "read", 0.0);
}

/// A million names are one label.
#[test]
fn an_attribute_is_counted_by_its_template() {
    #[synchronized("volume-{id}")]
    fn resize(id: u32) {
        let _ = id;
    }
    #[synchronized("all-volumes")]
    fn all() {}
    #[synchronized]
    fn nameless() {}
    let mut counted = Counted::new();
    counted.while_in(|| {
        (0..100).for_each(resize);
        (0..3).for_each(|_| all());
        nameless();
    });
    counted.expect("acquired_total", "volume-{id}", "internal", "write", 100.0);
    counted.expect("acquired_total", "all-volumes", "internal", "write", 3.0);
    counted.expect("acquired_total", concat!(module_path!(), "::nameless"), "internal", "write", 1.0);
    assert!(!counted.seen.keys().any(|key| key.contains("volume-7")), "{:#?}", counted.seen);
}

#[test]
fn a_lock_without_a_label_is_counted_by_its_place() {
    let mut counted = Counted::new();
    let locks = own();
    counted.while_in(|| {
        for id in 0..50 {
            drop(locks.lock(format!("x-{id}")).acquire().expect("free"));
        }
    });
    let places: Vec<_> = counted.seen.iter().filter(|(key, _)| key.contains("acquired_total")).collect();
    let [(key, times)] = places[..] else { panic!("one place: {places:?}") };
    assert!(key.contains(concat!("lock=", file!(), ":")) && (times - 50.0).abs() < 0.1, "{key}: {times}");
}

#[test]
fn what_was_not_free_is_counted() {
    let mut counted = Counted::new();
    let locks = own();
    let lock = locks.lock("x").label("busy");
    let held = lock.acquire().expect("free");
    counted.while_in(|| {
        thread::scope(|scope| scope.spawn(|| ()).join()).expect("no panic");
        assert!(lock.try_acquire().expect("busy is no error").is_none());
        let limited = lock.clone().timeout(ms(1));
        assert!(limited.acquire().expect_err("busy").is_timeout());
    });
    drop(held);
    counted.expect("contended_total", "busy", "internal", "write", 2.0);
    counted.expect("timed_out_total", "busy", "internal", "write", 1.0);
    counted.expect("acquired_total", "busy", "internal", "write", 0.0);
    counted.expect("waiting", "busy", "internal", "write", 0.0);
}

#[test]
fn those_who_wait_are_a_gauge() {
    let place = Place::new("waiting");
    for (scope, lock) in [("internal", place.locks().lock("x")), ("external", place.lock("y"))] {
        let mut counted = Counted::new();
        let lock = lock.label("wait");
        let held = lock.acquire().expect("free");
        let recorder = std::mem::take(&mut counted.recorder);
        thread::scope(|threads| {
            let waiter = threads.spawn(|| {
                metrics::with_local_recorder(&recorder, || drop(lock.acquire().expect("its turn")));
            });
            eventually("it waits", || {
                counted.look();
                let key = format!("lockutils_waiting{{lock=wait,scope={scope},mode=write}}");
                counted.seen.get(&key).is_some_and(|waiting| *waiting > 0.5)
            });
            drop(held);
            waiter.join().expect("its turn");
        });
        counted.look();
        counted.expect("waiting", "wait", scope, "write", 0.0);
        counted.expect("contended_total", "wait", scope, "write", 1.0);
        counted.expect("acquired_total", "wait", scope, "write", 1.0);
    }
}

/// Whoever leaves first: the lock is held until the last level is let go.
#[test]
fn levels_of_a_re_entrant_lock_are_one_hold_in_whatever_order_they_end() {
    let mut counted = Counted::new();
    let lock = own().lock("x").label("levels").reentrant(3);
    let (first, second) =
        counted.while_in(|| (lock.acquire().expect("free"), lock.acquire().expect("again")));
    counted.while_in(|| drop(first));
    counted.expect("held", "levels", "internal", "write", 1.0);
    counted.expect("hold_seconds", "levels", "internal", "write", 0.0);
    counted.while_in(|| drop(second));
    counted.expect("held", "levels", "internal", "write", 0.0);
    counted.expect("hold_seconds", "levels", "internal", "write", 1.0);
}

/// A lock on which everybody gives up is not idle.
#[test]
fn waits_that_are_cancelled_are_counted_as_contention() {
    let mut counted = Counted::new();
    let locks = own();
    let lock = locks.lock("x").label("cancelled");
    let held = lock.acquire().expect("free");
    counted.while_in(|| {
        let mut wait = std::pin::pin!(lock.acquire_async());
        assert!(futures_lite::future::block_on(futures_lite::future::poll_once(wait.as_mut())).is_none());
    });
    drop(held);
    counted.expect("contended_total", "cancelled", "internal", "write", 1.0);
    counted.expect("waiting", "cancelled", "internal", "write", 0.0);
}
