//! From what clients have told to calls.

use std::collections::BTreeMap;

use lockutils_tests::linear::{Event, What};

use super::calls::Called;
use super::models::{Answer, Call};

/// What was done with one name.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// What the resource was asked.
    pub(super) resource: Vec<Called>,
    /// The locks that were taken.
    pub(super) taken: Vec<Called>,
    /// The updates that were done, and those of which it is not known, as one step each; and what was seen without a lock.
    pub(super) updates: Vec<Called>,
    pub(super) claims: Vec<Claim>,
    /// How often the resource has refused a token.
    pub(super) refused: usize,
    /// How often the lock was asked for.
    pub(super) asked: usize,
    /// Whether the servers may have taken locks away whose leases had not run out, which is a fault of theirs.
    pub(super) may_be_taken: bool,
}

/// A time in which a client had the lock.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) token: u64,
    /// From when until when it knew that it had not lost it.
    pub(super) known: Option<(u64, u64)>,
    /// From when until when one would think so that does not look at the lease.
    pub(super) believed: (u64, u64),
}

/// By name.
pub(super) fn histories(mut events: Vec<Event>) -> BTreeMap<String, History> {
    events.sort_by_key(|event| event.at);
    let mut clients = BTreeMap::<u64, Vec<Event>>::new();
    for event in events {
        clients.entry(event.client).or_default().push(event);
    }
    let mut all = BTreeMap::new();
    for (client, events) in clients {
        Reader { client, all: &mut all, name: String::new(), asked: 0, claim: None, value: 0, open: None }
            .read(events);
    }
    all
}

/// Reads what one client has told.
struct Reader<'a> {
    client: u64,
    all: &'a mut BTreeMap<String, History>,
    name: String,
    asked: u64,
    claim: Option<Claim>,
    /// What it was told last.
    value: u64,
    /// What it has asked the resource, since when.
    open: Option<(u64, Call)>,
}

impl Reader<'_> {
    fn read(mut self, events: Vec<Event>) {
        for event in events {
            self.step(event.at, event.what);
        }
        if let Some((_, call)) = self.open.clone() {
            self.answer(None);
            if let Call::Write { value, .. } = call {
                self.update(value, None);
            }
        }
        self.end();
    }

    fn step(&mut self, at: u64, what: What) {
        match what {
            What::Ask(name) => {
                (self.name, self.asked) = (name, at);
                self.history().asked += 1;
            }
            What::Got(token) => {
                let (client, begun) = (self.client, self.asked);
                let answered = Some((at, Answer::Token(token)));
                self.history().taken.push(Called { client, call: Call::Take, begun, answered });
                self.claim = Some(Claim { token, known: None, believed: (at, at) });
            }
            What::Held => {
                let claim = self.claim.as_mut().expect("it has the lock");
                claim.known = Some((claim.known.map_or(at, |(from, _)| from), at));
            }
            What::Enter => self.open = Some((at, Call::Enter(self.token()))),
            What::Write(value) => self.open = Some((at, Call::Write { token: self.token(), value })),
            What::Look(name) => {
                (self.name, self.open) = (name, Some((at, Call::Look)));
            }
            What::Value(value) => self.hear(at, value),
            What::Fenced => {
                self.history().refused += 1;
                self.answer(Some((at, Answer::Fenced)));
            }
            What::Wrote => {
                let written = self.answer(Some((at, Answer::Done)));
                let Some(Call::Write { token, value }) = written else { panic!("it has not written") };
                self.update(value, Some((at, Answer::Updated { from: self.value, token })));
            }
            What::End(_) => self.end(),
        }
        if let Some(claim) = &mut self.claim {
            claim.believed.1 = at;
        }
    }

    fn hear(&mut self, at: u64, value: u64) {
        self.value = value;
        if let Some(call @ Call::Look) = self.answer(Some((at, Answer::Value(value)))) {
            let seen = self.history().resource.last().expect("it was answered").clone();
            self.history().updates.push(Called { call, ..seen });
        }
    }

    /// What is open is over.
    fn answer(&mut self, answered: Option<(u64, Answer)>) -> Option<Call> {
        let (begun, call) = self.open.take()?;
        let called = Called { client: self.client, call: call.clone(), begun, answered };
        self.history().resource.push(called);
        Some(call)
    }

    fn update(&mut self, value: u64, answered: Option<(u64, Answer)>) {
        let (client, begun) = (self.client, self.asked);
        self.history().updates.push(Called { client, call: Call::Update(value), begun, answered });
    }

    fn end(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.history().claims.push(claim);
        }
    }

    fn token(&self) -> u64 {
        self.claim.as_ref().expect("it has the lock").token
    }

    fn history(&mut self) -> &mut History {
        self.all.entry(self.name.clone()).or_default()
    }
}
