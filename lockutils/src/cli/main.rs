//! The command `lockutils`: named locks for scripts, operators and other languages.
//!
//! It is a user of the library like any other. Each command is a file, with its arguments at the top.

#![expect(clippy::doc_markdown, reason = "documentation of arguments is help, and read on a terminal")]

mod clean;
mod command;
mod completions;
mod doctor;
mod duration;
mod engine;
mod failure;
mod json;
mod list;
mod man;
mod output;
mod place;
mod run;
mod shown;
mod table;
mod usage;
mod who;
mod wrapper;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Named locks between the processes of a host, or of all hosts: one name stands for one lock, whoever takes it.
///
/// A lock is a file in the lock directory. Whatever takes the same file is excluded: services that use the library
/// lockutils, oslo.concurrency, fasteners, py-filelock or flock(1). With --distributed it is kept by Redis, etcd or ZooKeeper,
/// and excludes all who use the same one.
#[derive(Debug, Parser)]
#[command(name = "lockutils", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_long_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    List(list::Args),
    Who(who::Args),
    Clean(clean::Args),
    Wrapper(wrapper::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
}

const EXIT_STATUS: &str = "\
Exit status, of all commands:
    0  all is well; of `run` and `wrapper`, that of the command
    1  run: somebody else has the lock. who: nobody has it. doctor: something should be changed
   64  the command line, or the name of a lock, is not understood
   66  what is there is no lock
   68  the engine of a distributed lock cannot be reached
   69  the file system, the mechanism or the engine has no such locks
   70  something that should not happen
   71  the system has refused a process, a thread or a descriptor
   73  a file or directory cannot be made
   74  reading or writing has failed
   75  the lock was lost, and the command was ended for that
   76  the engine of a distributed lock has refused
   77  not permitted, by the system or by the engine
   78  no lock directory and no engine, or a configuration that cannot be used
  126  the command cannot be executed
  127  there is no such command
128+n  signal n has ended the command";

/// The same, for the one command that scripts start again and again: the arguments of the others are not made then.
#[derive(Debug, Parser)]
#[command(name = "lockutils", max_term_width = 100)]
struct Runner {
    #[command(subcommand)]
    command: OnlyRun,
}

#[derive(Debug, Subcommand)]
enum OnlyRun {
    Run(Box<run::Args>),
}

fn main() -> ExitCode {
    let command = match command() {
        Ok(command) => command,
        Err(error) => return usage::misunderstood(&error),
    };
    let ended = match command {
        Command::Run(args) => run::run(*args),
        Command::List(args) => list::run(&args),
        Command::Who(args) => who::run(&args),
        Command::Clean(args) => clean::run(&args),
        Command::Wrapper(args) => wrapper::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    };
    ended.unwrap_or_else(|failure| {
        failure.say();
        failure.code().into()
    })
}

fn command() -> Result<Command, clap::Error> {
    if std::env::args_os().nth(1).is_none_or(|word| word != "run") {
        return Cli::try_parse().map(|cli| cli.command);
    }
    Runner::try_parse().map(|Runner { command: OnlyRun::Run(args) }| Command::Run(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }
}
