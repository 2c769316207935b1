//! `lockutils man`: the manual pages, made from the same words as the help.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap_mangen::Man;
use lockutils::exit::Exit;

use crate::failure::Failure;

/// Prints the manual page of the command or of one of its commands, or writes all of them
///
/// To read one: `lockutils man run | man -l -`. To install them: `lockutils man --dir /usr/local/share/man/man1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command to print the page of [default: that of `lockutils` itself]
    command: Option<String>,

    /// Writes all pages into this directory, which is made if it is missing
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, command: clap::Command) -> Result<ExitCode, Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    match &args.dir {
        Some(directory) => write_all(&command, directory)?,
        None => print(&command, args.command.as_deref())?,
    }
    Ok(Exit::Success.into())
}

fn print(command: &clap::Command, name: Option<&str>) -> Result<(), Failure> {
    let command = match name {
        None => command,
        Some(name) => command.find_subcommand(name).ok_or_else(|| {
            let known: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            Failure::new(Exit::Usage, format_args!("no command {name:?}; there are {}", known.join(", ")))
        })?,
    };
    let written = page(command).and_then(|page| io::stdout().write_all(&page));
    written.map_err(|error| Failure::io("write to", Path::new("standard output"), &error))
}

fn write_all(command: &clap::Command, directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::io("make", directory, &error))?;
    for command in [command].into_iter().chain(command.get_subcommands()) {
        let file = directory.join(format!("{}.1", full_name(command)));
        let written = page(command).and_then(|page| fs::write(&file, page));
        written.map_err(|error| Failure::io("write", &file, &error))?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let version = concat!("lockutils ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).title(full_name(command)).source(version).render(&mut page)?;
    // What stands below the help has a heading of its own kind in a manual.
    Ok(String::from_utf8_lossy(&page).replace(".SH EXTRA\n", ".SH NOTES\n").into_bytes())
}

/// `lockutils-run` of `lockutils run`, as the pages of git are called.
fn full_name(command: &clap::Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}
