//! Nobody starves, also among those who do not ask for a strict order.

use std::time::Instant;

use lockutils::distributed::{Entered, Share};
use lockutils_tests::{BOUND, eventually};

use super::bench::Bench;
use super::client::{Client, Held};
use super::wait::Wait;

pub(super) fn readers_let_a_writer_in(bench: &Bench) {
    stream(bench, Share::Read, Share::Write);
}

pub(super) fn permits_let_a_writer_in(bench: &Bench) {
    stream(bench, Share::Permit(2), Share::Write);
}

pub(super) fn writers_let_a_reader_in(bench: &Bench) {
    stream(bench, Share::Write, Share::Read);
}

pub(super) fn writers_let_a_writer_in(bench: &Bench) {
    stream(bench, Share::Write, Share::Write);
}

/// One comes before the other has gone, for as long as it takes: is there a turn for somebody else?
fn stream(bench: &Bench, share: Share, patient: Share) {
    let ([one, two, three], name) = (bench.clients(), bench.name("stream"));
    let (mut here, mut next) = (&one, &two);
    let mut held = here.take(&name, share);
    let mut wait = three.queue_request(three.request(&name, patient));
    let end = Instant::now() + BOUND;
    loop {
        assert!(Instant::now() < end, "there is no turn for {patient:?} among {share:?}");
        wait.must_wait();
        let entered = next.enter(next.request(&name, share).waiting()).expect("it can be asked for");
        here.release(&held).expect("it is held");
        (here, next) = (next, here);
        held = match who_is_first(here, entered, &mut wait) {
            First::Stream(grant) => grant,
            First::Patient(grant, stream) => {
                three.release(&grant).expect("it is held");
                return here.release(&stream.grant()).expect("it is held");
            }
        };
    }
}

enum First {
    Stream(Held),
    Patient(Held, Wait),
}

fn who_is_first(client: &Client, entered: Entered, patient: &mut Wait) -> First {
    let mut stream = match entered {
        Entered::Queued(wait) => Wait::begin(wait, client.by),
        held => return First::Stream(client.granted(held)),
    };
    let (mut to_stream, mut to_patient) = (None, None);
    eventually("one of them has its turn", || {
        to_stream = stream.has();
        to_patient = if to_stream.is_none() { patient.has() } else { None };
        to_stream.is_some() || to_patient.is_some()
    });
    match to_patient {
        Some(grant) => First::Patient(grant.expect("its turn"), stream),
        None => First::Stream(to_stream.expect("one of them").expect("its turn")),
    }
}
