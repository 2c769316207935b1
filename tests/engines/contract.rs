//! One suite for every engine: what [`Backend`] promises, asked of each of them, for tasks and for threads.
//!
//! A case is a function in one of the modules below and a line in [`cases`]; an engine is something that implements [`Engine`]
//! and a line in [`engines`]. Each case of each engine is a test of its own, `contract::engines::memory::sharing::…`, and
//! [`census`] fails while a line is missing. A case is left out only where it needs something that the line of the engine says it
//! has not, and that is compared with what the engine promises.
//!
//! A client stands for a process, where a gate stands in front of the engine: in the queue of one name it has no second place,
//! but as a reader among its readers, or for one more permit.

#[macro_use]
mod cases;

pub(crate) mod bench;
mod cancelling;
mod census;
pub(crate) mod client;
mod closing;
mod crowds;
mod destroying;
pub(crate) mod drive;
mod engines;
mod etcd;
mod expiry;
mod fairness;
mod leases;
mod listing;
mod memory;
mod names;
mod order;
mod redis;
mod releasing;
mod sessions;
mod sharing;
mod tokens;
pub(crate) mod wait;
mod zookeeper;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use lockutils::distributed::{Backend, Contender};

use self::bench::{Bench, By};
use self::cases::{CASES, Case};
use self::engines::{ENGINES, Row};

/// An engine, and what a test may do to it from outside. Each case has one of its own; they may share a server.
pub(crate) trait Engine: Send + Sync + 'static {
    /// A new client, which has a session of its own as another process would. When it is closed, nothing of it is needed any more.
    fn connect(&self) -> Arc<dyn Backend>;

    /// How long a session lasts without a sign of life. The shortest time for which a lock can be told to expire, too.
    fn ttl(&self) -> Duration;

    /// The longest time that any lock surely lasts if nothing is heard of the engine: where one that expires goes with a session
    /// all the same, it is how long that lasts.
    fn longest(&self) -> Duration {
        Duration::MAX
    }

    /// What the server has of a name, by a look that does not go through the backend under test: everybody who holds the lock or
    /// waits for it, and what would be garbage when they are gone. Not what stays by design, such as the counter of the tokens,
    /// and nothing that changes from look to look.
    fn residue(&self, name: &str) -> Vec<String>;

    /// Ends the session of a contender, as the server's administrator would. For fixtures that have
    /// [`Hand::Sessions`].
    fn end_session(&self, name: &str, contender: &Contender) {
        unimplemented!("the sessions of {name} cannot be ended: {contender:?}");
    }

    /// Removes the entry of a contender. For fixtures that have [`Hand::Entries`].
    fn remove(&self, name: &str, contender: &Contender) {
        unimplemented!("the entries of {name} cannot be removed: {contender:?}");
    }
}

/// What a fixture can do to a server from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// [`Engine::end_session`].
    Sessions,
    /// [`Engine::remove`].
    Entries,
}

/// How long a case may take: only one that hangs where its own bounds do not reach takes so long.
const LONGEST: Duration = Duration::from_secs(300);

/// Runs a case with an engine, for both kinds of callers. Each test is a call of this.
fn run(engine: &str, case: &str) {
    let row = ENGINES.iter().find(|row| row.name == engine).expect("a line in `engines.rs`");
    let case = CASES.iter().find(|known| known.name == case).expect("a line in `cases.rs`");
    if let Some(reason) = row.is_spared(case) {
        println!("its line says so: {reason}");
        return;
    }
    let (tell, told) = mpsc::channel();
    let worker = thread::spawn(move || {
        for by in [By::Task, By::Thread] {
            run_by(row, case, by);
        }
        let _ = tell.send(());
    });
    let said = told.recv_timeout(LONGEST);
    assert_ne!(said, Err(RecvTimeoutError::Timeout), "it has not ended within {LONGEST:?}");
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn run_by(row: &'static Row, case: &'static Case, by: By) {
    println!("{by:?}");
    let bench = Bench::new(row, case, by);
    (case.run)(&bench);
    bench.must_be_clean();
}
