//! Who can hold a lock together.

use lockutils::distributed::{Caller, Entered, Failure, Share};

use super::bench::Bench;
use super::client::Held;
use super::wait::{Wait, Waiter};

const SHARES: [Share; 4] = [Share::Write, Share::Read, Share::Permit(1), Share::Permit(3)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meeting {
    Together,
    OneByOne,
    /// They do not agree how many permits there are.
    Mismatch(u32),
}

/// What the contract says of one who comes while another holds.
fn meeting(held: Share, comes: Share) -> Meeting {
    match (held, comes) {
        (Share::Permit(there), Share::Permit(asked)) if there != asked => Meeting::Mismatch(there),
        (Share::Read, Share::Read) | (Share::Permit(2..), Share::Permit(_)) => Meeting::Together,
        _ => Meeting::OneByOne,
    }
}

fn pairs() -> impl Iterator<Item = (Share, Share)> {
    SHARES.into_iter().flat_map(|held| SHARES.into_iter().map(move |comes| (held, comes)))
}

pub(super) fn a_try_shares_or_is_busy(bench: &Bench) {
    let [holder, comer] = bench.clients();
    for (held, comes) in pairs() {
        let name = bench.name("pair");
        let grant = holder.take(&name, held);
        let before = bench.residue(&name);
        let tried = comer.enter(comer.request(&name, comes));
        match (meeting(held, comes), tried) {
            (Meeting::Together, Ok(Entered::Held(grant))) => {
                comer.release(&Held::new(grant)).expect("it is held");
            }
            (Meeting::OneByOne, Ok(Entered::Busy)) => {}
            (Meeting::Mismatch(there), Err(Failure::Mismatch { agreed })) => assert_eq!(agreed, there),
            (meeting, other) => panic!("{held:?} then {comes:?}: {other:?} instead of {meeting:?}"),
        }
        bench.comes_to(&name, &before);
        holder.verify(&grant).expect("it is still held");
        holder.release(&grant).expect("it is held");
    }
}

pub(super) fn a_wait_is_queued_and_granted_after_the_release(bench: &Bench) {
    let [holder, comer] = bench.clients();
    for (held, comes) in pairs().filter(|(held, comes)| meeting(*held, *comes) == Meeting::OneByOne) {
        let name = bench.name("pair");
        let grant = holder.take(&name, held);
        let mut wait = comer.queue(&name, comes);
        wait.must_wait();
        holder.release(&grant).expect("it is held");
        let next = wait.grant();
        assert!(holder.try_take(&name, Share::Write).is_none(), "{held:?} then {comes:?}: both have it");
        comer.release(&next).expect("it is held");
    }
}

/// The same for engines that have writers only.
pub(super) fn writers_exclude_each_other(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("write"));
    let grant = holder.take(&name, Share::Write);
    let before = bench.residue(&name);
    assert!(comer.try_take(&name, Share::Write).is_none());
    bench.comes_to(&name, &before);
    let mut wait = comer.queue(&name, Share::Write);
    wait.must_wait();
    holder.release(&grant).expect("it is held");
    let next = wait.grant();
    assert!(holder.try_take(&name, Share::Write).is_none());
    comer.release(&next).expect("it is held");
}

pub(super) fn readers_are_many(bench: &Bench) {
    let ([one, two, three], name) = (bench.clients(), bench.name("read"));
    let readers = [&one, &two, &one, &two, &one].map(|client| (client, client.take(&name, Share::Read)));
    let mut writer = three.queue(&name, Share::Write);
    for (client, grant) in &readers {
        writer.must_wait();
        client.release(grant).expect("it is held");
    }
    three.release(&writer.grant()).expect("it is held");
}

pub(super) fn permits_are_so_many_as_there_are(bench: &Bench) {
    let ([one, two, three], name) = (bench.clients(), bench.name("permit"));
    let permit = Share::Permit(3);
    let mut held = [&one, &two, &one].map(|client| (client, client.take(&name, permit)));
    assert!(three.try_take(&name, permit).is_none());
    for _ in 0..3 {
        let mut next = three.queue(&name, permit);
        next.must_wait();
        held[0].0.release(&held[0].1).expect("it is held");
        held[0] = (&three, next.grant());
        held.rotate_left(1);
        assert!(two.try_take(&name, permit).is_none());
    }
    for (client, grant) in held {
        client.release(&grant).expect("it is held");
    }
}

pub(super) fn another_number_of_permits_is_refused(bench: &Bench) {
    let ([one, two, three], name) = (bench.clients(), bench.name("permit"));
    let refused = |agreed| {
        for request in [two.request(&name, Share::Permit(2)), two.request(&name, Share::Permit(2)).waiting()]
        {
            match two.enter(request) {
                Err(Failure::Mismatch { agreed: there }) => assert_eq!(there, agreed),
                other => panic!("there are {agreed} permits, but: {other:?}"),
            }
        }
    };
    let held = one.take(&name, Share::Permit(3));
    refused(3);
    one.release(&held).expect("it is held");
    bench.comes_to(&name, &[]);
    two.release(&two.take(&name, Share::Permit(2))).expect("nobody is left who could disagree");
    let writer = one.take(&name, Share::Write);
    let waits = three.queue(&name, Share::Permit(5));
    refused(5);
    one.release(&writer).expect("it is held");
    three.release(&waits.grant()).expect("it is held");
}

/// A thread may have no limit at all, and a poll that blocks it as long as it takes.
pub(super) fn who_waits_without_a_limit_is_served(bench: &Bench) {
    let ([holder, comer], name) = (bench.clients(), bench.name("patient"));
    let grant = holder.take(&name, Share::Write);
    let request = comer.request(&name, Share::Write).called_by(Caller::Thread { until: None });
    let wait = Waiter::start(comer.queue_answer(request));
    holder.release(&grant).expect("it is held");
    let next = Held::new(wait.outcome().expect("its turn comes"));
    comer.release(&next).expect("it is held");
}

/// Those of one process do not compete for a lock, but they may share one.
pub(super) fn two_waits_of_one_client_are_both_served(bench: &Bench) {
    let [holder, comer] = bench.clients();
    for share in [Share::Read, Share::Permit(2)] {
        let name = bench.name("two");
        let grant = holder.take(&name, Share::Write);
        let waits = [comer.queue(&name, share), comer.queue(&name, share)];
        let elsewhere = bench.name("other");
        comer.release(&comer.take(&elsewhere, Share::Write)).expect("it is held");
        holder.release(&grant).expect("it is held");
        let both = waits.map(Wait::grant);
        assert!(holder.try_take(&name, Share::Write).is_none());
        let [first, second] = both;
        comer.release(&first).expect("it is held");
        assert!(holder.try_take(&name, Share::Write).is_none(), "one of them still has it");
        comer.verify(&second).expect("the other has not let go");
        comer.release(&second).expect("it is held");
    }
}

/// A lock that stays is somebody's from the moment at which it was granted, however it came about.
pub(super) fn permits_wait_for_a_lock_that_stays(bench: &Bench) {
    let ([holder, writer, comer, looks], name) = (bench.clients(), bench.name("stays"));
    let held = holder.take(&name, Share::Write);
    let mut stays = writer.request(&name, Share::Write);
    stays.ephemeral = false;
    let next = writer.queue_request(stays);
    let mut behind = comer.queue(&name, Share::Permit(2));
    holder.release(&held).expect("it is held");
    let held = next.grant();
    // So often its client has heard from the engine since: it would have been let in.
    for _ in 0..20 {
        comer.release(&comer.take(&bench.name("other"), Share::Write)).expect("it is held");
        behind.must_wait();
    }
    let contenders = looks.contenders(&name, Share::Write);
    assert_eq!(contenders.iter().filter(|one| one.holds).count(), 1, "{contenders:?}");
    writer.verify(&held).expect("it is held");
    writer.release(&held).expect("it is held");
    comer.release(&behind.grant()).expect("it is held");
}
