//! Whether a process is dead, and so no longer inside what it was seen in.
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
//!   it in A's [`Life`], and only then reaps it, which gives the number free. B reads the note after
//!   its look. If there is none, the number was still A's; if there is one, A is dead.
//!
//! A thread that looks at another one of its own process sees it alive: if both are being killed, the lock was let go by
//! none of them.
//!
//! What is left is an A that lived when B came in and died before B had looked, some microseconds later. A's own look is
//! there for that: as long as it runs inside it sees that B has come and notes the overlap. Unseen remains an A
//! that did not run in between and was killed in just that time; a fault that shows only then does not exist in the
//! planted protocols, since a kill that has not had its effect yet changes nothing.

use std::fs;
use std::io;
use std::sync::atomic::Ordering::SeqCst;

use crate::life::Life;

/// `PF_EXITING` of the kernel: the process is ending, and runs no code of its own any more.
const EXITING: u64 = 0x4;
/// Where the flags are in `/proc/PID/stat`, behind the name: field 9 of proc(5), where the state is field 3.
const FLAGS: usize = 9 - 3;

/// Whether a process can do nothing any more.
pub(crate) fn is_dead(life: &Life) -> io::Result<bool> {
    let ended = || life.ended.load(SeqCst) != 0;
    if ended() {
        return Ok(true);
    }
    let pid = life.pid.load(SeqCst);
    if pid == u64::from(std::process::id()) {
        return Ok(false);
    }
    let exiting = is_exiting(pid);
    // Noted meanwhile: then the number may belong to somebody else, and what was seen counts for nothing.
    if ended() { Ok(true) } else { exiting }
}

fn is_exiting(pid: u64) -> io::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(FLAGS)?.parse::<u64>().ok());
    flags.map(|flags| flags & EXITING != 0).ok_or_else(|| io::Error::other(format!("cannot be read: {stat}")))
}
