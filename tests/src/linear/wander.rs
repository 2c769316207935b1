//! One who takes locks as it comes.

use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::client::{Client, Way};
use super::event::Event;

/// While it holds a lock, it looks this often whether it is lost.
const SLICE: Duration = Duration::from_millis(20);

/// How long it tries to have a last update of each name when all faults are over.
const PATIENCE: Duration = Duration::from_secs(25);

/// Takes, tries, holds and lets go of the locks of these names as chance has it until it is stopped, and then has one update
/// more of each: when nothing is in the way any more, everybody must get everything.
///
/// # Panics
///
/// When it does not.
pub fn wander<T: FnMut(Event)>(
    client: &mut Client<T>,
    names: &[&str],
    ttl: Duration,
    seed: u64,
    is_stopped: impl Fn() -> bool,
) {
    let mut random = StdRng::seed_from_u64(seed);
    while !is_stopped() {
        let name = names.choose(&mut random).expect("there are names");
        if random.random_bool(0.2) {
            client.look(name);
        } else {
            let way = way(&mut random, ttl);
            update(client, name, way, hold(&mut random, ttl), random.random_bool(0.3));
        }
        thread::sleep(Duration::from_millis(random.random_range(0..20)));
    }
    let started = Instant::now();
    for name in names {
        while !update(client, name, Way::Wait(ttl * 3), Duration::ZERO, false) {
            assert!(started.elapsed() < PATIENCE, "{name} cannot be had");
            thread::sleep(SLICE);
        }
    }
}

fn way(random: &mut StdRng, ttl: Duration) -> Way {
    let limit = ttl.mul_f64(random.random_range(0.0..3.0));
    match random.random_range(0..10) {
        0..=1 => Way::Try,
        2..=5 => Way::Task(limit),
        _ => Way::Wait(limit),
    }
}

/// Mostly a moment, and one time in five up to two lives of a session.
fn hold(random: &mut StdRng, ttl: Duration) -> Duration {
    let most = if random.random_bool(0.2) { ttl * 2 } else { SLICE };
    most.mul_f64(random.random())
}

/// Whether it was done.
fn update<T: FnMut(Event)>(
    client: &mut Client<T>,
    name: &str,
    way: Way,
    hold: Duration,
    by_drop: bool,
) -> bool {
    if !client.ask(name, way) {
        return false;
    }
    let is_done = client.enter() && {
        let begun = Instant::now();
        while begun.elapsed() < hold {
            thread::sleep(SLICE.min(hold));
            client.looks();
        }
        client.looks();
        client.write()
    };
    client.looks();
    client.free(by_drop);
    is_done
}
