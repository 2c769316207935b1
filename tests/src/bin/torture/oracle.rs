//! The oracles: whether two were inside together who must not be.
//!
//! 1. **The words.** Who writes enters its incarnation where nobody stands, looks at it all the time that it is
//!    inside, and takes it out when it leaves. Who reads takes a seat, and looks for a writer in the same way. Each enters
//!    its own word first and looks for others then, so that of two who meet at least one sees it. Who finds somebody has
//!    met somebody, unless that one is [dead](crate::death).
//! 2. **The split counter.** Who writes adds 1 to two words, one after the other. They are equal when the next one
//!    comes to write, unless the last one was killed inside; and they stay as they are while somebody reads.
//! 3. **The fencing token** of those who write, where there is one: higher than that of everybody before.
//!
//! Kills at the end of a phase are noted like all others.

use std::hint::spin_loop;
use std::io;
use std::iter::zip;
use std::ops::Range;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use crate::death::is_dead;
use crate::ledger::{Ledger, Wrong};
use crate::life::{ASTRAY, Doing, Life, now};
use crate::room::{Halves, Room};

/// What a holder does while it is inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay {
    /// How long it stays between the halves of the counter.
    pub(crate) length: Duration,
    /// Whether it gives way to other processes there.
    pub(crate) yields: bool,
}

/// One who takes the lock, and comes in when it has it.
#[derive(Clone, Copy)]
pub(crate) struct Visitor {
    ledger: Ledger,
    me: u64,
    life: &'static Life,
    /// All of them are its own when it writes, and the first one is where it reads.
    rooms: &'static [Room],
}

impl Visitor {
    /// The one with this number, in these rooms.
    pub(crate) fn new(ledger: Ledger, me: u64, rooms: Range<usize>) -> io::Result<Self> {
        Ok(Self { ledger, me, life: ledger.life(me)?, rooms: &ledger.head().rooms[rooms] })
    }

    /// What is known of it.
    pub(crate) fn life(&self) -> &'static Life {
        self.life
    }

    /// It says whether it has locked a file that is not at the path of the lock file.
    pub(crate) fn goes_astray(&self, astray: bool) {
        self.life.takes(if astray { ASTRAY } else { 0 });
        if astray {
            self.accuse(Wrong::Astray, 0);
        }
    }

    /// It has the lock alone: comes in, counts, and goes out. `token` is 0 where there is none. Says how far it has
    /// counted.
    pub(crate) fn write(&self, token: u64, stay: Stay) -> io::Result<u64> {
        let after_death: Vec<bool> =
            self.rooms.iter().map(|room| self.come_in(room)).collect::<io::Result<_>>()?;
        self.life.begins(Doing::Inside);
        if token > 0 {
            self.check_token(token);
        }
        let begun =
            zip(self.rooms, after_death).map(|(room, after_death)| self.begin_to_count(room, after_death));
        let counts: Vec<u64> = begun.collect();
        self.linger(stay, || self.rooms.iter().find_map(|room| room.others(self.me)));
        for (room, count) in zip(self.rooms, &counts) {
            self.go_out(room, *count);
        }
        Ok(counts[0])
    }

    /// It shares the lock: comes in, looks, and goes out. Nobody may have counted since it had the lock alone, if it
    /// had, and counted so far.
    pub(crate) fn read(&self, counted: Option<u64>, stay: Stay) -> io::Result<()> {
        let room = &self.rooms[0];
        let seat = room.sit_down(self.me)?;
        let holder = room.holder.load(SeqCst);
        if holder != 0 && !self.follows(holder)? {
            self.accuse(Wrong::Overlap, holder);
        }
        self.life.begins(Doing::Reading);
        let halves = room.halves();
        if counted.is_some_and(|count| halves != Halves::whole(count)) {
            self.accuse(Wrong::Torn, halves.gap());
        }
        self.linger(stay, || Some(room.holder.load(SeqCst)).filter(|now| *now != holder));
        if room.halves() != halves {
            self.accuse(Wrong::Torn, halves.gap());
        }
        if let Err(other) = seat.compare_exchange(self.me, 0, SeqCst, SeqCst) {
            self.accuse(Wrong::Overlap, other);
        }
        Ok(())
    }

    fn accuse(&self, wrong: Wrong, met: u64) {
        self.ledger.accuse(wrong, self.me, met);
    }

    /// Enters the word, and looks for readers. Says whether the last one who wrote was killed inside.
    fn come_in(&self, room: &Room) -> io::Result<bool> {
        let dead = self.enter(room)?;
        let ledger = self.ledger;
        for reader in room.sweep(|reader| is_dead(ledger.life(reader)?))? {
            self.accuse(Wrong::Overlap, reader);
        }
        Ok(dead)
    }

    fn enter(&self, room: &Room) -> io::Result<bool> {
        let Err(other) = room.holder.compare_exchange(0, self.me, SeqCst, SeqCst) else { return Ok(false) };
        let dead = self.follows(other)?;
        if !dead {
            self.accuse(Wrong::Overlap, other);
        }
        if room.holder.compare_exchange(other, self.me, SeqCst, SeqCst).is_err() {
            if dead {
                self.accuse(Wrong::Overlap, other);
            }
            room.holder.store(self.me, SeqCst);
        }
        Ok(dead)
    }

    /// Whether the one whose word is there is dead. Then it is noted when the next one came.
    fn follows(&self, other: u64) -> io::Result<bool> {
        let arrived = now();
        let life = self.ledger.life(other)?;
        let dead = is_dead(life)?;
        if dead {
            // The first who comes: it may be killed, too, before its own word is there.
            let _ = life.followed.compare_exchange(0, arrived, SeqCst, SeqCst);
        }
        Ok(dead)
    }

    /// Half of it. Says up to where.
    fn begin_to_count(&self, room: &Room, after_death: bool) -> u64 {
        let halves = room.halves();
        if halves.is_torn() && !after_death {
            self.accuse(Wrong::Torn, halves.gap());
        }
        room.begin_to_count(halves.next());
        halves.next()
    }

    fn go_out(&self, room: &Room, count: u64) {
        room.end_to_count(count);
        if room.halves() != Halves::whole(count) {
            self.accuse(Wrong::Torn, count);
        }
        if let Err(other) = room.holder.compare_exchange(self.me, 0, SeqCst, SeqCst) {
            self.accuse(Wrong::Overlap, other);
        }
    }

    fn check_token(&self, token: u64) {
        let before = self.ledger.head().token.swap(token, SeqCst);
        if before >= token {
            self.accuse(Wrong::Token, before);
        }
    }

    /// Stays inside, and looks all the time whether somebody is there.
    fn linger(&self, stay: Stay, other: impl Fn() -> Option<u64>) {
        let started = Instant::now();
        let mut yields = stay.yields;
        loop {
            if let Some(other) = other() {
                return self.accuse(Wrong::Overlap, other);
            }
            if std::mem::take(&mut yields) {
                thread::yield_now();
            }
            if started.elapsed() >= stay.length {
                return;
            }
            spin_loop();
        }
    }
}
