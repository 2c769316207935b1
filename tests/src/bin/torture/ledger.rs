//! What all processes of a phase know together: a mapped file, so that a killed process leaves it as it was at
//! that moment. It has nothing to do with the lock file.

use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use serde_json::{Map, Value, json};

use crate::life::{ASTRAY, Doing, Life, now};
use crate::room::Room;

/// How many sightings are kept; the others are only counted.
const KEPT: usize = 16;

/// The words that are about the lock. They are 0 at first.
#[repr(C, align(64))]
pub(crate) struct Head {
    /// Who is inside: oracles 1 and 2.
    pub(crate) rooms: [Room; 2],
    /// The highest fencing token that was seen: oracle 3.
    pub(crate) token: AtomicU64,
    seen: [AtomicU64; Wrong::ALL.len()],
    kept: AtomicU64,
    sightings: [[AtomicU64; 4]; KEPT],
}

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Two were inside together, and not both to read.
    Overlap,
    /// The two halves of the counter differ although nobody was killed inside, or somebody counted where others read.
    Torn,
    /// A fencing token that is not higher than the one before.
    Token,
    /// Two were inside together, and one of them had locked a file that had been taken away when it came: it does not look.
    Aside,
    /// One who does not look has locked a file that had been taken away. That is not wrong yet.
    Astray,
}

/// One time that something wrong was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    /// What it was.
    pub(crate) wrong: Wrong,
    /// The incarnation that saw it.
    pub(crate) by: u64,
    /// The incarnation that it met, or what it read.
    pub(crate) met: u64,
    /// When.
    pub(crate) at: u64,
}

impl Wrong {
    /// All, in the order of `Head::seen`.
    const ALL: [Self; 5] = [Self::Overlap, Self::Torn, Self::Token, Self::Aside, Self::Astray];

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wrong| format!("{wrong:?}") == name)
    }
}

/// The mapped file. It stays mapped until the process ends.
#[derive(Clone, Copy)]
pub(crate) struct Ledger {
    head: &'static Head,
    lives: &'static [Life],
}

impl Ledger {
    /// Makes one with room for so many lives.
    pub(crate) fn make(path: &Path, lives: usize) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        let length = size_of::<Head>() + lives * size_of::<Life>();
        file.set_len(length as u64)?;
        // The mapping of a file that cannot grow is a fault of the bus only later.
        file.write_all_at(&[0], length as u64 - 1)?;
        Self::map(&file)
    }

    /// Maps one that is there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::map(&File::options().read(true).write(true).open(path)?)
    }

    fn map(file: &File) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let lives = length.saturating_sub(size_of::<Head>()) / size_of::<Life>();
        let whole = NonZeroUsize::new(size_of::<Head>() + lives * size_of::<Life>());
        let whole =
            whole.filter(|whole| whole.get() == length).ok_or_else(|| io::Error::other("no ledger"))?;
        // SAFETY: a new mapping, at an address of the kernel's choice, in which nothing else is.
        let start = unsafe {
            mmap(None, whole, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, file, 0)?
        };
        let head: NonNull<Head> = start.cast();
        // SAFETY: the file has room for one `Head`, and nobody ever cuts it off; a mapping is aligned to a page; it is
        // never unmapped; any bits are an `AtomicU64`, and nothing else is in it.
        let head_ref = unsafe { head.as_ref() };
        // SAFETY: the same, with room for `lives` behind it; the size of `Head` is a multiple of the alignment of `Life`.
        let lives = unsafe { std::slice::from_raw_parts(head.add(1).cast::<Life>().as_ptr(), lives) };
        Ok(Self { head: head_ref, lives })
    }

    /// The words that are about the lock.
    pub(crate) fn head(&self) -> &'static Head {
        self.head
    }

    /// Notes that something is wrong. Who met somebody has met one who went astray, or is one, if either is.
    pub(crate) fn accuse(&self, wrong: Wrong, by: u64, met: u64) {
        let is_astray = |who| self.life(who).is_ok_and(|life| life.way() == ASTRAY);
        let aside = wrong == Wrong::Overlap && (is_astray(by) || is_astray(met));
        self.head.accuse(if aside { Wrong::Aside } else { wrong }, by, met);
    }

    /// Where the words of an incarnation are and those of its room, for those who map the ledger on their own.
    pub(crate) fn layout(me: u64, room: usize) -> Value {
        let room = offset_of!(Head, rooms) + room * size_of::<Room>();
        let words = |words: &[(&str, usize)], from: usize| -> Map<String, Value> {
            words.iter().map(|(name, at)| ((*name).to_owned(), (from + at).into())).collect()
        };
        let doing = Doing::ALL.into_iter().map(|doing| (format!("{doing:?}"), (doing as u64).into()));
        json!({
            "me": me,
            "room": words(&Room::WORDS, room),
            "lives": size_of::<Head>(),
            "size": size_of::<Life>(),
            "life": words(&Life::WORDS, 0),
            "doing": doing.collect::<Map<String, Value>>(),
            "astray": ASTRAY,
        })
    }

    /// All lives; the first is nobody's.
    pub(crate) fn lives(&self) -> &'static [Life] {
        self.lives
    }

    /// The life of one incarnation.
    pub(crate) fn life(&self, incarnation: u64) -> io::Result<&'static Life> {
        Ok(&self.some_lives(incarnation, 1)?[0])
    }

    /// The lives of so many, from this one on.
    pub(crate) fn some_lives(&self, incarnation: u64, number: u64) -> io::Result<&'static [Life]> {
        let from = usize::try_from(incarnation).map_err(io::Error::other)?;
        let to = from.saturating_add(usize::try_from(number).map_err(io::Error::other)?);
        let none = || io::Error::other(format!("the ledger has no room for {incarnation}"));
        self.lives.get(from..to).ok_or_else(none)
    }
}

impl Head {
    /// Notes that something is wrong.
    fn accuse(&self, wrong: Wrong, by: u64, met: u64) {
        self.seen[wrong as usize].fetch_add(1, SeqCst);
        let at = usize::try_from(self.kept.fetch_add(1, SeqCst)).unwrap_or(KEPT);
        if let Some(kept) = self.sightings.get(at) {
            for (word, value) in kept.iter().zip([wrong as u64, by, met, now()]) {
                word.store(value, SeqCst);
            }
        }
    }

    /// How often it was seen.
    pub(crate) fn seen(&self, wrong: Wrong) -> u64 {
        self.seen[wrong as usize].load(SeqCst)
    }

    /// The first sightings.
    pub(crate) fn sightings(&self) -> Vec<Sighting> {
        let number = usize::try_from(self.kept.load(SeqCst)).unwrap_or(KEPT).min(KEPT);
        let read = |words: &[AtomicU64; 4]| {
            let [wrong, by, met, at] = [0, 1, 2, 3].map(|word| words[word].load(SeqCst));
            let wrong = Wrong::ALL.into_iter().find(|known| *known as u64 == wrong).unwrap_or(Wrong::Overlap);
            Sighting { wrong, by, met, at }
        };
        self.sightings[..number].iter().map(read).collect()
    }
}
