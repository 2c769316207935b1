//! Kills processes that take a lock, and looks whether two ever have it:
//! `cargo run --release -p lockutils-tests --bin torture -- --kills 10000`.
//!
//! A [killer](killer) keeps a fleet of processes with [workers](worker) going that take one lock again and again, and
//! kills them with SIGKILL at random moments, half of the time one that has the lock. [Oracles](oracle) in a
//! [ledger] that all share tell whether two were inside together who must not be. The same is done to
//! [protocols](planted) with a planted fault: a run in which these show nothing has failed, since it could not have
//! seen a fault of ours.

mod crowd;
mod death;
mod job;
mod killer;
mod ledger;
mod library;
mod life;
mod next;
mod options;
mod oracle;
mod peers;
mod phase;
mod planted;
mod protocol;
mod report;
mod role;
mod room;
mod tally;
mod watch;
mod way;
mod worker;

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::job::Job;
use crate::options::Options;
use crate::phase::{Phase, Until};
use crate::protocol::Protocol;
use crate::report::Outcome;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match start(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the arguments say. Says whether it went as it must.
fn start(words: &[String]) -> io::Result<bool> {
    if let Some(job) = Job::parse(words) {
        return job.run().map(|()| true);
    }
    if peers::accuse(words)? || next::stand(words)? {
        return Ok(true);
    }
    let options = Options::parse(words).map_err(io::Error::other)?;
    match options.kill_to_next {
        Some(kills) => next::measure(&options, kills).map(|()| true),
        None => run(&options),
    }
}

/// All phases, one after the other. Says whether each ended as it must.
fn run(options: &Options) -> io::Result<bool> {
    let made = tempfile::Builder::new().prefix("lockutils-torture-").tempdir_in(&options.directory)?;
    report::head(options);
    let mut passed = true;
    for protocol in
        Protocol::ALL.into_iter().filter(|protocol| options.only.is_none_or(|only| only == *protocol))
    {
        let outcome = Outcome::of(protocol, &phase(options, protocol, made.path()).run()?);
        println!("{outcome}");
        outcome.explain();
        passed &= outcome.passed();
    }
    println!("{}", if passed { "passed" } else { "FAILED" });
    Ok(passed)
}

fn phase(options: &Options, protocol: Protocol, directory: &std::path::Path) -> Phase {
    let parts: u64 = Protocol::ALL.into_iter().map(Protocol::part).sum();
    let until = match protocol.part() {
        0 => Until::Time(Duration::from_secs(options.seconds_control)),
        part => Until::Kills((options.kills * part).div_ceil(parts)),
    };
    // About as many who take the lock, whether each has a process or not.
    let workers = if protocol.lives() > 1 { options.workers.div_ceil(2) } else { options.workers };
    Phase { protocol, until, workers, seed: options.seed, directory: directory.into() }
}
