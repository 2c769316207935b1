//! How the benchmarks measure: rounds in which all cases take turns, and medians over the rounds. Times are
//! those of one machine at one moment; what counts is their ratio within a run.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people: far below 2^52, and positive"
)]

mod bare;

pub use bare::{Bare, open};

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The system's allocator, with a count.
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How many allocations there have been.
#[must_use]
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Relaxed)
}

/// One line of a table.
pub struct Case<'a> {
    name: &'static str,
    batch: Box<dyn FnMut(u32) + 'a>,
    times: Vec<f64>,
    allocations: f64,
}

/// Cases that are measured in turns, as ratios to the first.
#[derive(Default)]
pub struct Table<'a> {
    cases: Vec<Case<'a>>,
}

const BATCH: u32 = 20_000;

impl<'a> Table<'a> {
    /// Adds a case: one operation.
    pub fn add(&mut self, name: &'static str, mut operation: impl FnMut() + 'a) {
        let batch = Box::new(move |times| (0..times).for_each(|_| operation()));
        self.cases.push(Case { name, batch, times: Vec::new(), allocations: 0.0 });
    }

    /// Measures all cases in turns, or the one that is called `only`, and prints them.
    pub fn run(&mut self, rounds: u32, only: Option<&str>) {
        if let Some(only) = only {
            self.cases.retain(|case| case.name == only || only == " ");
        }
        for case in &mut self.cases {
            (case.batch)(BATCH);
            let before = allocations();
            (case.batch)(BATCH);
            case.allocations = (allocations() - before) as f64 / f64::from(BATCH);
        }
        for _ in 0..rounds {
            for case in &mut self.cases {
                let start = Instant::now();
                (case.batch)(black_box(BATCH));
                case.times.push(start.elapsed().as_nanos() as f64 / f64::from(BATCH));
            }
        }
        let unit = median(&mut self.cases[0].times);
        println!("{:<52} {:>9} {:>7} {:>7}", "one thread, nobody else", "ns", "ratio", "allocs");
        for case in &mut self.cases {
            let time = median(&mut case.times);
            println!("{:<52} {time:>9.1} {:>7.2} {:>7.1}", case.name, time / unit, case.allocations);
        }
    }
}

/// The value in the middle.
///
/// # Panics
///
/// Without values.
#[must_use]
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share lies.
///
/// # Panics
///
/// Without values.
#[must_use]
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

/// What `threads` threads did to one thing for a while: operations in all, and the longest wait for one.
#[must_use]
pub fn contend(threads: usize, length: Duration, operation: impl Fn() + Sync) -> (f64, Duration) {
    let start = std::sync::Barrier::new(threads);
    let worker = || {
        start.wait();
        let (end, mut count, mut longest) = (Instant::now() + length, 0_u64, Duration::ZERO);
        let mut last = Instant::now();
        while last < end {
            for _ in 0..16 {
                operation();
                count += 1;
            }
            let now = Instant::now();
            longest = longest.max(now - last);
            last = now;
        }
        (count, longest)
    };
    let results = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        handles.into_iter().filter_map(|handle| handle.join().ok()).collect::<Vec<_>>()
    });
    let count: u64 = results.iter().map(|(count, _)| count).sum();
    let longest = results.iter().map(|(_, longest)| *longest).max().unwrap_or_default();
    (count as f64 / length.as_secs_f64(), longest)
}
