//! `lockutils doctor`: whether locks work in a directory, and what to change.
//!
//! | | |
//! |---|---|
//! | [`configured`] | which directory it is, and who says so |
//! | [`directory`] | whether it is there, and who may do what in it |
//! | [`storage`] | its file system |
//! | [`locking`] | whether locks exclude there; by trying |
//! | [`content`] | what is in it |
//! | [`engine`] | the engine of distributed locks, and whether they can be taken there |
//! | [`system`] | what the host and the process have to give |

mod configured;
mod content;
mod directory;
mod engine;
mod finding;
mod locking;
mod mounts;
mod probe;
mod storage;
mod system;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lockutils::exit::Exit;
use lockutils::{Config, Locks, Mechanism};

use self::configured::Configured;
use self::finding::{Finding, State};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::place::Directory;

/// Checks whether locks work in a directory and on an engine, and says what to change
///
/// Each check is a line: `ok`, `warning` for what may do harm one day, or `problem` for what keeps locks from working;
/// and below the last two, the way out. Run it as the user whose locks they are, with the environment of the service.
///
/// It takes locks on files of its own, which it removes, and for a moment locks of files that nobody has, to ask whose
/// they are. On the engine of distributed locks it takes one with a name of its own. It makes no directory and changes no setting.
///
/// The exit status is 0 when there is no problem, with warnings or without, and 1 when there is one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Prints an object of JSON for each check, one a line: check, state, text and, of some, `way_out`
    #[arg(long)]
    json: bool,

    /// Tries the locks on this file, for the process that has them
    #[arg(long, value_name = "FILE", hide = true)]
    probe: Option<PathBuf>,

    #[command(flatten)]
    engine: Engine,

    #[command(flatten)]
    directory: Directory,
}

/// The directory that is looked at.
pub(crate) struct Patient {
    path: PathBuf,
    config: Config,
    locks: Locks,
}

impl Patient {
    fn is_of_pid_files(&self) -> bool {
        self.config.mechanism == Mechanism::Pid
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if let Some(file) = &args.probe {
        return probe::answer(file);
    }
    let findings = examine(args);
    print(args, &findings).map_err(|error| Failure::io("write to", Path::new("standard output"), &error))?;
    let is_well = findings.iter().all(|finding| finding.state != State::Problem);
    Ok(if is_well { Exit::Success } else { Exit::Conflict }.into())
}

fn examine(args: &Args) -> Vec<Finding> {
    let Configured { mut findings, config, patient } = configured::check(&args.directory, &args.engine);
    if let Some(patient) = &patient {
        findings.extend(examine_directory(patient));
    }
    if let (Some(config), Ok(source)) = (config, args.directory.source_of(&args.engine)) {
        findings.extend(engine::check(&config, source));
    }
    findings.extend(system::check(patient.as_ref()));
    findings
}

/// What comes later needs what came before: in a directory that cannot be entered, everything fails.
fn examine_directory(patient: &Patient) -> Vec<Finding> {
    let mut findings = directory::check(patient);
    if findings.iter().any(Finding::is_problem) || !patient.path.is_dir() {
        return findings;
    }
    findings.extend(storage::check(patient));
    if !findings.iter().any(Finding::is_problem) {
        findings.extend(locking::check(patient));
        findings.extend(content::check(patient));
    }
    findings
}

fn print(args: &Args, findings: &[Finding]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for finding in findings {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(finding)?)?;
        } else {
            writeln!(out, "{finding}")?;
        }
    }
    if !args.json {
        writeln!(out, "{}", summary(findings))?;
    }
    out.flush()
}

fn summary(findings: &[Finding]) -> String {
    let number = |state, word| match findings.iter().filter(|finding| finding.state == state).count() {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        more => format!("{more} {word}s"),
    };
    format!("{}, {}", number(State::Problem, "problem"), number(State::Warning, "warning"))
}
