//! The command that `run` and `wrapper` start: from its words to its exit status.
//!
//! | | |
//! |---|---|
//! | [`spawn`] | starts it, with the signal mask that this process was started with |
//! | [`signals`] | which signals wait for us while it runs |
//! | [`attend`] | passes them on, and waits for its end |

pub(crate) mod attend;
pub(crate) mod signals;
mod spawn;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;

use lockutils::exit::Exit;
use nix::errno::Errno;

pub(crate) use self::spawn::Tie;
use crate::failure::Failure;

/// What is to be executed.
#[derive(Debug)]
pub(crate) struct Command {
    /// At least one.
    words: Vec<OsString>,
    /// Added to the environment, or taken out of it.
    variables: Vec<(&'static str, Option<OsString>)>,
}

impl Command {
    /// `None`: there are no words.
    pub(crate) fn new(words: Vec<OsString>) -> Option<Self> {
        (!words.is_empty()).then_some(Self { words, variables: Vec::new() })
    }

    /// A line for the shell of the user, as flock(1) has it.
    pub(crate) fn of_shell(line: OsString) -> Self {
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let words = vec![shell.unwrap_or_else(|| "/bin/sh".into()), "-c".into(), line];
        Self { words, variables: Vec::new() }
    }

    pub(crate) fn set(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.variables.push((variable, Some(value.into())));
    }

    pub(crate) fn unset(&mut self, variable: &'static str) {
        self.variables.push((variable, None));
    }

    fn program(&self) -> &OsStr {
        &self.words[0]
    }

    /// Why it could not be started, with the exit statuses of the shell.
    fn failure(&self, error: &io::Error) -> Failure {
        let program = Word(self.program());
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT) => Failure::new(
                Exit::NotFound,
                format_args!(
                    "cannot execute {program}: there is no such command; look at its name and at PATH"
                ),
            ),
            Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => Failure::new(
                Exit::System,
                format_args!("cannot start a process for {program}: {error}; raise the limits, or try again"),
            ),
            _ => Failure::new(
                Exit::CannotExecute,
                format_args!("cannot execute {program}: {error}; look at its mode and at its first line"),
            ),
        }
    }
}

/// As it could be written for a shell, more or less.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Word(self.program()).fmt(f)?;
        self.words[1..].iter().try_for_each(|word| write!(f, " {}", Word(word)))
    }
}

struct Word<'a>(&'a OsStr);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.to_string_lossy();
        let is_plain = |letter: char| letter.is_alphanumeric() || "-_=+,./:@%^".contains(letter);
        if !word.is_empty() && word.chars().all(is_plain) {
            f.write_str(&word)
        } else {
            write!(f, "{word:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_fits_into_a_line() {
        let words = ["rsync", "-a", "two words", "", "a\nb"].map(OsString::from).to_vec();
        let command = Command::new(words).expect("there are words");
        assert_eq!(command.to_string(), r#"rsync -a "two words" "" "a\nb""#);
    }
}
