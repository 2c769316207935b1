//! Letting go, and asking whether one still holds.

use std::sync::Arc;

use lockutils::distributed::Share;
use lockutils_tests::eventually;

use super::bench::Bench;
use super::client::loss;

pub(super) fn twice_is_once(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("twice"));
    let grant = holder.take(&name, Share::Write);
    holder.verify(&grant).expect("it is held");
    holder.release(&grant).expect("it is held");
    let next = comer.take(&name, Share::Write);
    holder.release(&grant).expect("there is nothing left to be done");
    comer.verify(&next).expect("it is not touched");
    assert!(grant.lease().loss().is_none(), "what was let go was not lost");
    comer.release(&next).expect("it is held");
}

pub(super) fn is_seen_by_a_look(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("look"));
    for _ in 0..2 {
        let grant = holder.take(&name, Share::Write);
        holder.verify(&grant).expect("it is held");
        holder.verify(&grant).expect("a look changes nothing");
        holder.release(&grant).expect("it is held");
        loss(holder.verify(&grant));
        assert!(grant.lease().is_lost(), "the lease knows what the engine has said");
    }
    let first = holder.take(&name, Share::Write);
    holder.release(&first).expect("it is held");
    let second = comer.take(&name, Share::Write);
    loss(holder.verify(&first));
    comer.verify(&second).expect("it is held");
    comer.release(&second).expect("it is held");
}

pub(super) fn goes_on_when_the_answer_is_dropped(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("unheard"));
    let grant = holder.take(&name, Share::Write);
    let wait = comer.queue(&name, Share::Write);
    drop(holder.backend.release(Arc::clone(&grant), bench.by.caller()));
    let next = wait.grant();
    comer.release(&next).expect("it is held");
}

pub(super) fn after_a_loss_touches_nobody(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("lost"));
    let grant = holder.take_for(&name, bench.ttl());
    let next = comer.take_at_turn(comer.request(&name, Share::Write));
    assert!(grant.lease().is_lost(), "somebody else has it");
    assert_eq!(loss(holder.release(&grant)), loss(holder.verify(&grant)));
    comer.verify(&next).expect("it is not touched");
    drop(grant);
    eventually("a moment passes", || bench.residue(&name).len() == 1);
    comer.verify(&next).expect("it is not touched");
    comer.release(&next).expect("it is held");
}
