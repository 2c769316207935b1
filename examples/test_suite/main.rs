//! A suite of tests of which some share a database: by its name, instead of one test after the other.
//!
//! ```sh
//! cargo test -p lockutils-examples      # a process with many threads: they exclude each other
//! cargo nextest run --workspace         # a process for each test: so do they, by the lock file
//! ```
//!
//! Tests that do not use the database run beside all others, and those that only read it beside each other.

mod database;

use std::env;
use std::process::{Command, Output, Stdio};

use lockutils::testing::{LockFixture, temp_locks};
use lockutils::{Error, synchronized};

use crate::database::{Database, locks};

/// The test as a whole has the database.
#[test]
#[synchronized("database", external, lock_path = locks())]
fn a_customer_is_added() {
    let database = Database::empty();
    database.insert("Ada");
    assert_eq!(database.customers(), ["Ada"]);
}

#[test]
#[synchronized("database", external, lock_path = locks())]
fn customers_are_in_the_order_in_which_they_came() {
    let database = Database::empty();
    for name in ["Grace", "Ada", "Edsger"] {
        database.insert(name);
    }
    assert_eq!(database.customers(), ["Grace", "Ada", "Edsger"]);
}

/// As a fixture, for a part of a test. What takes long and needs no database comes before it.
#[test]
fn many_customers_are_added() -> Result<(), Error> {
    let names: Vec<_> = (0..50).map(|number| format!("customer {number}")).collect();
    locks();
    let fixture = LockFixture::new("database")?;
    let database = Database::empty();
    for name in &names {
        database.insert(name);
    }
    let there = database.customers();
    drop(fixture);
    assert_eq!(there, names);
    Ok(())
}

/// Together with other readers, and never in the middle of a test that writes.
#[test]
#[synchronized("database", external, read, lock_path = locks())]
fn customers_are_counted() {
    let database = Database::as_it_is();
    assert_eq!(database.customers().len(), database.customers().len());
}

#[test]
#[synchronized("database", external, read, lock_path = locks())]
fn no_customer_is_nameless() {
    assert!(Database::as_it_is().customers().iter().all(|name| !name.is_empty()));
}

/// Who forgets the lock is told so, even if nobody else is in the way by chance. In a directory of its own, where no
/// other test of this process has the lock.
#[test]
#[should_panic(expected = "lock `database` is not held by this process: nobody has it")]
fn nobody_writes_without_the_lock() {
    let own = temp_locks().expect("a directory");
    let database = Database::new(own.locks().lock("database").external(), own.path());
    database.insert("Ada");
}

/// A test without the database needs no lock.
#[test]
fn names_are_trimmed() {
    assert_eq!(database::trimmed("  Ada "), "Ada");
}

/// Several developers, or jobs of one machine: the whole suite in several processes at once, on one database.
#[test]
fn several_suites_can_run_at_once() {
    let suite = || {
        let mut command = Command::new(env::current_exe().expect("a test knows its own program"));
        command.args(["--skip", "several_suites"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("a process")
    };
    let suites = [(); 4].map(|()| suite());
    for suite in suites {
        let Output { status, stdout, .. } = suite.wait_with_output().expect("it ends");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stdout));
    }
}
