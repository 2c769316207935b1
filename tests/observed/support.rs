//! A log in memory, as the usual subscriber writes it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockutils::{Config, Locks};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

/// A registry without a directory.
pub(crate) fn own() -> Locks {
    Locks::new(Config::new()).expect("a configuration")
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The lines that have this in them.
    pub(crate) fn lines(&self, part: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// The one line that has this in it.
    #[track_caller]
    pub(crate) fn line(&self, part: &str) -> String {
        let mut lines = self.lines(part);
        assert_eq!(lines.len(), 1, "{part:?} in {}", self.text());
        lines.remove(0)
    }

    /// Runs `work` with this as the log of the thread, from this level on.
    pub(crate) fn of<R>(&self, level: Level, work: impl FnOnce() -> R) -> R {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .without_time()
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
