//! What the kernel says of locks: its table of them, `/proc/locks` (proc(5)).
//!
//! | lock | seen with its pid |
//! |---|---|
//! | `flock(2)`, record locks | in this pid namespace and those below it; those of other namespaces are not in the table at all |
//! | OFD locks | never; they are in the table whatever the namespace |
//!
//! The table comes in pieces, and what changes in between may be missed or seen twice: what is said twice running of a file
//! is believed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::libc;

use super::Sharing;
use super::file::FileId;
use super::flock;
use crate::error::Error;

/// Which of the locks that do not see each other it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flock,
    Posix,
    Ofd,
}

/// A lock, or a wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) waits: bool,
    pub(super) sharing: Sharing,
    pub(super) pid: Option<u32>,
    /// The first byte and the last one.
    pub(super) first: libc::off_t,
    pub(super) last: libc::off_t,
}

/// The entries of some files.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<FileId, Vec<Entry>>);

/// How often one look and the next may differ.
const LOOKS: u32 = 10;

impl Table {
    /// What the kernel says of the files with these inodes.
    pub(super) fn of(inodes: &HashSet<u64>) -> Result<Self, Error> {
        Self::read_until_settled(inodes)
            .map_err(|error| Error::io_at("read", Path::new("/proc/locks"), error))
    }

    fn read_until_settled(inodes: &HashSet<u64>) -> io::Result<Self> {
        let (mut seen, mut again) = (Self::read(inodes)?, Self::read(inodes)?);
        let mut settled = Self::default();
        for _ in 0..LOOKS {
            let doubtful = settled.settle(&seen, &mut again);
            if doubtful.is_empty() {
                break;
            }
            (seen, again) = (again, Self::read(&doubtful)?);
        }
        settled.0.extend(again.0);
        Ok(settled)
    }

    /// Takes over what was said twice. What is left in `again` is to be looked at once more: the inodes.
    fn settle(&mut self, seen: &Self, again: &mut Self) -> HashSet<u64> {
        let missed = seen.0.keys().filter(|id| !again.0.contains_key(id)).map(|id| id.inode);
        let mut doubtful: HashSet<u64> = missed.collect();
        let (same, other) = std::mem::take(&mut again.0)
            .into_iter()
            .partition(|(id, entries)| seen.0.get(id) == Some(entries) && !doubtful.contains(&id.inode));
        self.0.extend::<HashMap<_, _>>(same);
        again.0 = other;
        doubtful.extend(again.0.keys().map(|id| id.inode));
        doubtful
    }

    pub(super) fn entries(&self, id: FileId) -> &[Entry] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }

    /// In pieces as large as the kernel gives them, which is a page: a reader with a small buffer would miss much more, since
    /// a line that goes between two pieces makes the kernel pass over the one behind it.
    fn read(inodes: &HashSet<u64>) -> io::Result<Self> {
        let (mut file, mut text, mut piece) = (File::open("/proc/locks")?, Vec::new(), vec![0; 1 << 16]);
        let mut table = Self::default();
        loop {
            let length = flock::retried(|| file.read(&mut piece))?;
            if length == 0 {
                return Ok(table);
            }
            text.extend_from_slice(&piece[..length]);
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in text[..whole].split(|byte| *byte == b'\n') {
                table.note(line, inodes);
            }
            text.drain(..whole);
        }
    }

    fn note(&mut self, line: &[u8], inodes: &HashSet<u64>) {
        let parsed = str::from_utf8(line).ok().and_then(|line| parse(line, |inode| inodes.contains(&inode)));
        if let Some((id, entry)) = parsed {
            self.0.entry(id).or_default().push(entry);
        }
    }
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:11034782 0 EOF`; who waits has an arrow in second place.
fn parse(line: &str, is_wanted: impl Fn(u64) -> bool) -> Option<(FileId, Entry)> {
    let mut words = line.split_ascii_whitespace().skip(1).peekable();
    let waits = words.next_if_eq(&"->").is_some();
    let kind = match words.next()? {
        "FLOCK" => Kind::Flock,
        "POSIX" => Kind::Posix,
        "OFDLCK" => Kind::Ofd,
        _ => return None,
    };
    let sharing = if words.nth(1)? == "READ" { Sharing::Shared } else { Sharing::Alone };
    // -1 where there is none.
    let pid = words.next()?.parse().ok();
    let id = file(words.next()?).filter(|id| is_wanted(id.inode))?;
    let first = words.next()?.parse().ok()?;
    let last = words.next().map(|last| last.parse().unwrap_or(libc::off_t::MAX))?;
    Some((id, Entry { kind, waits, sharing, pid, first, last }))
}

fn file(text: &str) -> Option<FileId> {
    let mut parts = text.split(':');
    let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
    let device = libc::makedev(number()?, number()?);
    Some(FileId { device, inode: parts.next()?.parse().ok()? })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The entries of lines without their numbers.
    pub(in super::super) fn entries(lines: &[String]) -> Vec<Entry> {
        let parsed = lines.iter().map(|line| parsed(&format!("1: {line}")).expect("a line").1);
        parsed.collect()
    }

    fn parsed(line: &str) -> Option<(FileId, Entry)> {
        parse(line, |_| true)
    }

    #[test]
    fn lines_of_all_kinds_are_understood() {
        let (id, entry) = parsed("1: FLOCK  ADVISORY  WRITE 4711 fe:00:11034782 0 EOF").expect("a line");
        assert_eq!(id, FileId { device: libc::makedev(0xfe, 0), inode: 11_034_782 });
        let whole = Entry {
            kind: Kind::Flock,
            waits: false,
            sharing: Sharing::Alone,
            pid: Some(4711),
            first: 0,
            last: libc::off_t::MAX,
        };
        assert_eq!(entry, whole);
        let (_, waiter) = parsed("1:  -> POSIX  ADVISORY  READ  12 fe:00:7 0 EOF").expect("a line");
        let reads =
            Entry { kind: Kind::Posix, waits: true, sharing: Sharing::Shared, pid: Some(12), ..whole };
        assert_eq!(waiter, reads);
        let (_, part) =
            parsed("12: OFDLCK ADVISORY  WRITE -1 08:11:7 1 4611686018427387903").expect("a line");
        assert_eq!((part.kind, part.pid, part.first, part.last), (Kind::Ofd, None, 1, (1 << 62) - 1));
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in [
            "",
            "1:",
            "1: LEASE  ACTIVE    READ 4711 fe:00:7 0 EOF",
            "1: POSIX  *NOINODE* WRITE 4711 <none>:0 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 4711 fe:00:7",
            "1: FLOCK  ADVISORY  WRITE 4711 fe:00 0 EOF",
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }

    fn table(files: &[(u64, u32)]) -> Table {
        let line = |(inode, pid): &(u64, u32)| format!("1: FLOCK  ADVISORY  WRITE {pid} fe:00:{inode} 0 EOF");
        Table(
            files
                .iter()
                .filter_map(|file| parsed(&line(file)))
                .map(|(id, entry)| (id, vec![entry]))
                .collect(),
        )
    }

    /// What is said once only, or is missed once, is looked at again; the others keep what was said twice.
    #[test]
    fn what_is_said_twice_is_believed() {
        let (mut settled, seen) = (Table::default(), table(&[(1, 10), (2, 20), (3, 30)]));
        let mut again = table(&[(1, 10), (2, 21), (4, 40)]);
        let doubtful = settled.settle(&seen, &mut again);
        assert_eq!(doubtful, HashSet::from([2, 3, 4]));
        assert_eq!(settled.0.keys().map(|id| id.inode).collect::<Vec<_>>(), [1]);
        assert_eq!(again.0.len(), 2);
    }
}
