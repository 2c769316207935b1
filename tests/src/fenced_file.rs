//! A number in a file that looks at fencing tokens, or does not.

use std::fs;
use std::path::{Path, PathBuf};

use lockutils::{Config, Fence, Lock, Locks};

/// A number in a file, and the highest token that was seen, for all processes of the host. Each step is one under a lock file of
/// its own; nothing but tokens keeps others away between two steps.
pub struct FencedFile {
    path: PathBuf,
    step: Lock,
    looks: bool,
}

impl FencedFile {
    /// Makes it in this directory, with 0 in it.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn new(directory: &Path) -> Self {
        let file = Self::at(directory);
        file.save(0, 0);
        file
    }

    /// Uses that of another process.
    ///
    /// # Panics
    ///
    /// When the directory cannot be used.
    pub fn at(directory: &Path) -> Self {
        let locks = Locks::new(Config::new().lock_path(directory)).expect("a directory");
        Self { path: directory.join("number"), step: locks.lock("step").external(), looks: true }
    }

    /// Lets everybody in, whatever the token.
    #[must_use]
    pub fn blind(mut self) -> Self {
        self.looks = false;
        self
    }

    /// The number; `None`: the token is too old.
    ///
    /// # Panics
    ///
    /// When the file cannot be used.
    pub fn read(&self, token: u64) -> Option<u64> {
        self.step(token, |value| value)
    }

    /// Changes the number, and says whether it has.
    ///
    /// # Panics
    ///
    /// When the file cannot be used.
    pub fn write(&self, token: u64, value: u64) -> bool {
        self.step(token, |_| value).is_some()
    }

    fn step(&self, token: u64, next: impl FnOnce(u64) -> u64) -> Option<u64> {
        let _step = self.step.acquire().expect("a lock file");
        let (highest, value) = self.load();
        let fence = Fence::from_highest(highest);
        if self.looks {
            fence.check(token).ok()?;
        }
        let next = next(value);
        self.save(fence.highest(), next);
        Some(next)
    }

    fn load(&self) -> (u64, u64) {
        let text = fs::read_to_string(&self.path).expect("it can be read");
        let (highest, value) = text.split_once(' ').expect("two numbers");
        (highest.parse().expect("a number"), value.parse().expect("a number"))
    }

    fn save(&self, highest: u64, value: u64) {
        fs::write(&self.path, format!("{highest} {value}")).expect("it can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_refuses_old_tokens() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = FencedFile::new(directory.path());
        assert_eq!(file.read(3), Some(0));
        assert!(file.write(4, 7));
        assert!(!file.write(3, 8));
        assert_eq!((file.read(3), file.read(4)), (None, Some(7)));
    }

    #[test]
    fn a_blind_one_does_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = FencedFile::new(directory.path()).blind();
        assert!(file.write(4, 7) && file.write(3, 8));
        assert_eq!(file.read(2), Some(8));
    }
}
