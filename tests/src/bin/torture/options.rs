//! What the user asks for.

use std::env;
use std::path::PathBuf;

use crate::protocol::Protocol;

const USAGE: &str = "torture [--kills N] [--workers N] [--seed S] [--directory DIR] [--seconds-control S] \
     [--only PROTOCOL]\n\
     torture --kill-to-next N [--directory DIR]";

/// The arguments.
pub(crate) struct Options {
    /// So many processes are killed while lockutils keeps them apart.
    pub(crate) kills: u64,
    /// So many workers there are at a time that may be killed.
    pub(crate) workers: usize,
    /// All that is random comes from it, but for what the scheduler does.
    pub(crate) seed: u64,
    /// Where the lock files are, in a directory of their own.
    pub(crate) directory: PathBuf,
    /// How long each protocol runs that is there to test this program.
    pub(crate) seconds_control: u64,
    /// The only protocol, by its name in the table.
    pub(crate) only: Option<Protocol>,
    /// Nothing of the above, but the time from so many kills to the next holder.
    pub(crate) kill_to_next: Option<u64>,
}

impl Options {
    /// Reads them.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self {
            kills: 10_000,
            workers: 6,
            seed: rand::random(),
            directory: env::temp_dir(),
            seconds_control: 2,
            only: None,
            kill_to_next: None,
        };
        for pair in words.chunks(2) {
            let [key, value] = pair else { return Err(format!("{} needs a value: {USAGE}", pair[0])) };
            options.set(key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = || match value.parse() {
            Ok(0) | Err(_) => Err(format!("{key} needs a number above 0, not {value:?}")),
            Ok(number) => Ok(number),
        };
        match key {
            "--kills" => self.kills = number()?,
            "--workers" => self.workers = usize::try_from(number()?).map_err(|error| error.to_string())?,
            "--seed" => self.seed = number()?,
            "--directory" => self.directory = value.into(),
            "--seconds-control" => self.seconds_control = number()?,
            "--only" => {
                let none = || format!("{value:?} is no protocol of the table");
                self.only = Some(Protocol::named(value).ok_or_else(none)?);
            }
            "--kill-to-next" => self.kill_to_next = Some(number()?),
            _ => return Err(format!("{key:?} is not known: {USAGE}")),
        }
        Ok(())
    }
}
