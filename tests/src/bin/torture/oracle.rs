//! The oracles: whether two were inside together.
//!
//! 1. **The holder word.** Who comes in enters its incarnation where nobody stands, looks at it all the time that it is
//!    inside, and takes it out when it leaves. Who finds another one there has met somebody, unless that one is dead.
//! 2. **The split counter.** Who is inside adds 1 to two words, one after the other. They are equal when the next one
//!    comes in, unless the last one was killed inside.
//! 3. **The fencing token**, where there is one: higher than that of everybody before.
//!
//! # How the word of a dead holder is told from that of a living one
//!
//! A holds the lock and is killed; B comes in and finds A's word. The kernel frees the lock while A ends, before A's
//! parent, the killer, can see that A has ended. So B may be inside before the killer could note anywhere that A is dead:
//! if B believed only such notes, it would see an overlap that is none. If the killer noted it before it kills, B would
//! miss an overlap that is one: A may go on for a while after the note.
//!
//! So B asks the kernel itself. In Linux a process first gets the flag `PF_EXITING`, by which it never comes back from the
//! kernel, and then loses its files and their locks, in this order. Its first thread has the flag when the last thread
//! gives the files up. Hence:
//!
//! - If the kernel has freed A's lock by A's death, B sees the flag, or a process that has ended. No false overlap.
//! - If A still runs when B looks, B does not see the flag, whatever A is about to suffer: an overlap.
//! - What B looks at is A and not another process that has got A's number: the killer sees A's end without reaping it, notes
//!   it in A's [`Life`](crate::life::Life), and only then reaps it, which gives the number free. B reads the note after
//!   its look. If there is none, the number was still A's; if there is one, A is dead.
//!
//! What is left is an A that lived when B came in and died before B had looked, some microseconds later. A's own look is
//! there for that: as long as it runs inside it sees B's word in place of its own and notes the overlap. Unseen remains an A
//! that did not run in between and was killed in just that time; a fault that shows only then does not exist in the
//! protocols above, since a kill that has not had its effect yet changes nothing.
//!
//! Kills at the end of a phase are noted like all others.

use std::fs;
use std::hint::spin_loop;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::{Ledger, Wrong};
use crate::life::{Doing, Life, now};

/// `PF_EXITING` of the kernel: the process is ending, and runs no code of its own any more.
const EXITING: u64 = 0x4;
/// Where the flags are in `/proc/PID/stat`, behind the name: field 9 of proc(5), where the state is field 3.
const FLAGS: usize = 9 - 3;

/// What a holder does while it is inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay {
    /// How long it stays between the halves of the counter.
    pub(crate) length: Duration,
    /// Whether it gives way to other processes there.
    pub(crate) yields: bool,
}

/// The caller, `me`, has the lock: comes in, counts, and goes out. `token` is 0 where there is none.
pub(crate) fn visit(ledger: &Ledger, me: u64, token: u64, stay: Stay) -> io::Result<()> {
    let after_death = come_in(ledger, me)?;
    let head = ledger.head();
    ledger.life(me)?.begins(Doing::Inside);
    if token > 0 {
        check_token(ledger, me, token);
    }
    let (first, second) = (head.first.load(SeqCst), head.second.load(SeqCst));
    if first != second && !after_death {
        head.accuse(Wrong::Torn, me, first.wrapping_sub(second));
    }
    // Loads and stores, not additions of one step: who is inside at the same time makes them go wrong.
    let next = first.max(second) + 1;
    head.first.store(next, SeqCst);
    linger(ledger, me, stay);
    head.second.store(next, SeqCst);
    if head.first.load(SeqCst) != next || head.second.load(SeqCst) != next {
        head.accuse(Wrong::Torn, me, next);
    }
    go_out(ledger, me);
    Ok(())
}

/// Enters the word. Says whether the last one was killed inside.
fn come_in(ledger: &Ledger, me: u64) -> io::Result<bool> {
    let head = ledger.head();
    let Err(other) = head.holder.compare_exchange(0, me, SeqCst, SeqCst) else { return Ok(false) };
    let arrived = now();
    let life = ledger.life(other)?;
    let dead = is_dead(life)?;
    if dead {
        // The first who comes: it may be killed, too, before its own word is there.
        let _ = life.followed.compare_exchange(0, arrived, SeqCst, SeqCst);
    } else {
        head.accuse(Wrong::Overlap, me, other);
    }
    if head.holder.compare_exchange(other, me, SeqCst, SeqCst).is_err() {
        if dead {
            head.accuse(Wrong::Overlap, me, other);
        }
        head.holder.store(me, SeqCst);
    }
    Ok(dead)
}

/// Whether a process can do nothing any more.
fn is_dead(life: &Life) -> io::Result<bool> {
    let ended = || life.ended.load(SeqCst) != 0;
    if ended() {
        return Ok(true);
    }
    let exiting = is_exiting(life.pid.load(SeqCst));
    // Noted meanwhile: then the number may belong to somebody else, and what was seen counts for nothing.
    if ended() { Ok(true) } else { exiting }
}

fn is_exiting(pid: u64) -> io::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(FLAGS)?.parse::<u64>().ok());
    flags.map(|flags| flags & EXITING != 0).ok_or_else(|| io::Error::other(format!("cannot be read: {stat}")))
}

fn check_token(ledger: &Ledger, me: u64, token: u64) {
    let before = ledger.head().token.swap(token, SeqCst);
    if before >= token {
        ledger.head().accuse(Wrong::Token, me, before);
    }
}

/// Stays inside, and looks all the time whether it is alone.
fn linger(ledger: &Ledger, me: u64, stay: Stay) {
    let started = Instant::now();
    let mut yields = stay.yields;
    loop {
        let holder = ledger.head().holder.load(SeqCst);
        if holder != me {
            return ledger.head().accuse(Wrong::Overlap, me, holder);
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

/// Takes the word out.
fn go_out(ledger: &Ledger, me: u64) {
    if let Err(other) = ledger.head().holder.compare_exchange(me, 0, SeqCst, SeqCst) {
        ledger.head().accuse(Wrong::Overlap, me, other);
    }
}
