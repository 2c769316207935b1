//! Many at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use lockutils::distributed::Share;

use super::bench::Bench;
use super::client::Client;

const CLIENTS: usize = 5;
/// Of each client.
const THREADS: usize = 10;
const ROUNDS: u64 = 4;

/// What the lock is for.
#[derive(Default)]
struct Resource {
    counter: AtomicU64,
    last_token: AtomicU64,
}

pub(super) fn lose_no_update(bench: &Bench) {
    let (clients, name, resource) = (bench.clients::<CLIENTS>(), bench.name("counter"), Resource::default());
    thread::scope(|scope| {
        for client in &clients {
            let (name, resource) = (&name, &resource);
            scope.spawn(move || a_process(client, name, resource));
        }
    });
    assert_eq!(resource.counter.into_inner(), (CLIENTS * THREADS) as u64 * ROUNDS);
}

/// Its threads have a gate in front: they do not compete through the engine.
fn a_process(client: &Client, name: &str, resource: &Resource) {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let _turn = gate.lock().expect("no panic");
                    update(client, name, resource);
                }
            });
        }
    });
}

fn update(client: &Client, name: &str, resource: &Resource) {
    let grant = client.take_at_turn(client.request(name, Share::Write));
    let before = resource.counter.load(Relaxed);
    let last = resource.last_token.swap(grant.token(), Relaxed);
    assert!(grant.token() > last, "{} after {last}", grant.token());
    thread::yield_now();
    resource.counter.store(before + 1, Relaxed);
    client.release(&grant).expect("it is held");
}
