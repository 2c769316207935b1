//! The in-process half beside `parking_lot` and tokio:
//! `cargo run --release -p lockutils-benches --bin in-process`.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Lock, lock, synchronized};
use lockutils_benches::{Counting, Table, contend, median};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NAME: &str = "volume-0123456789-resize-op";

#[synchronized("volume-0123456789-resize-op-literal")]
fn literal() {
    black_box(());
}

#[synchronized("volume-0123456789-resize-op-literal")]
async fn literal_async() {
    black_box(());
}

#[synchronized("volume-{id}-resize-op")]
fn template(id: &str) {
    black_box(id);
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(41);
    let only = std::env::args().nth(2);
    if only.as_deref() != Some("contended") {
        uncontended(rounds, only.as_deref());
    }
    if only.is_none_or(|only| only == "contended") {
        contended(rounds);
    }
}

fn take(lock: &Lock) {
    if let Ok(guard) = lock.acquire() {
        black_box(&guard);
    }
}

async fn take_async(lock: &Lock) {
    if let Ok(guard) = lock.acquire_async().await {
        black_box(&guard);
    }
}

async fn take_tokio(mutex: &tokio::sync::Mutex<()>) {
    black_box(&mutex.lock().await);
}

/// What stands where named locks of tasks are not a library's.
#[derive(Default)]
struct Named(parking_lot::Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Named {
    fn get(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut map = self.0.lock();
        if let Some(mutex) = map.get(name) {
            return Arc::clone(mutex);
        }
        Arc::clone(map.entry(name.to_owned()).or_default())
    }

    async fn take(&self, name: &str) {
        let mutex = self.get(name);
        take_tokio(&mutex).await;
        let mut map = self.0.lock();
        // The map's and this one.
        if Arc::strong_count(&mutex) == 2 {
            map.remove(name);
        }
    }
}

fn uncontended(rounds: u32, only: Option<&str>) {
    let plain = parking_lot::Mutex::new(());
    let tokio = tokio::sync::Mutex::new(());
    let kept = lock("volume-0123456789-resize-op-kept");
    let reader = lock("volume-0123456789-resize-op-read").read();
    let semaphore = lockutils::semaphore("volume-0123456789-resize-op-sem", 4);
    let alive = lock(NAME);
    let named = Named::default();
    let _alive = named.get(NAME);
    // Twice: from the second time on, a handle remembers its place.
    for _ in 0..2 {
        take(&alive);
        take(&reader);
    }
    let reentrant = lock("volume-0123456789-resize-op-re").reentrant(10);
    let outer = reentrant.acquire();
    let mut table = Table::default();
    table.add("parking_lot Mutex", || {
        black_box(&plain.lock());
    });
    table.add("attribute, literal name", literal);
    table.add("attribute, template", || template(black_box("0123456789")));
    table.add("kept handle", || take(&kept));
    table.add("kept handle, read", || take(&reader));
    table.add("kept handle, semaphore", || take(&semaphore));
    table.add("re-entry", || drop(black_box(reentrant.acquire())));
    table.add("lock(&name) of a live name", || take(&lock(black_box(NAME))));
    table.add("lock(&name), created and dropped", || {
        take(&lock(black_box("volume-0123456789-resize-op-cold")));
    });
    table.add("tokio Mutex, await", || block_on(take_tokio(&tokio)));
    table.add("tokio Mutex by name in a map, live", || block_on(named.take(black_box(NAME))));
    table.add("tokio Mutex by name in a map, created and dropped", || {
        block_on(named.take(black_box("volume-0123456789-resize-op-cold")));
    });
    table.add("async attribute, literal name", || block_on(literal_async()));
    table.add("async kept handle", || block_on(take_async(&kept)));
    table.add("async lock(&name) of a live name", || block_on(take_async(&lock(black_box(NAME)))));
    table.add("async lock(&name), created and dropped", || {
        block_on(take_async(&lock(black_box("volume-0123456789-resize-op-acold"))));
    });
    table.run(rounds, only);
    drop(outer);
}

fn contended(rounds: u32) {
    let plain = parking_lot::Mutex::new(());
    let ours = lock("contended");
    let fair = lock("contended-fair").fair();
    println!("\n{:<40} {:>12} {:>7} {:>12}", "one lock, empty section", "per second", "ratio", "longest 16");
    for threads in [2, 8, 64] {
        let (mut one, mut two, mut three, mut four) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut longest = [Duration::ZERO; 4];
        for _ in 0..rounds {
            for (at, (rates, operation)) in [
                (&mut one, &(|| drop(black_box(plain.lock()))) as &(dyn Fn() + Sync)),
                (&mut four, &|| take(&fair)),
                (&mut two, &literal),
                (&mut three, &|| take(&ours)),
            ]
            .into_iter()
            .enumerate()
            {
                let (rate, wait) = contend(threads, Duration::from_millis(100), operation);
                rates.push(rate);
                longest[at] = longest[at].max(wait);
            }
        }
        let unit = median(&mut one);
        for (name, rates, longest) in [
            ("parking_lot", &mut one, longest[0]),
            ("lockutils, attribute", &mut two, longest[2]),
            ("lockutils, kept handle", &mut three, longest[3]),
            ("lockutils, fair", &mut four, longest[1]),
        ] {
            let rate = median(rates);
            println!(
                "{:<40} {rate:>12.0} {:>7.2} {longest:>12.1?}",
                format!("{name}, {threads} threads"),
                rate / unit
            );
        }
    }
}
