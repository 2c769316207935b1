//! Command lines that are not understood, in one line.

use std::env;
use std::process::ExitCode;

use clap::error::ErrorKind;
use lockutils::exit::Exit;

use crate::failure::say;

/// Help and version are wanted, and go to standard output.
pub(crate) fn misunderstood(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return if error.print().is_ok() { Exit::Success } else { Exit::Io }.into();
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nothing more can be done about a standard error that is closed.
        let _ = error.print();
    } else {
        let words: Vec<String> =
            env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        say(format_args!("{}; {}", what(&error.to_string()), way_out(error.kind(), &words)));
    }
    Exit::Usage.into()
}

/// What the parser says of it, without the usage and without the advice to take an option for something else.
fn what(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines = lines.filter(|line| !line.is_empty() && !line.contains("as a value, use"));
    let lines =
        lines.map(|line| line.strip_prefix("error: ").or_else(|| line.strip_prefix("tip: ")).unwrap_or(line));
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with("For more information")).collect();
    lines.join("; ").replace(":; ", ": ")
}

fn way_out(kind: ErrorKind, words: &[String]) -> String {
    let command = words.first().filter(|word| !word.starts_with('-')).map_or("", String::as_str);
    let is_command_astray = matches!(command, "run" | "wrapper")
        && matches!(kind, ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand)
        && !words.iter().any(|word| word == "--");
    match (is_command_astray, command) {
        (true, "run") => "what is to be run stands behind `--`: lockutils run NAME -- COMMAND".to_owned(),
        (true, _) => "what is to be run stands behind `--`: lockutils wrapper -- COMMAND".to_owned(),
        (false, _) if kind == ErrorKind::InvalidSubcommand || command.is_empty() => {
            "see lockutils --help".to_owned()
        }
        (false, command) => format!("see lockutils {command} --help"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_says_becomes_a_line() {
        for (text, line) in [
            (
                "error: unexpected argument '-a' found\n\n  tip: to pass '-a' as a value, use '-- -a'\n\nUsage: x\n",
                "unexpected argument '-a' found",
            ),
            (
                "error: unexpected argument '--no-wiat' found\n\n  tip: a similar argument exists: '--no-wait'\n\nUsage: x",
                "unexpected argument '--no-wiat' found; a similar argument exists: '--no-wait'",
            ),
            (
                "error: the following required arguments were not provided:\n  <NAME>...\n\nUsage: x\n",
                "the following required arguments were not provided: <NAME>...",
            ),
        ] {
            assert_eq!(what(text), line);
        }
    }

    #[test]
    fn a_command_without_its_mark_is_told_apart() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let out = |text| way_out(ErrorKind::UnknownArgument, &words(text));
        assert!(out("run nightly rsync -a").contains("lockutils run NAME -- COMMAND"));
        assert_eq!(out("run nightly --no-wiat -- true"), "see lockutils run --help");
        assert_eq!(out("list --jason"), "see lockutils list --help");
        assert_eq!(out("--lock-path /tmp run"), "see lockutils --help");
    }
}
