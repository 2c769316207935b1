//! Removing a lock with all that is known of it.

use lockutils::distributed::{Loss, Share};
use lockutils_tests::eventually;

use super::bench::Bench;
use super::client::loss;

pub(super) fn takes_it_from_its_holder(bench: &Bench) {
    let ([holder, comer, third], name) = (bench.clients(), bench.name("held"));
    let grant = holder.take(&name, Share::Write);
    third.destroy(&name, Share::Write);
    let next = comer.take_at_turn(comer.request(&name, Share::Write));
    eventually("its holder knows it", || grant.lease().is_lost());
    assert!(matches!(grant.lease().loss(), Some(Loss::Destroyed | Loss::Removed | Loss::Taken)), "{grant:?}");
    loss(holder.verify(&grant));
    loss(holder.release(&grant));
    drop(grant);
    comer.verify(&next).expect("it is not touched");
    comer.release(&next).expect("it is held");
}

pub(super) fn lets_those_go_on_who_wait(bench: &Bench) {
    let ([holder, one, two], name) = (bench.clients(), bench.name("waits"));
    let grant = holder.take(&name, Share::Write);
    let waits = [one.queue(&name, Share::Write), two.queue(&name, Share::Write)];
    holder.destroy(&name, Share::Write);
    eventually("the holder knows it", || grant.lease().is_lost());
    // They queue anew, one before the other.
    let waiters = waits.into_iter().zip([&one, &two]).map(|(wait, client)| {
        let client = client.clone();
        std::thread::spawn(move || client.release(&wait.grant()).expect("it is held"))
    });
    waiters.collect::<Vec<_>>().into_iter().for_each(|waiter| waiter.join().expect("it gets in"));
}

pub(super) fn takes_it_from_all_who_share_it(bench: &Bench) {
    let [one, two] = bench.clients();
    for share in [Share::Read, Share::Permit(3)] {
        let name = bench.name("shared");
        let held = [&one, &two].map(|client| client.take(&name, share));
        two.destroy(&name, share);
        for grant in &held {
            eventually("each holder knows it", || grant.lease().is_lost());
        }
        bench.comes_to(&name, &[]);
        let again = two.take(&name, Share::Permit(2));
        two.release(&again).expect("nobody disagrees any more");
    }
}

pub(super) fn is_nothing_where_nobody_is(bench: &Bench) {
    let (client, name) = (bench.client(), bench.name("free"));
    client.destroy(&name, Share::Write);
    client.release(&client.take(&name, Share::Write)).expect("it is held");
    client.destroy(&name, Share::Write);
}
