//! Where a case is run: an engine, clients of it, and names that nobody else uses.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockutils::distributed::{Backend, Caller, Share};
use lockutils_tests::{BOUND, eventually};

use super::Engine;
use super::cases::Case;
use super::client::Client;
use super::engines::Row;

/// Who asks the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Task,
    Thread,
}

impl By {
    /// The same, for what lasts this long at most.
    pub(crate) fn for_at_most(self, patience: Duration) -> Caller {
        match self {
            Self::Task => Caller::Task,
            Self::Thread => Caller::Thread { until: Some(Instant::now() + patience) },
        }
    }

    pub(crate) fn caller(self) -> Caller {
        self.for_at_most(BOUND)
    }
}

/// One run of a case.
pub(crate) struct Bench {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) by: By,
    pub(crate) row: &'static Row,
    case: &'static str,
    names: Mutex<Vec<String>>,
    /// They stay open until the server was looked at: what a case leaves behind must not be swept up by the end of a session.
    clients: Mutex<Vec<Client>>,
}

impl Bench {
    pub(crate) fn new(row: &'static Row, case: &Case, by: By) -> Self {
        Self {
            engine: (row.start)(),
            by,
            row,
            case: case.name,
            names: Mutex::default(),
            clients: Mutex::default(),
        }
    }

    /// A new client, with a session of its own.
    pub(crate) fn client(&self) -> Client {
        let client = Client::new(self.engine.connect(), self.by);
        self.clients.lock().expect("no panic").push(client.clone());
        client
    }

    pub(crate) fn clients<const N: usize>(&self) -> [Client; N] {
        std::array::from_fn(|_| self.client())
    }

    /// A name that no other run has, with this in it.
    pub(crate) fn name(&self, what: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let process = std::process::id();
        self.exactly(&format!("{}-{what}-{process}-{number}", self.case.replace("::", "-")))
    }

    /// This name, which nobody else may use.
    pub(crate) fn exactly(&self, name: &str) -> String {
        self.names.lock().expect("no panic").push(name.to_owned());
        name.to_owned()
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.engine.ttl()
    }

    /// How much of a long time a lock surely lasts if nothing is heard of the engine.
    pub(crate) fn at_least(&self, long: Duration) -> Duration {
        long.min(self.engine.longest() / 4)
    }

    /// In an order that does not change from look to look.
    pub(crate) fn residue(&self, name: &str) -> Vec<String> {
        let mut residue = self.engine.residue(name);
        residue.sort_unstable();
        residue
    }

    /// Returns when so many contenders, or what they leave, are there.
    #[track_caller]
    pub(crate) fn comes_to(&self, name: &str, residue: &[String]) {
        let same = || self.residue(name) == residue;
        eventually(&format!("{name:?} has {residue:?}, not {:?}", self.residue(name)), same);
    }

    /// The same if only their number is known.
    #[track_caller]
    pub(crate) fn comes_to_as_many(&self, name: &str, residue: usize) {
        let same = || self.residue(name).len() == residue;
        eventually(&format!("{name:?} has {residue}, not {:?}", self.residue(name)), same);
    }

    /// Nothing is left of any name, and each can be had.
    pub(crate) fn must_be_clean(&self) {
        let names = std::mem::take(&mut *self.names.lock().expect("no panic"));
        for name in &names {
            let left = || self.residue(name);
            eventually(&format!("nothing is left of {name:?}, not {:?}", left()), || left().is_empty());
        }
        let last = self.client();
        for name in &names {
            let grant = last.try_take(name, Share::Write);
            last.release(&grant.unwrap_or_else(|| panic!("nobody has {name:?}"))).expect("it is held");
            self.comes_to(name, &[]);
        }
    }

    /// Ends the session of a client, which nobody uses after that.
    pub(crate) fn close(&self, client: &Client) {
        let is_it = |other: &mut Client| Arc::ptr_eq(&other.backend, &client.backend);
        let gone: Vec<_> = self.clients.lock().expect("no panic").extract_if(.., is_it).collect();
        assert_eq!(gone.len(), 1, "a session ends once");
        client.backend.close();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for client in std::mem::take(self.clients.get_mut().expect("no panic")) {
            Backend::close(&*client.backend);
        }
    }
}
