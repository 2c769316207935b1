//! Fencing tokens.

use lockutils::distributed::Share;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::bench::Bench;

const HOLDERS: usize = 1000;

/// A resource that remembers the largest token it has seen must admit everybody who has the lock.
pub(super) fn grow_over_a_thousand_holders(bench: &Bench) {
    let (clients, name) = (bench.clients::<4>(), bench.name("tokens"));
    let mut random = StdRng::seed_from_u64(5);
    let mut largest = 0;
    let mut held = 0;
    while held < HOLDERS {
        let share = [Share::Write, Share::Read, Share::Permit(3)][random.random_range(0..3)];
        let together = if share == Share::Write { 1 } else { random.random_range(1..=3) };
        let grants: Vec<_> = (0..together)
            .map(|_| &clients[random.random_range(0..clients.len())])
            .map(|client| (client, client.take(&name, share)))
            .collect();
        let tokens: Vec<_> = grants.iter().map(|(_, grant)| grant.token()).collect();
        assert!(tokens.iter().all(|token| *token > largest), "{share:?}: {tokens:?} after {largest}");
        largest = tokens.into_iter().max().unwrap_or(largest);
        held += grants.len();
        for (client, grant) in grants {
            client.release(&grant).expect("it is held");
        }
    }
}
