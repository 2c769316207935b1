//! Leases, and the thread that tells of their ends.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use lockutils::distributed::{Lease, Loss, Moment};
use lockutils_tests::{eventually, within};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

fn begin(length: Duration) -> Arc<Lease> {
    Lease::begin(Moment::now(), length)
}

/// One whose time has just passed: often before the thread that looks after it has noticed.
fn over() -> Arc<Lease> {
    let (sent, length) = (Moment::now(), Duration::from_micros(300));
    let lease = Lease::begin(sent, length);
    while Moment::now() < sent.after(length) {
        std::hint::spin_loop();
    }
    lease
}

/// What is told of a lease, in the order of the telling.
fn told(lease: &Arc<Lease>) -> Arc<Mutex<Vec<Loss>>> {
    let all = Arc::<Mutex<Vec<Loss>>>::default();
    let told = Arc::clone(&all);
    lease.on_loss(move |why| told.lock().expect("no panic").push(why));
    all
}

fn is_told(told: &Mutex<Vec<Loss>>, why: Loss) {
    eventually("it is told", || *told.lock().expect("no panic") == [why]);
}

#[test]
fn it_ends_a_hundredth_early_and_counts_from_the_request() {
    let sent = Moment::now();
    let lease = Lease::begin(sent, HOUR);
    let remaining = lease.remaining().expect("it ends");
    let gone = Moment::now().since(sent);
    assert!(remaining <= HOUR * 99 / 100 && remaining + gone >= HOUR * 99 / 100, "{remaining:?}");
    assert!(!lease.is_lost() && lease.loss().is_none());
}

#[test]
fn an_endless_one_has_no_time() {
    let lease = Lease::endless();
    assert_eq!((lease.remaining(), lease.loss()), (None, None));
    assert!(lease.renew(Moment::now(), SHORT), "a renewal makes nothing end earlier");
    assert_eq!(lease.remaining(), None);
    assert_eq!(begin(Duration::MAX).remaining(), None);
    lease.lose(Loss::Ended);
    assert_eq!((lease.remaining(), lease.loss()), (Some(Duration::ZERO), Some(Loss::Ended)));
}

#[test]
fn an_endless_one_can_be_given_an_end() {
    let lease = Lease::endless();
    let told = told(&lease);
    assert!(lease.reset(Moment::now(), SHORT));
    is_told(&told, Loss::Expired);
    assert!(!lease.reset(Moment::now(), HOUR), "it stays lost");
}

#[test]
fn a_renewal_only_puts_the_end_off() {
    let lease = begin(HOUR);
    let before = lease.remaining();
    assert!(lease.renew(Moment::now(), SHORT));
    assert!(lease.remaining() > before.map(|before| before / 2));
    assert!(lease.renew(Moment::now(), HOUR * 2));
    assert!(lease.remaining() > Some(HOUR * 3 / 2));
}

#[test]
fn a_reset_moves_the_end_in_both_directions() {
    let lease = begin(HOUR);
    assert!(lease.reset(Moment::now(), HOUR * 2));
    assert!(lease.remaining() > Some(HOUR * 3 / 2));
    assert!(lease.reset(Moment::now(), HOUR / 2));
    assert!(lease.remaining() <= Some(HOUR / 2));
    lease.reset(Moment::now(), Duration::ZERO);
    assert_eq!(lease.loss(), Some(Loss::Expired));
}

#[test]
fn what_comes_after_the_end_comes_too_late() {
    for _ in 0..100 {
        assert!(!over().renew(Moment::now(), HOUR), "nobody has looked, but it is lost");
        let late = over();
        assert!(!late.reset(Moment::now(), HOUR));
        assert_eq!(late.loss(), Some(Loss::Expired));
        late.lose(Loss::Ended);
        assert_eq!(late.loss(), Some(Loss::Expired), "the first reason stays");
    }
    let lost = begin(HOUR);
    lost.lose(Loss::Taken);
    assert!(!lost.renew(Moment::now(), HOUR) && !lost.reset(Moment::now(), HOUR));
    assert_eq!(lost.loss(), Some(Loss::Taken));
}

/// Threads renew, reset, lose and look: what one of them has seen lost is lost for it from then on, for one reason.
#[test]
fn once_lost_is_always_lost() {
    for round in 0..200 {
        let lease = begin(Duration::from_micros(500));
        let reasons: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|number| (Arc::clone(&lease), StdRng::seed_from_u64(round * 4 + number)))
                .map(|(lease, random)| scope.spawn(move || seen_lost(&lease, random)))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
    }
}

/// Plays with it until it is lost, and a little longer.
fn seen_lost(lease: &Arc<Lease>, mut random: StdRng) -> Loss {
    let length = |random: &mut StdRng| Duration::from_micros(random.random_range(1..500));
    let why = loop {
        match random.random_range(0..8) {
            0 => drop(lease.reset(Moment::now(), length(&mut random))),
            1 => lease.lose(Loss::Ended),
            2 | 3 => drop(lease.renew(Moment::now(), length(&mut random))),
            _ => {}
        }
        if let Some(why) = lease.loss() {
            break why;
        }
    };
    for _ in 0..50 {
        assert!(!lease.renew(Moment::now(), HOUR) && !lease.reset(Moment::now(), HOUR));
        assert_eq!((lease.loss(), lease.remaining()), (Some(why), Some(Duration::ZERO)));
    }
    why
}

#[test]
fn a_loss_is_told_once_whoever_finds_it() {
    const REASONS: [Loss; 4] = [Loss::Ended, Loss::Removed, Loss::Taken, Loss::Destroyed];
    for _ in 0..100 {
        let (lease, start) = (begin(HOUR), Barrier::new(8));
        let before = told(&lease);
        let during = thread::scope(|scope| {
            let (lease, start) = (&lease, &start);
            let threads = (0..8).map(|number| {
                scope.spawn(move || {
                    start.wait();
                    lease.lose(REASONS[number % 4]);
                    told(lease)
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
        });
        let why = lease.loss().expect("it is lost");
        for told in &during {
            is_told(told, why);
        }
        is_told(&before, why);
        // All that was to be told stood before this.
        is_told(&told(&lease), why);
        is_told(&before, why);
    }
}

#[test]
fn it_is_told_at_its_end_though_nobody_looks() {
    let lease = begin(SHORT);
    let told = told(&lease);
    is_told(&told, Loss::Expired);
}

#[test]
fn a_callback_may_panic_and_may_use_the_lease() {
    let (lease, other) = (begin(HOUR), begin(HOUR));
    lease.on_loss(|_| panic!("a callback of the user panics, as it should here"));
    let (again, also) = (Arc::clone(&lease), Arc::clone(&other));
    let inner = Arc::<Mutex<Option<Arc<Mutex<Vec<Loss>>>>>>::default();
    let tell = Arc::clone(&inner);
    lease.on_loss(move |why| {
        also.lose(why);
        *tell.lock().expect("no panic") = Some(told(&again));
        drop((again, also));
    });
    let (after, others) = (told(&lease), told(&other));
    lease.lose(Loss::Closed);
    drop((lease, other));
    is_told(&after, Loss::Closed);
    is_told(&others, Loss::Closed);
    let inner = inner.lock().expect("no panic").take().expect("it was called before");
    is_told(&inner, Loss::Closed);
}

#[test]
fn all_who_await_its_loss_are_woken() {
    let lease = begin(HOUR);
    let waiters: Vec<_> = (0..8)
        .map(|_| Arc::clone(&lease))
        .map(|lease| thread::spawn(move || within("it is lost", move || block_on(lease.lost()))))
        .collect();
    assert_eq!(block_on(poll_once(lease.lost())), None);
    lease.lose(Loss::Removed);
    for waiter in waiters {
        assert_eq!(waiter.join().expect("no panic"), Loss::Removed);
    }
    assert_eq!(block_on(poll_once(lease.lost())), Some(Loss::Removed), "at once, since it is known");
    let short = begin(SHORT);
    assert_eq!(within("it ends", move || block_on(short.lost())), Loss::Expired);
}

#[test]
fn one_that_is_dropped_is_not_lost() {
    let counter = Arc::<AtomicUsize>::default();
    for _ in 0..1000 {
        let (lease, counter) = (begin(SHORT * 25), Arc::clone(&counter));
        lease.on_loss(move |_| {
            counter.fetch_add(1, SeqCst);
        });
    }
    let after = begin(SHORT * 30);
    is_told(&told(&after), Loss::Expired);
    assert_eq!(counter.load(SeqCst), 0);
}

/// They are told in the order of their ends, and none before its time.
#[test]
fn a_thousand_ends_are_told() {
    let mut lengths: Vec<_> = (0..1000).map(|number| Duration::from_micros(200_000 + number * 50)).collect();
    lengths.shuffle(&mut StdRng::seed_from_u64(11));
    let (sent, order) = (Moment::now(), Arc::<Mutex<Vec<Duration>>>::default());
    let leases: Vec<_> = lengths.iter().map(|length| Lease::begin(sent, *length)).collect();
    for (lease, length) in leases.iter().zip(lengths.iter().copied()) {
        let order = Arc::clone(&order);
        lease.on_loss(move |why| {
            assert_eq!(why, Loss::Expired);
            assert!(Moment::now().since(sent) >= length * 99 / 100, "too early");
            order.lock().expect("no panic").push(length);
        });
    }
    // On a machine that is busy some may have been over when they were given their callback.
    let has_been_held_up = Moment::now().since(sent) > lengths[0].min(Duration::from_millis(150));
    eventually("all are told", || order.lock().expect("no panic").len() == 1000);
    let order = order.lock().expect("no panic").clone();
    lengths.sort_unstable();
    if !has_been_held_up {
        assert_eq!(order, lengths, "one after the other");
    }
    let mut told = order;
    told.sort_unstable();
    assert_eq!(told, lengths, "each once");
}

/// The thread looks at the old end of a lease that was renewed, and goes on.
#[test]
fn what_is_renewed_is_not_told() {
    let lease = begin(HOUR);
    let told = told(&lease);
    assert!(lease.reset(Moment::now(), Duration::from_millis(200)) && lease.renew(Moment::now(), HOUR));
    let clock = begin(Duration::from_millis(400));
    is_told(&self::told(&clock), Loss::Expired);
    assert!(told.lock().expect("no panic").is_empty() && !lease.is_lost());
    assert!(lease.reset(Moment::now(), SHORT));
    is_told(&told, Loss::Expired);
}
