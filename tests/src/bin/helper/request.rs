//! How a lock is to be taken, from words.

use std::time::Duration;

use lockutils::{Error, Lock, LockGuard};

/// A lock, and the verb that waits for it.
pub(crate) struct Request {
    lock: Lock,
    is_async: bool,
}

impl Request {
    /// An external lock with the options `read`, `fair`, `async`, `timeout=MS` and `semaphore=N`.
    pub(crate) fn new(name: &str, words: &[&str]) -> Self {
        let permits = words.iter().find_map(|word| word.strip_prefix("semaphore="));
        let lock = match permits.map(|number| number.parse().expect("a number")) {
            Some(permits) => lockutils::semaphore(name, permits),
            None => lockutils::lock(name),
        };
        let words = words.iter().filter(|word| !word.starts_with("semaphore="));
        words.fold(Self { lock: lock.external(), is_async: false }, |request, word| request.with(word))
    }

    fn with(self, word: &str) -> Self {
        let Self { lock, is_async } = self;
        match word {
            "async" => Self { lock, is_async: true },
            "read" => Self { lock: lock.read(), is_async },
            "fair" => Self { lock: lock.fair(), is_async },
            _ => Self { lock: lock.timeout(millis(word)), is_async },
        }
    }

    pub(crate) fn wait(&self) -> Result<LockGuard, Error> {
        if self.is_async {
            futures_lite::future::block_on(self.lock.acquire_async())
        } else {
            self.lock.acquire()
        }
    }

    pub(crate) fn attempt(&self) -> Result<Option<LockGuard>, Error> {
        self.lock.try_acquire()
    }
}

fn millis(word: &str) -> Duration {
    let number = word.strip_prefix("timeout=").and_then(|number| number.parse().ok());
    Duration::from_millis(number.unwrap_or_else(|| panic!("not known: {word}")))
}

/// What became of an acquire, in a word or a line.
pub(crate) fn outcome(taken: &Result<Option<LockGuard>, Error>) -> String {
    match taken {
        Ok(Some(_)) => "held".into(),
        Ok(None) => "busy".into(),
        Err(error) if error.is_timeout() => "timeout".into(),
        Err(error) => format!("error {}: {error}", kinds(error)),
    }
}

/// Everything that an error says it is.
pub(crate) fn kinds(error: &Error) -> String {
    let kinds = [
        ("unsupported", error.is_unsupported()),
        ("permission", error.is_permission()),
        ("not-a-file", error.is_not_a_file()),
        ("deadlock", error.is_would_deadlock()),
        ("mismatch", error.is_mismatch()),
        ("io", error.is_io()),
        ("lost", error.is_lost()),
    ];
    let kinds: Vec<&str> = kinds.iter().filter(|(_, is)| *is).map(|(kind, _)| *kind).collect();
    kinds.join(" ")
}
