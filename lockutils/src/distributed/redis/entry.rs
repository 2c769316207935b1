//! One who asks for a lock, as the server knows it.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::keys::Keys;
use crate::distributed::{Caller, Contender, Request, Share};

/// How long what was taken lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// As long as it is renewed.
    Kept,
    /// So long, unless it is extended.
    Expires(Duration),
    /// Until somebody lets go.
    Stays,
}

/// One acquisition: the same in every request that belongs to it, so that none of them takes effect twice.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its number in this process.
    pub(super) id: u64,
    pub(super) keys: Keys,
    /// What stands for it on the server: `w 0190c5… 5f3a… web-3:4711`.
    pub(super) entry: String,
    pub(super) life: Life,
    pub(super) caller: Caller,
    /// A request for it had no answer, and may still be under way.
    is_in_doubt: AtomicBool,
}

impl Asked {
    /// There was no answer to a request for it.
    pub(super) fn doubt(&self) {
        self.is_in_doubt.store(true, Relaxed);
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt.load(Relaxed)
    }
}

/// What makes the entries of one client.
#[derive(Debug)]
pub(super) struct Entries {
    /// The client, which the channel of its wake-ups is named by.
    pub(super) client: String,
    prefix: String,
    random: RandomState,
    next: AtomicU64,
}

impl Entries {
    pub(super) fn new(prefix: &str) -> Self {
        let random = RandomState::new();
        let client = format!("{:016x}", random.hash_one("client"));
        Self { client, prefix: prefix.to_owned(), random, next: AtomicU64::new(1) }
    }

    pub(super) fn asked(&self, request: &Request) -> Asked {
        let id = self.next.fetch_add(1, Relaxed);
        let number = self.number(id);
        let permits;
        let kind = match request.share {
            Share::Write => "w",
            Share::Read => "r",
            Share::Permit(number) => {
                permits = format!("p{number}");
                &permits
            }
        };
        Asked {
            id,
            keys: self.keys(&request.name, &number),
            entry: [kind, &number, &self.client, &request.identifier].join(" "),
            life: life(request),
            caller: request.caller,
            is_in_doubt: AtomicBool::new(false),
        }
    }

    pub(super) fn keys(&self, name: &str, number: &str) -> Keys {
        Keys::new(&self.prefix, name, number)
    }

    /// The keys of a lock whose key is this one, and the kind and number of this entry, if it is one.
    pub(super) fn recalled(&self, lock: &str, entry: &str) -> Option<Asked> {
        let [kind, number, ..] = parts(entry)?;
        share(kind)?;
        Some(Asked {
            id: self.next.fetch_add(1, Relaxed),
            keys: Keys::new("", lock, number),
            entry: entry.to_owned(),
            life: Life::Kept,
            caller: Caller::Task,
            is_in_doubt: AtomicBool::new(false),
        })
    }

    /// A number of 128 bits: the time, so that they can be put in order, and what nobody else has.
    fn number(&self, id: u64) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or_default() & 0xffff_ffff_ffff;
        let (high, low) = (self.random.hash_one((id, 'h')) & 0xffff, self.random.hash_one((id, 'l')));
        format!("{:032x}", u128::from(millis << 16 | high) << 64 | u128::from(low))
    }

    /// Between 0 and 1.
    pub(super) fn chance(&self) -> f64 {
        let id = self.next.fetch_add(1, Relaxed);
        f64::from(u32::try_from(self.random.hash_one((id, 'c')) >> 32).unwrap_or_default())
            / f64::from(u32::MAX)
    }
}

fn life(request: &Request) -> Life {
    match request.expires {
        Some(length) => Life::Expires(length),
        None if request.ephemeral => Life::Kept,
        None => Life::Stays,
    }
}

fn share(kind: &str) -> Option<Share> {
    match kind.split_at_checked(1)? {
        ("w", "") => Some(Share::Write),
        ("r", "") => Some(Share::Read),
        ("p", permits) => permits.parse().ok().map(Share::Permit),
        _ => None,
    }
}

/// The kind, the number, the client and the identifier of an entry.
fn parts(entry: &str) -> Option<[&str; 4]> {
    let mut parts = entry.splitn(4, ' ');
    let parts = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex(parts[1], 32) && is_hex(parts[2], 16)).then_some(parts)
}

/// One that the server has: ours, or a token of redis-py, of which nothing more is known.
pub(super) fn contender(entry: &[u8], holds: bool, fence: u64) -> Contender {
    let text = String::from_utf8_lossy(entry);
    let ours = parts(&text).and_then(|parts| Some((share(parts[0])?, parts)));
    let Some((share, [_, number, _, identifier])) = ours else {
        return Contender::new(text, Share::Write, holds);
    };
    Contender::new(number, share, holds).identified(identifier).with_token(if holds { fence } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_written() {
        let entries = Entries::new("");
        for share in [Share::Write, Share::Read, Share::Permit(12)] {
            let asked = entries.asked(&Request::new("x", share).identified("me: a b"));
            let seen = contender(asked.entry.as_bytes(), true, 7);
            assert_eq!(
                (seen.share, &*seen.identifier, seen.token, seen.place.len()),
                (share, "me: a b", 7, 32)
            );
            let again = entries.recalled(&asked.keys.lock, &asked.entry).expect("it is one of ours");
            assert_eq!((&again.keys, &again.entry), (&asked.keys, &asked.entry));
        }
        let foreign = contender(b"f3\xffx", true, 7);
        assert_eq!((&*foreign.place, foreign.share, foreign.token), ("f3\u{fffd}x", Share::Write, 0));
        for wrong in ["", "w", "w 0 0 ", "x 00000000000000000000000000000000 0000000000000000 "] {
            assert!(entries.recalled("x", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_their_own() {
        let (one, other) = (Entries::new(""), Entries::new(""));
        let mut numbers: Vec<_> = (0..1000).flat_map(|id| [one.number(id), other.number(id)]).collect();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 2000);
        assert!((0..1000).all(|_| (0.0..=1.0).contains(&one.chance())));
    }
}
