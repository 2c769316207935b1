//! Many at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use lockutils::distributed::Share;

use super::bench::Bench;
use super::client::Client;
use super::wait::Wait;

const CLIENTS: usize = 5;
/// Of each client.
const THREADS: usize = 10;
const ROUNDS: u64 = 4;
/// Of one client at once.
const NAMES: usize = 200;

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

/// How many there are inside.
#[derive(Debug, Default)]
struct Inside {
    writers: u32,
    readers: u32,
    permits: u32,
}

impl Inside {
    fn of(&mut self, share: Share) -> &mut u32 {
        match share {
            Share::Write => &mut self.writers,
            Share::Read => &mut self.readers,
            Share::Permit(_) => &mut self.permits,
        }
    }

    fn is_right(&self) -> bool {
        matches!((self.writers, self.readers, self.permits), (0 | 1, 0, 0) | (0, _, 0) | (0, 0, 0..=2))
    }
}

pub(super) fn of_all_kinds_exclude_each_other(bench: &Bench) {
    const TURNS: usize = 150;
    let (clients, name, inside) = (bench.clients::<4>(), bench.name("kinds"), Mutex::new(Inside::default()));
    let (name, inside) = (&name, &inside);
    thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            scope.spawn(move || {
                for turn in 0..TURNS {
                    // Each meets each other one, sooner or later.
                    let share =
                        [Share::Write, Share::Permit(2), Share::Read][(turn * (number + 1) / 3 + number) % 3];
                    let grant = client.take_at_turn(client.request(name, share));
                    enter(inside, share);
                    thread::yield_now();
                    *inside.lock().expect("all is right").of(share) -= 1;
                    client.release(&grant).expect("it is held");
                }
            });
        }
    });
}

#[track_caller]
fn enter(inside: &Mutex<Inside>, share: Share) {
    let mut inside = inside.lock().expect("all is right");
    *inside.of(share) += 1;
    assert!(inside.is_right(), "{inside:?}");
}

pub(super) fn of_names_fit_into_one_client(bench: &Bench) {
    let [holder, comer] = bench.clients();
    let names: Vec<_> = (0..NAMES).map(|number| bench.name(&number.to_string())).collect();
    let held: Vec<_> = names.iter().map(|name| holder.take(name, Share::Write)).collect();
    let mut waits: Vec<_> = names.iter().map(|name| comer.queue(name, Share::Write)).collect();
    waits.iter_mut().for_each(Wait::must_wait);
    for (grant, wait) in held.into_iter().zip(waits).rev() {
        holder.release(&grant).expect("it is held");
        comer.release(&wait.grant()).expect("it is held");
    }
}

/// A wait is not in the way of anything else that its client does.
pub(super) fn of_requests_pass_a_wait(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("pending"));
    let grant = holder.take(&name, Share::Write);
    let mut wait = comer.queue(&name, Share::Write);
    for other in ["one", "two", "three"].map(|other| bench.name(other)) {
        let held = comer.take(&other, Share::Write);
        wait.must_wait();
        comer.verify(&held).expect("it is held");
        let mut second = holder.queue(&other, Share::Write);
        second.must_wait();
        comer.release(&held).expect("it is held");
        holder.release(&second.grant()).expect("it is held");
        comer.contenders(&name, Share::Write);
    }
    holder.release(&grant).expect("it is held");
    comer.release(&wait.grant()).expect("it is held");
}
