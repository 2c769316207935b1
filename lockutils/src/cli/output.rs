//! Standard output, of which the reader may have had enough (`lockutils list | head`).

use std::io::{self, BufWriter, StdoutLock};
use std::path::Path;
use std::process::ExitCode;

use lockutils::Error;
use lockutils::exit::Exit;

use crate::failure::Failure;

/// Many lines in one call: a directory may have very many files.
const BUFFER: usize = 1 << 16;

pub(crate) fn open() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(BUFFER, io::stdout().lock())
}

/// Why a command writes no more.
pub(crate) enum Stop {
    /// Nobody reads any more.
    Closed,
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(Failure::io("write to", Path::new("standard output"), &error)),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A reader that has had enough is no failure.
pub(crate) fn ended(stopped: Result<Exit, Stop>) -> Result<ExitCode, Failure> {
    match stopped {
        Ok(exit) => Ok(exit.into()),
        Err(Stop::Closed) => Ok(Exit::Success.into()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}
