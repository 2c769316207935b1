//! What happens to clients and servers.

use std::thread;
use std::time::Duration;

use lockutils_tests::server::{Proxy, Way};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::TTL;
use super::fleet::{ALL, Fleet, PROCESSES};
use super::site::Site;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// A process of a client is stopped, and goes on.
    StopClient,
    /// A process of a client is killed, and another comes.
    KillClient,
    /// A client has no network.
    Cut,
    /// A client hears no answers, which come in the end.
    HoldAnswers,
    /// A client hears no answers, which never come.
    LoseAnswers,
    /// What a client asks comes late.
    HoldRequests,
    /// A server is stopped that does not lead. Half of those that come as this are of one that does.
    FreezeServer,
    /// The server that leads is stopped.
    FreezeLeader,
    /// The server that leads is killed, and is started again.
    KillLeader,
}

impl Fault {
    /// What a round has.
    const ALL: [Self; 8] = [
        Self::StopClient,
        Self::KillClient,
        Self::Cut,
        Self::HoldAnswers,
        Self::LoseAnswers,
        Self::HoldRequests,
        Self::FreezeServer,
        Self::KillLeader,
    ];

    /// Whether it is one of the servers'.
    fn is_of_servers(self) -> bool {
        matches!(self, Self::FreezeServer | Self::FreezeLeader | Self::KillLeader)
    }
}

/// A fault that lasts, and whom it has met.
struct Lasting {
    fault: Fault,
    whom: usize,
}

/// Lets each fault happen once, in any order; half of them together with one of those that meet a client. Tells what it has done.
pub(super) fn haunt(fleet: &mut Fleet<'_>, site: &Site<'_>, random: &mut StdRng) -> Vec<Fault> {
    let (mut faults, mut done) = (Fault::ALL, Vec::new());
    faults.shuffle(random);
    for fault in faults {
        pause(random, 0.0..0.5);
        let anybody = random.random_range(0..ALL);
        let whom = if random.random() { fleet.holder().unwrap_or(anybody) } else { anybody };
        let first = begin(fault, whom, fleet, site, random);
        let second = if random.random() { begin_another(&first, fleet, site, random) } else { None };
        last(random);
        for one in [Some(first), second].into_iter().flatten() {
            end(&one, fleet, site);
            done.push(one.fault);
        }
    }
    done
}

/// One of those that meet a client, and another client than this one has met.
fn begin_another(
    first: &Lasting,
    fleet: &mut Fleet<'_>,
    site: &Site<'_>,
    random: &mut StdRng,
) -> Option<Lasting> {
    let fault = Fault::ALL[random.random_range(0..Fault::ALL.len())];
    let (met, other) = (first.whom % PROCESSES, (first.whom + 1) % PROCESSES);
    let can_be = !fault.is_of_servers() && (first.fault.is_of_servers() || other != met);
    can_be.then(|| {
        pause(random, 0.0..0.3);
        begin(fault, other, fleet, site, random)
    })
}

/// Some faults end before the lease of anybody does, and most when another has had the time to take the lock.
fn last(random: &mut StdRng) {
    let ttls = if random.random_bool(0.3) { 0.1..0.9 } else { 1.2..2.2 };
    pause(random, ttls);
}

fn pause(random: &mut StdRng, ttls: std::ops::Range<f64>) {
    thread::sleep(TTL.mul_f64(random.random_range(ttls)).max(Duration::from_millis(1)));
}

fn begin(
    fault: Fault,
    client: usize,
    fleet: &mut Fleet<'_>,
    site: &Site<'_>,
    random: &mut StdRng,
) -> Lasting {
    let network = |fleet: &Fleet<'_>, fault: fn(&Proxy)| fleet.network(client).iter().for_each(fault);
    let (mut fault, mut whom) = (fault, client);
    match fault {
        Fault::StopClient => {
            whom = client % PROCESSES;
            fleet.at(whom).stop();
        }
        Fault::KillClient => {
            whom = client % PROCESSES;
            fleet.kill(whom);
        }
        Fault::Cut => network(fleet, Proxy::cut),
        Fault::HoldAnswers | Fault::LoseAnswers => network(fleet, Proxy::hold_answers),
        Fault::HoldRequests => network(fleet, |proxy| proxy.freeze_one_way(Way::ToServer)),
        Fault::FreezeServer | Fault::FreezeLeader => {
            let (leader, is_leader) = (site.leader(), site.members.len() == 1 || random.random());
            whom = if is_leader { leader } else { (leader + 1) % site.members.len() };
            fault = if is_leader { Fault::FreezeLeader } else { Fault::FreezeServer };
            site.members[whom].freeze();
        }
        Fault::KillLeader => {
            whom = site.leader();
            site.members[whom].kill();
        }
    }
    Lasting { fault, whom }
}

fn end(lasting: &Lasting, fleet: &Fleet<'_>, site: &Site<'_>) {
    let network = |fault: fn(&Proxy)| fleet.network(lasting.whom).iter().for_each(fault);
    match lasting.fault {
        Fault::StopClient => fleet.at(lasting.whom).go_on(),
        Fault::KillClient => {}
        Fault::LoseAnswers => {
            network(Proxy::cut);
            network(Proxy::heal);
        }
        Fault::Cut | Fault::HoldAnswers | Fault::HoldRequests => network(Proxy::heal),
        Fault::FreezeServer | Fault::FreezeLeader => site.members[lasting.whom].thaw(),
        Fault::KillLeader => site.members[lasting.whom].restart(),
    }
}
