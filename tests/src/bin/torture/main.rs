//! Kills processes that take a lock, and looks whether two ever have it:
//! `cargo run --release -p lockutils-tests --bin torture -- --kills 10000`.
//!
//! A [killer](killer) keeps a fleet of processes with [workers](worker) going that take one lock again and again, and kills them
//! with SIGKILL at random moments, half of the time the one that has the lock. Two [oracles](oracle) in a
//! [ledger] that all share tell whether two were inside together. The same is done to [protocols](planted) with a
//! planted fault: a run in which these show nothing has failed, since it could not have seen a fault of ours.

mod crowd;
mod death;
mod job;
mod killer;
mod ledger;
mod library;
mod life;
mod options;
mod oracle;
mod planted;
mod protocol;
mod report;
mod room;
mod watch;
mod way;
mod worker;

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::job::Job;
use crate::killer::{Phase, Until};
use crate::options::Options;
use crate::protocol::Protocol;
use crate::report::Outcome;

/// What part of the kills is repeated with readers, and with a cleaner beside the workers.
const OTHERS: u64 = 5;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let done = match Job::parse(&words) {
        Some(job) => job.run().map(|()| true),
        None => Options::parse(&words).map_err(io::Error::other).and_then(|options| run(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All phases, one after the other. Says whether each ended as it must.
fn run(options: &Options) -> io::Result<bool> {
    let made = tempfile::Builder::new().prefix("lockutils-torture-").tempdir_in(&options.directory)?;
    report::head(options);
    let mut passed = true;
    for protocol in Protocol::ALL {
        let outcome = Outcome::of(protocol, &phase(options, protocol, made.path()).run()?);
        println!("{outcome}");
        outcome.explain();
        passed &= outcome.passed();
    }
    println!("{}", if passed { "passed" } else { "FAILED" });
    Ok(passed)
}

fn phase(options: &Options, protocol: Protocol, directory: &std::path::Path) -> Phase {
    let until = match protocol {
        Protocol::Lockutils => Until::Kills(options.kills),
        Protocol::Readers | Protocol::Threads | Protocol::Cleaned => {
            Until::Kills(options.kills.div_ceil(OTHERS))
        }
        _ => Until::Time(Duration::from_secs(options.seconds_control)),
    };
    // About as many who take the lock, whether each has a process or not.
    let workers = if protocol.lives() > 1 { options.workers.div_ceil(2) } else { options.workers };
    Phase { protocol, until, workers, seed: options.seed, directory: directory.into() }
}
