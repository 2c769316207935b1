//! Locks that are taken for a time, and those that are kept alive.

use std::time::{Duration, Instant};

use lockutils::distributed::{Failure, Loss, Share};
use lockutils_tests::eventually;

use super::bench::Bench;
use super::client::{Client, Held, loss};

pub(super) fn ends_a_lock_at_its_time(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("ends"));
    let started = Instant::now();
    let grant = holder.take_for(&name, bench.ttl());
    let remaining = grant.lease().remaining().expect("it ends");
    assert!(remaining <= bench.ttl(), "{remaining:?}");
    let next = comer.take_at_turn(comer.request(&name, Share::Write));
    assert!(started.elapsed() >= bench.ttl() * 98 / 100, "it was given away after {:?}", started.elapsed());
    assert_eq!(grant.lease().loss(), Some(Loss::Over), "it was given away");
    assert_eq!(loss(holder.verify(&grant)), Loss::Over);
    comer.release(&next).expect("it is held");
}

pub(super) fn can_be_put_off(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("off"));
    let (grant, taken) = put_off(bench, &holder, &name);
    let remaining = grant.lease().remaining().expect("it ends");
    assert!(remaining > bench.at_least(bench.ttl() * 10) && remaining <= bench.ttl() * 20, "{remaining:?}");
    eventually("its first end is over", || taken.elapsed() > bench.ttl() * 5 / 4);
    assert!(comer.try_take(&name, Share::Write).is_none());
    holder.verify(&grant).expect("its end was put off");
    holder.release(&grant).expect("it is held");
}

/// A lock and when it was taken. Its end may come before it is put off, on a machine that is busy.
fn put_off(bench: &Bench, holder: &Client, name: &str) -> (Held, Instant) {
    loop {
        let taken = Instant::now();
        let grant = holder.take_at_turn(holder.request(name, Share::Write).expiring(bench.ttl()));
        match holder.extend(&grant, bench.ttl() * 20) {
            Ok(()) => return (grant, taken),
            Err(Failure::Lost(Loss::Over)) if taken.elapsed() > bench.ttl() / 2 => {}
            other => panic!("it can be put off, but: {other:?}"),
        }
    }
}

pub(super) fn may_be_as_late_as_can_be_said(bench: &Bench) {
    let (holder, name) = (bench.client(), bench.name("late"));
    let grant = holder.take_for(&name, Duration::MAX);
    holder.extend(&grant, Duration::MAX).expect("it is held");
    assert!(grant.lease().remaining().is_none_or(|left| !left.is_zero()));
    holder.verify(&grant).expect("it is held");
    holder.release(&grant).expect("it is held");
}

pub(super) fn can_be_brought_forward(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("forward"));
    let grant = holder.take_for(&name, bench.ttl() * 1000);
    let wait = comer.queue(&name, Share::Write);
    holder.extend(&grant, bench.ttl()).expect("it is held");
    let remaining = grant.lease().remaining().expect("it ends");
    assert!(remaining <= bench.ttl(), "{remaining:?}");
    let next = wait.grant();
    assert_eq!(grant.lease().loss(), Some(Loss::Over));
    comer.release(&next).expect("it is held");
}

pub(super) fn cannot_be_put_off_afterwards(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("late"));
    let grant = holder.take_for(&name, bench.ttl());
    eventually("its time is over", || grant.lease().is_lost());
    assert_eq!(loss(holder.extend(&grant, bench.ttl())), Loss::Over);
    let next = comer.take_at_turn(comer.request(&name, Share::Write).expiring(bench.ttl() * 1000));
    assert_eq!(loss(holder.extend(&grant, bench.ttl())), Loss::Over);
    let remaining = next.lease().remaining().expect("it ends");
    assert!(remaining > bench.at_least(bench.ttl() * 500), "that of another was changed: {remaining:?}");
    comer.verify(&next).expect("it is not touched");
    comer.release(&next).expect("it is held");
}

pub(super) fn is_nothing_for_a_lock_that_is_kept_alive(bench: &Bench) {
    let (holder, name) = (bench.client(), bench.name("alive"));
    let grant = holder.take(&name, Share::Write);
    let refused = holder.extend(&grant, bench.ttl());
    assert!(matches!(refused, Err(Failure::Unsupported { .. })), "{refused:?}");
    holder.verify(&grant).expect("it is still held");
    holder.release(&grant).expect("it is held");
}

pub(super) fn is_counted_from_the_grant(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("counted"));
    let length = bench.ttl() * 2;
    let grant = holder.take(&name, Share::Write);
    let mut wait = comer.queue_request(comer.request(&name, Share::Write).expiring(length));
    let queued = Instant::now();
    eventually("it would have ended", || queued.elapsed() > length * 5 / 4);
    wait.must_wait();
    let released = Instant::now();
    holder.release(&grant).expect("it is held");
    let next = wait.grant();
    let remaining = next.lease().remaining().expect("it ends");
    assert!(remaining <= length, "{remaining:?}");
    assert!(!remaining.is_zero() || released.elapsed() > length / 2, "its time began before its turn");
    holder.release(&holder.take_at_turn(holder.request(&name, Share::Write))).expect("it is held");
    assert!(next.lease().is_lost(), "it was given away");
}

/// A task that is not polled any more has its turn all the same, but not for ever.
pub(super) fn comes_also_for_one_who_does_not_look(bench: &Bench) {
    let ([holder, sleeper, last], name) = (bench.clients(), bench.name("sleeper"));
    let grant = holder.take(&name, Share::Write);
    let mut wait = sleeper.queue_request(sleeper.request(&name, Share::Write).expiring(bench.ttl()));
    wait.must_wait();
    let next = last.queue(&name, Share::Write);
    holder.release(&grant).expect("it is held");
    let next = next.grant();
    last.verify(&next).expect("it is held");
    drop(wait);
    last.verify(&next).expect("who slept does not touch it");
    last.release(&next).expect("it is held");
}
