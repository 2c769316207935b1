//! A number in a file, changed by reading, adding and writing: without a lock, additions get lost.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

/// How many digits the file has: it is never truncated, so that also those who hold no lock read a number.
const DIGITS: usize = 12;

/// The number in the file.
pub struct Counter(PathBuf);

impl Counter {
    /// Makes the file, with 0 in it.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        fs::write(&path, digits(0)).expect("a counter can be written");
        Self(path)
    }

    /// Uses the file of another process.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The number.
    ///
    /// # Panics
    ///
    /// When the file is not a counter.
    pub fn value(&self) -> u64 {
        let file = File::open(&self.0).expect("a counter can be opened");
        read(&file).expect("a counter has digits")
    }

    /// Adds 1 in three steps, and gives others every chance to come in between.
    ///
    /// # Panics
    ///
    /// When the file is not a counter.
    pub fn increment(&self) {
        let file = File::options().read(true).write(true).open(&self.0).expect("a counter can be opened");
        let value = read(&file).expect("a counter has digits");
        thread::yield_now();
        file.write_all_at(digits(value + 1).as_bytes(), 0).expect("a counter can be written");
    }
}

fn digits(value: u64) -> String {
    format!("{value:0DIGITS$}")
}

fn read(file: &File) -> io::Result<u64> {
    let mut digits = [0; DIGITS];
    file.read_exact_at(&mut digits, 0)?;
    let text = str::from_utf8(&digits).map_err(io::Error::other)?;
    text.parse().map_err(io::Error::other)
}
