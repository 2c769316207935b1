//! What is let go in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::entry::{Asked, Life};
use super::script::Call;

/// A lock that is to be let go, or a place in a queue that is to be given up, as long as it takes. It keeps its client.
pub(super) struct Chore {
    client: Arc<Client>,
    asked: Arc<Asked>,
    is_for_the_place_only: bool,
    pub(super) due: Instant,
    tries: u32,
    /// From then on there is nothing to let go.
    until: Option<Instant>,
}

impl Chore {
    pub(super) fn new(client: &Arc<Client>, asked: &Arc<Asked>) -> Self {
        let (now, ttl) = (Instant::now(), client.address().ttl);
        let length = match asked.life {
            Life::Kept => Some(ttl),
            Life::Expires(length) => Some(length.max(ttl)),
            Life::Stays => None,
        };
        Self {
            client: Arc::clone(client),
            asked: Arc::clone(asked),
            is_for_the_place_only: false,
            due: now,
            tries: 0,
            until: length.and_then(|length| now.checked_add(length)),
        }
    }

    pub(super) fn for_the_place_only(self) -> Self {
        Self { is_for_the_place_only: true, ..self }
    }

    /// Does them in one trip. Says which are left.
    pub(super) fn do_all(chores: Vec<Self>) -> Vec<Self> {
        let Some(client) = chores.first().map(|chore| Arc::clone(&chore.client)) else { return chores };
        let calls: Vec<_> = chores.iter().map(Self::call).collect();
        let answer = client.ask_all(&calls, Instant::now() + client.address().request_timeout);
        let done: Vec<bool> = match answer {
            Ok((_, answers)) => answers.iter().map(Option::is_some).collect(),
            Err(_) => vec![false; calls.len()],
        };
        let now = Instant::now();
        let left = chores
            .into_iter()
            .zip(done)
            .filter(|(chore, done)| !done && chore.until.is_none_or(|until| now < until));
        left.map(|(chore, _)| chore.again(&client)).collect()
    }

    /// Later, each time twice as late.
    fn again(self, client: &Client) -> Self {
        let pause = Duration::from_millis(50).saturating_mul(1 << self.tries.min(6));
        Self { due: Instant::now() + client.spread(pause), tries: self.tries + 1, ..self }
    }

    fn call(&self) -> Call<'_> {
        Call::leave(&self.asked, self.client.remember(&self.asked), self.is_for_the_place_only)
    }
}
