//! What the locks on one file mean: in which way it is held, by whom, and how many wait.

use super::Sharing;
use super::range::{Conflict, Meaning};
use super::status::FileState;
use super::table::{Entry, Kind};

/// All that the kernel says of a file.
#[derive(Debug)]
pub(super) struct Locked {
    entries: Vec<Entry>,
    /// The table and the file itself say the same.
    pub(super) is_agreed: bool,
}

impl Entry {
    fn meaning(&self) -> Meaning {
        // A lock of the other kinds is never one of ours.
        if self.kind == Kind::Ofd { Meaning::of(self.first, self.last) } else { Meaning::Lock }
    }

    fn holds(&self, kind: Kind) -> bool {
        !self.waits && self.kind == kind
    }

    /// Whether it is a record lock that is in the way of who wants the lock alone.
    fn is_record(&self) -> bool {
        let stands_aside = matches!(Meaning::of(self.first, self.last), Meaning::Token | Meaning::Place);
        !self.waits && self.kind != Kind::Flock && !stands_aside
    }

    /// Whether it waits, and has no place in the queue by which it is counted already.
    fn waits_unqueued(&self) -> bool {
        let is_queued = match self.meaning() {
            Meaning::First => true,
            Meaning::Lock => self.first == 1 && Meaning::of(self.last, self.last) == Meaning::Place,
            _ => false,
        };
        self.waits && !is_queued
    }

    /// Whether it is a place in the queue.
    fn is_place(&self) -> bool {
        self.holds(Kind::Ofd) && matches!(self.meaning(), Meaning::Place | Meaning::First)
    }
}

impl Locked {
    /// Of what the table says.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        Self { entries, is_agreed: true }
    }

    /// Of what the table has said, and what a question about the file itself finds in the way. That is exact, and sees what
    /// the table does not show: the record locks of other pid namespaces.
    pub(super) fn asked(mut entries: Vec<Entry>, conflict: Option<Conflict>) -> Self {
        let is_agreed = entries.iter().any(Entry::is_record) == conflict.is_some();
        let Some(Conflict { sharing, pid, start, .. }) = conflict else {
            entries.retain(|entry| !entry.is_record());
            return Self { entries, is_agreed };
        };
        let is_named = pid.is_none() || entries.iter().any(|entry| entry.pid == pid);
        if !is_agreed || !is_named {
            let kind = if pid.is_some() { Kind::Posix } else { Kind::Ofd };
            let last = conflict.map_or(start, Conflict::last);
            entries.push(Entry { kind, waits: false, sharing, pid, first: start, last });
        }
        Self { entries, is_agreed }
    }

    /// Whether anything but waits is on the lock.
    pub(super) fn is_held(&self) -> bool {
        self.entries.iter().any(|entry| entry.holds(Kind::Flock) || entry.is_record())
    }

    pub(super) fn state(&self) -> FileState {
        let flock = self.strongest(|entry| entry.holds(Kind::Flock));
        let record = self.strongest(|entry| entry.is_record() && entry.meaning() == Meaning::Lock);
        match (flock, record) {
            (Some(Sharing::Alone), _) => FileState::Write,
            _ if self.permits().is_some() => self.permits().unwrap_or(FileState::Free),
            (Some(Sharing::Shared), Some(Sharing::Alone)) if self.is_writer_of_ours_kept_out() => {
                FileState::Read
            }
            (_, Some(Sharing::Alone)) => FileState::Write,
            (_, Some(Sharing::Shared)) => FileState::Read,
            (Some(Sharing::Shared), None) if !self.is_flocked_by_waiters() => FileState::Read,
            _ if self.waiters() > 0 => FileState::Waited,
            _ => FileState::Free,
        }
    }

    fn strongest(&self, is_it: impl Fn(&Entry) -> bool) -> Option<Sharing> {
        let all = || self.entries.iter().filter(|entry| is_it(entry));
        let alone = all().find(|entry| entry.sharing == Sharing::Alone);
        alone.or_else(|| all().next()).map(|entry| entry.sharing)
    }

    /// The permits that are taken, if there are any.
    fn permits(&self) -> Option<FileState> {
        let permits = self.entries.iter().filter(|entry| entry.holds(Kind::Ofd)).map(Entry::meaning);
        permits.fold(None, |sum, meaning| match (sum, meaning) {
            (None, Meaning::Permits { taken, of }) => Some(FileState::Permits { taken, of }),
            // Two numbers are there for a moment only: one of those who came at once takes its own back.
            (Some(FileState::Permits { taken, of }), Meaning::Permits { taken: more, of: other })
                if of == other =>
            {
                Some(FileState::Permits { taken: taken + more, of })
            }
            _ => sum,
        })
    }

    /// Who has the record lock alone may be a writer that waits for those who share the `flock`, and know no record locks.
    fn is_writer_of_ours_kept_out(&self) -> bool {
        let is_named =
            self.entries.iter().any(|entry| entry.holds(Kind::Posix) && entry.sharing == Sharing::Alone);
        !is_named && self.entries.iter().any(|entry| entry.waits && entry.kind == Kind::Flock)
    }

    /// Who is the first to wait for a permit shares the `flock` with those who have permits.
    fn is_flocked_by_waiters(&self) -> bool {
        let first = |entry: &&Entry| entry.holds(Kind::Ofd) && entry.meaning() == Meaning::First;
        let flocks = self.entries.iter().filter(|entry| entry.holds(Kind::Flock)).count();
        flocks <= self.entries.iter().filter(first).count()
    }

    /// The processes that the kernel names as holders.
    pub(super) fn pids(&self) -> Vec<u32> {
        let holds = |entry: &&Entry| entry.holds(Kind::Flock) || entry.is_record();
        let mut pids: Vec<u32> = self.entries.iter().filter(holds).filter_map(|entry| entry.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// How many threads of processes wait: those in the queue, and others that wait in the kernel.
    pub(super) fn waiters(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_place() || entry.waits_unqueued()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::external::table::tests::entries;

    const LOCK: &str = "1 4611686018427387903";
    /// The lock, and the queue up to a place.
    const QUEUED: &str = "1 4611686018427387911";
    const PLACE: &str = "4611686018427387911 4611686018427387911";
    const FIRST: &str = "4611686018427387903 4611686018427387911";
    /// Of a semaphore that has 2.
    const PERMIT: &str = "2305843009215791104 2305843009215791104";

    fn seen(lines: &[String]) -> (FileState, Vec<u32>, usize) {
        let locked = Locked::of(entries(lines));
        (locked.state(), locked.pids(), locked.waiters())
    }

    fn flock(words: &str) -> String {
        format!("FLOCK ADVISORY {words} fe:00:7 0 EOF")
    }

    fn ofd(sharing: &str, bytes: &str) -> String {
        format!("OFDLCK ADVISORY {sharing} -1 fe:00:7 {bytes}")
    }

    fn waits(line: &str) -> String {
        format!("-> {line}")
    }

    #[test]
    fn a_writer_and_those_behind_it() {
        assert_eq!(seen(&[]), (FileState::Free, vec![], 0));
        let writer = [ofd("WRITE", QUEUED), flock("WRITE 5")];
        assert_eq!(seen(&writer), (FileState::Write, vec![5], 0));
        let behind = [ofd("WRITE", PLACE), waits(&ofd("WRITE", QUEUED)), waits(&flock("WRITE 9"))];
        assert_eq!(seen(&[&writer[..], &behind].concat()), (FileState::Write, vec![5], 2));
        assert_eq!(seen(&behind[..1]), (FileState::Waited, vec![], 1));
        // It was given up, and its thread has not seen it yet.
        assert_eq!(seen(&[&writer[..], &behind[1..2]].concat()), (FileState::Write, vec![5], 0));
    }

    #[test]
    fn readers_and_a_writer_that_flock_keeps_out() {
        let readers = [ofd("READ", LOCK), ofd("READ", LOCK), flock("READ 5"), flock("READ 4")];
        assert_eq!(seen(&readers), (FileState::Read, vec![4, 5], 0));
        let kept_out = [ofd("WRITE", QUEUED), waits(&flock("WRITE 9"))];
        assert_eq!(seen(&[&[flock("READ 5")][..], &kept_out].concat()), (FileState::Read, vec![5], 1));
        assert_eq!(seen(&[&[flock("WRITE 5")][..], &kept_out].concat()), (FileState::Write, vec![5], 1));
    }

    #[test]
    fn permits_and_those_who_wait_for_one() {
        let two =
            [ofd("WRITE", PERMIT), flock("READ 5"), ofd("WRITE", "2305843009215791105 2305843009215791105")];
        let permits = FileState::Permits { taken: 2, of: 2 };
        assert_eq!(seen(&two), (permits, vec![5], 0));
        let both = ofd("WRITE", "2305843009215791104 2305843009215791105");
        assert_eq!(seen(&[both, flock("READ 5")]), (permits, vec![5], 0));
        let waiting =
            [ofd("WRITE", FIRST), flock("READ 6"), ofd("WRITE", PLACE), waits(&ofd("WRITE", FIRST))];
        assert_eq!(seen(&[&two[..], &waiting].concat()), (permits, vec![5, 6], 2));
        assert_eq!(seen(&waiting).0, FileState::Waited);
    }

    #[test]
    fn record_locks_of_others() {
        let whole = |sharing: &str| format!("POSIX ADVISORY {sharing} 8 fe:00:7 0 EOF");
        assert_eq!(seen(&[whole("WRITE")]), (FileState::Write, vec![8], 0));
        assert_eq!(seen(&[whole("READ")]), (FileState::Read, vec![8], 0));
        let behind = waits(&ofd("WRITE", "4611686018427387904 4611686018427387904"));
        assert_eq!(seen(&[whole("WRITE"), behind]), (FileState::Write, vec![8], 1));
        // A lock on the first byte keeps nobody out.
        assert_eq!(seen(&["POSIX ADVISORY WRITE 8 fe:00:7 0 0".to_owned()]).0, FileState::Free);
    }

    /// What the table does not show, or not any more, is seen by asking.
    #[test]
    fn what_a_question_says_counts() {
        let conflict =
            Conflict { sharing: Sharing::Shared, pid: None, is_endless: true, start: 0, length: 0 };
        let hidden = Locked::asked(Vec::new(), Some(conflict));
        assert_eq!((hidden.state(), hidden.pids(), hidden.is_agreed), (FileState::Read, vec![], false));
        let gone = Locked::asked(entries(&[ofd("WRITE", LOCK)]), None);
        assert_eq!((gone.state(), gone.is_agreed, gone.is_held()), (FileState::Free, false, false));
        let there = Locked::asked(entries(&[ofd("READ", LOCK)]), Some(conflict));
        assert_eq!((there.state(), there.is_agreed, there.is_held()), (FileState::Read, true, true));
    }
}
