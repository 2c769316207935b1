//! `lockutils completions`: what a shell needs to complete the command.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;
use lockutils::exit::Exit;

use crate::failure::Failure;

/// Prints the completions of a shell
///
/// For bash, for example: `lockutils completions bash > /etc/bash_completion.d/lockutils`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "lockutils", &mut script);
    let written = io::stdout().write_all(&script).and_then(|()| io::stdout().flush());
    written.map_err(|error| Failure::io("write to", Path::new("standard output"), &error))?;
    Ok(Exit::Success.into())
}
