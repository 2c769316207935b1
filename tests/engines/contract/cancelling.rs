//! What is given up leaves nothing behind.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use lockutils::distributed::{Entered, Request, Share};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::bench::Bench;
use super::client::Client;
use super::drive::Polled;
use super::wait::Wait;

/// How long those wait who are to give up, where a thread does nothing else.
const SOON: Duration = Duration::from_millis(20);

const WAITS: usize = 100;

/// More polls than any engine needs.
const STEPS: usize = 100;

pub(super) fn an_enter_can_be_dropped_at_every_step(bench: &Bench) {
    let ([holder, comer], free) = (bench.clients(), bench.name("free"));
    for waits in [false, true] {
        dropped_at_every_step(&comer, &free, waits);
        bench.comes_to(&free, &[]);
    }
    let taken = bench.name("taken");
    let grant = holder.take(&taken, Share::Write);
    let before = bench.residue(&taken);
    for waits in [false, true] {
        dropped_at_every_step(&comer, &taken, waits);
        bench.comes_to(&taken, &before);
    }
    holder.verify(&grant).expect("it is still held");
    holder.release(&grant).expect("it is held");
}

/// Before the first poll, after the first, after the second and so on, until one is the last.
fn dropped_at_every_step(comer: &Client, name: &str, waits: bool) {
    for polls in 0..STEPS {
        let mut request = Request::new(name, Share::Write).called_by(comer.by.for_at_most(SOON));
        request.waits = waits;
        if is_done_after(polls, Polled::new(comer.backend.enter(request))) {
            return;
        }
    }
    panic!("it is not done after {STEPS} polls");
}

/// Polls so often, each time when it is called for, and drops it.
fn is_done_after<T>(polls: usize, mut polled: Polled<T>) -> bool {
    (0..polls).any(|number| {
        if number > 0 {
            polled.bell.wait();
        }
        polled.poll().is_some()
    })
}

pub(super) fn a_wait_can_be_dropped_before_its_turn(bench: &Bench) {
    let ([holder, comer, last], name) = (bench.clients(), bench.name("wait"));
    let grant = holder.take(&name, Share::Write);
    let before = bench.residue(&name);
    let mut wait = comer.queue_for(&name, Share::Write, SOON);
    wait.must_wait();
    let next = last.queue(&name, Share::Write);
    drop(wait);
    // Who stood behind it is not held up.
    holder.release(&grant).expect("it is held");
    let grant = next.grant();
    last.release(&grant).expect("it is held");
    bench.comes_to(&name, &[]);
    let grant = holder.take(&name, Share::Write);
    drop(comer.queue_for(&name, Share::Write, SOON));
    bench.comes_to_as_many(&name, before.len());
    holder.release(&grant).expect("it is held");
}

pub(super) fn a_grant_that_nobody_has_seen_is_given_back(bench: &Bench) {
    let ([holder, comer, last], name) = (bench.clients(), bench.name("unseen"));
    let grant = holder.take(&name, Share::Write);
    let mut wait = comer.queue_for(&name, Share::Write, SOON);
    wait.must_wait();
    holder.release(&grant).expect("it is held");
    wait.must_be_woken();
    let next = last.enter(last.request(&name, Share::Write).waiting()).expect("it can be asked for");
    drop(wait);
    let grant = last.granted(next);
    last.release(&grant).expect("it is held");
}

pub(super) fn a_dropped_grant_is_given_back(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("dropped"));
    drop(holder.take(&name, Share::Write));
    let grant = comer.take_at_turn(comer.request(&name, Share::Write));
    let wait = holder.queue(&name, Share::Write);
    drop(grant);
    drop(wait.grant());
    bench.comes_to(&name, &[]);
}

/// While others take the lock and let it go, waits begin and end at any moment.
pub(super) fn a_hundred_waits_can_be_dropped_in_a_crowd(bench: &Bench) {
    let ([one, two, comer], name) = (bench.clients(), bench.name("crowd"));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in [&one, &two] {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    let grant = client.take_at_turn(client.request(&name, Share::Write));
                    client.release(&grant).expect("it is held");
                }
            });
        }
        let _over = Over(&is_over);
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..WAITS {
            dropped_at_some_moment(&comer, &name, &mut random);
        }
    });
}

/// The others end, also if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn dropped_at_some_moment(comer: &Client, name: &str, random: &mut StdRng) {
    let patience = Duration::from_micros(random.random_range(1..3000));
    let request = Request::new(name, Share::Write).called_by(comer.by.for_at_most(patience)).waiting();
    let mut polled = Polled::new(comer.backend.enter(request));
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if let Some(entered) = polled.poll() {
            return drop_later(entered.expect("it can be asked for"), comer, end);
        }
        polled.bell.wait_until(end);
    }
}

fn drop_later(entered: Entered, comer: &Client, end: Instant) {
    if let Entered::Queued(wait) = entered {
        let mut wait = Wait::begin(wait, comer.by);
        while wait.has().is_none() && Instant::now() < end {
            thread::yield_now();
        }
    }
}
