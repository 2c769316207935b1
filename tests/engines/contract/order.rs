//! Who has the next turn.

use lockutils::distributed::Share;

use super::bench::Bench;

pub(super) fn ten_waiters_have_their_turn_as_they_came(bench: &Bench) {
    let (clients, name) = (bench.clients::<11>(), bench.name("ten"));
    let mut held = clients[0].take(&name, Share::Write);
    let mut holder = &clients[0];
    let mut waits: Vec<_> =
        clients[1..].iter().map(|client| (client, client.queue(&name, Share::Write))).collect();
    while !waits.is_empty() {
        let (client, wait) = waits.remove(0);
        holder.release(&held).expect("it is held");
        (holder, held) = (client, wait.grant());
        for (_, wait) in &mut waits {
            wait.must_wait();
        }
    }
    holder.release(&held).expect("it is held");
}

pub(super) fn a_reader_stays_behind_a_waiting_writer(bench: &Bench) {
    let ([one, two, three], name) = (bench.clients(), bench.name("between"));
    let first = one.take(&name, Share::Read);
    let mut writer = two.queue(&name, Share::Write);
    assert!(three.try_request(three.request(&name, Share::Read).fair()).is_none(), "the writer came first");
    let mut later = [one.queue(&name, Share::Read), three.queue(&name, Share::Read)];
    later.iter_mut().for_each(super::wait::Wait::must_wait);
    writer.must_wait();
    one.release(&first).expect("it is held");
    let written = writer.grant();
    later.iter_mut().for_each(super::wait::Wait::must_wait);
    two.release(&written).expect("it is held");
    let [here, there] = later.map(super::wait::Wait::grant);
    one.release(&here).expect("it is held");
    three.release(&there).expect("it is held");
}
