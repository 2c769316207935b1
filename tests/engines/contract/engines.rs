//! The table of engines: a line for each, with what it has not.

use lockutils::distributed::{Failure, Promise, Promises, Share};

use super::bench::Bench;
use super::cases::Case;
use super::client::entered;
use super::{Engine, Hand};

/// An engine that must pass the suite.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Makes one for a case.
    pub(crate) start: fn() -> Box<dyn Engine>,
    /// All that it does not promise.
    pub(crate) without: &'static [Promise],
    /// What its fixture can do.
    pub(crate) hands: &'static [Hand],
}

impl Row {
    /// Why the engine need not do this.
    pub(crate) fn is_spared(&self, case: &Case) -> Option<String> {
        let promise = case.needs.iter().find(|promise| self.without.contains(promise));
        let hand = case.hands.iter().find(|hand| !self.hands.contains(hand));
        let promise = promise.map(|promise| format!("{} does not promise {promise:?}", self.name));
        promise.or_else(|| hand.map(|hand| format!("its fixture has no hand for {hand:?}")))
    }
}

macro_rules! engines {
    ($($engine:ident: $start:path, without [$($without:ident)*], by hand [$($hand:ident)*];)*) => {
        pub(crate) static ENGINES: &[Row] = &[$(Row {
            name: stringify!($engine),
            start: || Box::new($start()),
            without: &[$(Promise::$without),*],
            hands: &[$(Hand::$hand),*],
        },)*];
        $(mod $engine {
            cases!(tests! $engine);
        })*
    };
}

macro_rules! tests {
    ($engine:ident $($module:ident { $($case:ident [$($need:ident)*] $(by hand [$($hand:ident)*])?;)* })*) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                let case = concat!(stringify!($module), "::", stringify!($case));
                crate::contract::run(stringify!($engine), case);
            })*
        })*
    };
}

engines! {
    memory: super::memory::Memory::start, without [], by hand [];
    etcd: super::etcd::Etcd::start, without [], by hand [Sessions Entries];
    zookeeper: super::zookeeper::ZooKeeper::start, without [], by hand [Sessions Entries];
    redis: super::redis::OnRedis::start, without [Linearizable Fenced SurvivesFailover], by hand [Entries];
}

/// A promise that is withdrawn must not make cases disappear, and a new one makes some run.
pub(super) fn its_promises_are_those_of_its_line(bench: &Bench) {
    let left: Vec<_> =
        Promise::ALL.into_iter().filter(|promise| !bench.row.without.contains(promise)).collect();
    assert_eq!(bench.client().backend.promises(), Promises::of(&left));
}

pub(super) fn what_it_does_not_promise_it_refuses(bench: &Bench) {
    let (client, name) = (bench.client(), bench.name("refused"));
    let promises = client.backend.promises();
    let mut persists = client.request(&name, Share::Write);
    persists.ephemeral = false;
    let asked = [
        (Promise::Readers, client.request(&name, Share::Read)),
        (Promise::Permits, client.request(&name, Share::Permit(2))),
        (Promise::Expires, client.request(&name, Share::Write).expiring(bench.ttl())),
        (Promise::Persists, persists),
    ];
    for (promise, request) in asked.into_iter().filter(|(promise, _)| !promises.has(*promise)) {
        let refused = entered(client.backend.enter(request));
        assert!(matches!(refused, Err(Failure::Unsupported { .. })), "{promise:?}: {refused:?}");
    }
}

pub(super) fn its_clients_are_in_one_cluster(bench: &Bench) {
    let (one, other) = (bench.client(), bench.client());
    let cluster = one.cluster();
    assert!(!cluster.is_empty());
    assert_eq!(cluster, other.cluster());
    assert!(!one.backend.location().is_empty());
}
