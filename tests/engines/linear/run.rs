//! Rounds of clients and faults, and what is looked at after each.

use std::time::{Duration, Instant};

use lockutils_tests::linear::Resource;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::checks::Wrong;
use super::fleet::Fleet;
use super::history::{History, histories};
use super::nemesis::{Fault, haunt};
use super::site::Site;
use super::tally::Tally;

/// One round, or as many as fit into `LOCKUTILS_LINEAR_SECONDS`, and then for a quarter of that time with a resource that does not
/// look at tokens. Each has names of its own, since the time that the checker needs grows with the square of their histories.
pub(super) fn run(site: &Site<'_>) {
    let (seed, length) = (seed(), length());
    let tally = rounds(site, seed, &Resource::fenced(), length, |name, history, wrongs| {
        assert!(wrongs.is_empty(), "LOCKUTILS_SEED={seed}: {name}: {wrongs:?}: {history:#?}");
    });
    println!("{}: LOCKUTILS_SEED={seed}: {tally}", site.name());
    if !length.is_zero() {
        let tally = rounds(site, seed, &Resource::unfenced(), length / 4, |_, _, _| {});
        println!("{}, where nobody looks at tokens: {tally}", site.name());
    }
}

fn rounds(
    site: &Site<'_>,
    seed: u64,
    resource: &Resource,
    length: Duration,
    mut judge: impl FnMut(&str, &History, &[Wrong]),
) -> Tally {
    let (mut random, mut tally) = (StdRng::seed_from_u64(seed), Tally::default());
    let begun = Instant::now();
    while tally.rounds == 0 || begun.elapsed() < length {
        let round = u64::try_from(tally.rounds).expect("they are few");
        let mut fleet = Fleet::start(site, resource, round, seed.wrapping_add(round << 32));
        let faults = haunt(&mut fleet, site, &mut random);
        let may_be_taken = site.is_robbed_by_old_leaders() && faults.contains(&Fault::FreezeLeader);
        tally.add_faults(faults);
        for (name, mut history) in histories(fleet.finish()) {
            history.may_be_taken = may_be_taken;
            let wrongs = history.wrongs();
            tally.add(&history, &wrongs);
            judge(&name, &history, &wrongs);
        }
    }
    tally
}

fn length() -> Duration {
    let seconds = std::env::var("LOCKUTILS_LINEAR_SECONDS").ok();
    Duration::from_secs(
        seconds.map_or(0, |seconds| seconds.parse().expect("LOCKUTILS_LINEAR_SECONDS is a number")),
    )
}

/// From `LOCKUTILS_SEED`, or a new one. It is printed.
fn seed() -> u64 {
    let set = std::env::var("LOCKUTILS_SEED").ok();
    let seed = set.map_or_else(rand::random, |seed| seed.parse().expect("LOCKUTILS_SEED is a number"));
    println!("LOCKUTILS_SEED={seed}");
    seed
}
