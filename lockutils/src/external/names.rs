//! The names in a directory, in their order, without keeping all of them: each pass over the directory brings the next ones.

use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::Path;

use super::remove::is_ours;

/// So many names are kept at a time: some megabytes, whatever the number of files.
pub(super) const MOST: usize = 1 << 15;

/// A file by its entry in the directory. One is less than another if its name is, byte by byte.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: OsString,
    /// What the entry says; the file at the path may be another by now.
    #[cfg_attr(
        lockutils_portable,
        expect(dead_code, reason = "there is no list of locks to look them up in")
    )]
    pub(super) inode: u64,
    pub(super) is_file: bool,
}

impl Named {
    fn new(name: OsString, entry: &DirEntry) -> Option<Self> {
        let kind = match entry.file_type() {
            Ok(kind) => Some(kind),
            // It has vanished.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(_) => None,
        };
        Some(Self { name, inode: entry.ino(), is_file: kind.as_ref().is_none_or(FileType::is_file) })
    }
}

/// The first names behind `last` that begin with `prefix`, at most so many. A directory that is missing has none.
pub(super) fn next(
    directory: &Path,
    prefix: &str,
    last: Option<&OsStr>,
    most: usize,
) -> io::Result<Vec<Named>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut first = BinaryHeap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_wanted = name.as_encoded_bytes().starts_with(prefix.as_bytes()) && !is_ours(&name);
        let is_near = first.len() < most || first.peek().is_some_and(|highest: &Named| name < highest.name);
        if is_wanted && is_near && last.is_none_or(|last| *name > *last) {
            first.extend(Named::new(name, &entry));
            if first.len() > most {
                first.pop();
            }
        }
    }
    Ok(first.into_sorted_vec())
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Named {}

impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Named {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(directory: &Path, prefix: &str, most: usize) -> Vec<String> {
        let (mut names, mut last) = (Vec::new(), None);
        loop {
            let found = next(directory, prefix, last.as_deref(), most).expect("a directory");
            assert!(found.len() <= most);
            let Some(highest) = found.last() else { return names };
            last = Some(highest.name.clone());
            names.extend(found.into_iter().map(|named| named.name.to_string_lossy().into_owned()));
        }
    }

    #[test]
    fn each_name_comes_once_and_in_order_whatever_fits_in_a_pass() {
        let directory = std::env::temp_dir().join(format!("lockutils-names-{}", std::process::id()));
        fs::create_dir(&directory).expect("a directory");
        let mut names: Vec<String> = (0..50).map(|number| format!("nova-{}", number * 7 % 50)).collect();
        names.extend(["cinder-1".to_owned(), ".hidden".to_owned()]);
        for name in names.iter().map(String::as_str).chain([".lockutils-removed-1"]) {
            fs::write(directory.join(name), "").expect("a file");
        }
        names.sort();
        for most in [1, 7, 50, 52, 1000] {
            assert_eq!(all(&directory, "", most), names, "{most} at a time");
            assert_eq!(all(&directory, "nova-", most), names[2..], "{most} at a time");
        }
        fs::remove_dir_all(&directory).expect("it is ours");
        assert!(all(&directory, "", 7).is_empty(), "a directory that is missing has none");
    }
}
