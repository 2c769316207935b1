//! The end of a session, by its own client.

use lockutils::distributed::{Loss, Request, Share};
use lockutils_tests::eventually;

use super::bench::Bench;
use super::client::{Client, Held, loss};

pub(super) fn lets_everything_go(bench: &Bench) {
    let [holder, comer] = bench.clients();
    let names = ["one", "two", "three"].map(|name| bench.name(name));
    let held = names.each_ref().map(|name| holder.take(name, Share::Write));
    let elsewhere = comer.take(&bench.name("kept"), Share::Write);
    bench.close(&holder);
    for (name, lost) in names.iter().zip(&held) {
        let next = comer.take_at_turn(comer.request(name, Share::Write));
        assert_eq!(lost.lease().loss(), Some(Loss::Closed), "it was given away");
        comer.release(&next).expect("it is held");
    }
    comer.verify(&elsewhere).expect("it is of another session");
    let next = comer.take(&names[0], Share::Write);
    drop(held);
    comer.verify(&next).expect("what is dropped after the end of its session touches nobody");
    comer.release(&next).expect("it is held");
    comer.release(&elsewhere).expect("it is held");
}

pub(super) fn ends_waits(bench: &Bench) {
    let ([holder, leaver, last], name) = (bench.clients(), bench.name("waits"));
    let grant = holder.take(&name, Share::Write);
    let mut wait = leaver.queue(&name, Share::Write);
    wait.must_wait();
    let next = last.queue(&name, Share::Write);
    bench.close(&leaver);
    assert_eq!(loss(wait.outcome()), Loss::Closed);
    holder.release(&grant).expect("it is held");
    last.release(&next.grant()).expect("it is held");
}

pub(super) fn leaves_what_is_to_stay(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("stays"));
    let grant = holder.take_request(persistent(&holder, &name));
    let other = bench.name("goes");
    let gone = holder.take(&other, Share::Write);
    let mut wait = comer.queue(&name, Share::Write);
    bench.close(&holder);
    comer.release(&comer.take_at_turn(comer.request(&other, Share::Write))).expect("it is held");
    eventually("its holder knows that it can do nothing any more", || grant.lease().is_lost());
    drop((grant, gone));
    wait.must_wait();
    assert_eq!(comer.contenders(&name, Share::Write).iter().filter(|contender| contender.holds).count(), 1);
    comer.destroy(&name, Share::Write);
    comer.release(&wait.grant()).expect("it is held");
}

fn persistent(client: &Client, name: &str) -> Request {
    let mut request = client.request(name, Share::Write);
    request.ephemeral = false;
    request
}

pub(super) fn leaves_no_wait_for_what_was_to_stay(bench: &Bench) {
    let ([holder, leaver, last], name) = (bench.clients(), bench.name("waits"));
    let grant = holder.take(&name, Share::Write);
    let wait = leaver.queue_request(persistent(&leaver, &name));
    let next = last.queue(&name, Share::Write);
    bench.close(&leaver);
    assert_eq!(loss(wait.outcome()), Loss::Closed);
    holder.release(&grant).expect("it is held");
    last.release(&next.grant()).expect("it is held");
}

/// What is to stay is let go by its holder as everything else.
pub(super) fn is_not_needed_to_let_go_what_is_to_stay(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("stays"));
    let grant = holder.take_request(persistent(&holder, &name));
    assert!(comer.try_take(&name, Share::Write).is_none());
    holder.verify(&grant).expect("it is held");
    holder.release(&grant).expect("it is held");
    drop(holder.take_request(persistent(&holder, &name)));
    comer.release(&comer.take_at_turn(comer.request(&name, Share::Write))).expect("it is held");
    let grant = holder.take_request(persistent(&holder, &name));
    let wait = comer.queue_request(persistent(&comer, &name));
    holder.release(&grant).expect("it is held");
    comer.release(&wait.grant()).expect("it is held");
}

/// At no moment do two believe that they have it.
pub(super) fn is_known_before_another_has_it(bench: &Bench) {
    for _ in 0..20 {
        let ([holder, comer], name) = (bench.clients(), bench.name("first"));
        let grant = holder.take(&name, Share::Write);
        known_first(&grant, &comer, &name, || bench.close(&holder));
    }
}

/// Somebody looks as fast as it can whether it has the lock, while `end` ends that of the holder.
pub(super) fn known_first(held: &Held, comer: &Client, name: &str, end: impl FnOnce()) {
    let mut wait = comer.queue(name, Share::Write);
    std::thread::scope(|scope| {
        let next = scope.spawn(move || {
            let next = wait.looks_all_the_time();
            (held.lease().is_lost(), next)
        });
        end();
        let (was_lost, next) = next.join().expect("it gets in");
        assert!(was_lost, "two have had it");
        comer.release(&next).expect("it is held");
    });
}
