//! Sessions and entries that end by the hand of others.

use lockutils::distributed::{Contender, Loss, Share};
use lockutils_tests::eventually;

use super::bench::Bench;
use super::client::{Client, loss};

pub(super) fn that_end_lose_their_locks(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("ended"));
    let grant = holder.take(&name, Share::Write);
    let wait = comer.queue(&name, Share::Write);
    bench.engine.end_session(&name, &contender(&comer, &name, 0));
    let next = wait.grant();
    // The engine has not kept its word; who holds it learns of it at its next sign of life.
    eventually("it is known", || grant.lease().is_lost());
    loss(holder.release(&grant));
    comer.verify(&next).expect("it is not touched");
    comer.release(&next).expect("it is held");
    holder.release(&holder.take_at_turn(holder.request(&name, Share::Write))).expect("a new session");
}

fn contender(client: &Client, name: &str, at: usize) -> Contender {
    client.contenders(name, Share::Write).swap_remove(at)
}

pub(super) fn that_end_are_made_anew_by_those_who_wait(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("waiter"));
    let grant = holder.take(&name, Share::Write);
    let wait = comer.queue(&name, Share::Write);
    bench.engine.end_session(&name, &contender(&holder, &name, 1));
    holder.release(&grant).expect("it is held");
    let next = wait.grant();
    comer.verify(&next).expect("it is held");
    assert!(holder.try_take(&name, Share::Write).is_none(), "it is held");
    comer.release(&next).expect("it is held");
}

pub(super) fn lose_what_is_removed(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("removed"));
    let grant = holder.take(&name, Share::Write);
    let wait = comer.queue(&name, Share::Write);
    bench.engine.remove(&name, &contender(&holder, &name, 0));
    let next = wait.grant();
    let why = loss(holder.verify(&grant));
    assert!(matches!(why, Loss::Removed | Loss::Taken | Loss::Destroyed), "{why:?}");
    loss(holder.release(&grant));
    comer.verify(&next).expect("it is not touched");
    comer.release(&next).expect("it is held");
}

pub(super) fn queue_anew_where_their_place_was_removed(bench: &Bench) {
    let ([holder, comer, last], name) = (bench.clients(), bench.name("removed"));
    let grant = holder.take(&name, Share::Write);
    let (wait, behind) = (comer.queue(&name, Share::Write), last.queue(&name, Share::Write));
    bench.engine.remove(&name, &contender(&holder, &name, 1));
    holder.release(&grant).expect("it is held");
    // In whatever order they are now.
    let waiters = [(wait, comer), (behind, last)].map(|(wait, client)| {
        std::thread::spawn(move || {
            let grant = wait.grant();
            client.verify(&grant).expect("it is held");
            client.release(&grant).expect("it is held");
        })
    });
    for waiter in waiters {
        waiter.join().expect("it gets in");
    }
}
