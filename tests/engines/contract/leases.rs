//! What holders are told of their locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use lockutils::distributed::{Lease, Share};
use lockutils_tests::eventually;

use super::bench::Bench;
use super::drive::answer;

/// How long a session without a sign of life would be over for sure.
const LIVES: u32 = 3;

pub(super) fn are_kept_alive_while_the_process_lives(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("alive"));
    let held = [Share::Write, Share::Write].map(|share| {
        let name = bench.name("more");
        holder.take(&name, share)
    });
    let grant = holder.take(&name, Share::Write);
    let mut wait = comer.queue(&name, Share::Write);
    let started = Instant::now();
    eventually("a long time has passed", || {
        assert!(!grant.lease().is_lost(), "{grant:?}");
        wait.must_wait();
        started.elapsed() > bench.ttl() * LIVES
    });
    for grant in held.iter().chain([&grant]) {
        holder.verify(grant).expect("it is kept alive");
        holder.release(grant).expect("it is held");
    }
    let next = wait.grant();
    comer.verify(&next).expect("who has waited so long holds it all the same");
    comer.release(&next).expect("it is held");
}

pub(super) fn tell_of_their_end_once(bench: &Bench) {
    let ([holder, other], name) = (bench.clients(), bench.name("told"));
    let grant = holder.take(&name, Share::Write);
    let (first, second) = (told(grant.lease()), told(grant.lease()));
    grant.lease().on_loss(|_| panic!("a callback of the user panics, as it should here"));
    let third = told(grant.lease());
    assert_eq!(first.load(SeqCst) + second.load(SeqCst) + third.load(SeqCst), 0);
    other.destroy(&name, Share::Write);
    let lease = Arc::clone(grant.lease());
    let why = answer(async move { lease.lost().await });
    assert_eq!(grant.lease().loss(), Some(why));
    let late = told(grant.lease());
    for counter in [&first, &second, &third, &late] {
        eventually("each callback is called", || counter.load(SeqCst) > 0);
    }
    let _ = (holder.verify(&grant), holder.release(&grant));
    let last = told(grant.lease());
    eventually("each callback is called", || last.load(SeqCst) > 0);
    let times = [&first, &second, &third, &late, &last].map(|counter| counter.load(SeqCst));
    assert_eq!(times, [1; 5]);
}

/// How often a callback was called.
fn told(lease: &Arc<Lease>) -> Arc<AtomicUsize> {
    let counter = Arc::<AtomicUsize>::default();
    let told = Arc::clone(&counter);
    lease.on_loss(move |_| {
        told.fetch_add(1, SeqCst);
    });
    counter
}

pub(super) fn are_not_told_of_what_was_let_go(bench: &Bench) {
    let (client, name) = (bench.client(), bench.name("let-go"));
    let grant = client.take(&name, Share::Write);
    let counter = told(grant.lease());
    client.release(&grant).expect("it is held");
    drop(grant);
    client.release(&client.take(&name, Share::Write)).expect("it is held");
    assert_eq!(counter.load(SeqCst), 0, "to let go is no loss");
}
