//! How contenders are written down: as keys below the name of the lock.
//!
//! | key | who |
//! |---|---|
//! | `NAME/694d7b5c0a3f2e01` | `etcdctl lock`, and Go's `concurrency.Mutex` |
//! | `NAME/694d7b5c0a3f2e01-7` | a writer of ours: the lease of its session in hexadecimal digits, and a number of its own there |
//! | `NAME/694d7b5c0a3f2e01-8-r` | a reader |
//! | `NAME/694d7b5c0a3f2e01-9-p4` | one who wants one of 4 permits |
//!
//! Each place in a queue has a name of its own, which is never used again: so a request that is asked again, or arrives late,
//! cannot be taken for another.

use crate::distributed::Share;

/// The keys of one lock.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// With its last slash.
    first: Vec<u8>,
    /// The first one behind them.
    end: Vec<u8>,
}

impl Keys {
    /// Those of the lock `name` below `base`, which is empty or ends with a slash.
    pub(super) fn of(base: &str, name: &str) -> Self {
        let (first, end) = (format!("{base}{name}/"), format!("{base}{name}0"));
        Self { first: first.into_bytes(), end: end.into_bytes() }
    }

    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    pub(super) fn end(&self) -> &[u8] {
        &self.end
    }

    /// That of a contender.
    pub(super) fn contender(&self, place: &str, share: Share) -> Vec<u8> {
        let mut key = self.first.clone();
        key.extend_from_slice(place.as_bytes());
        match share {
            Share::Write => {}
            Share::Read => key.extend_from_slice(b"-r"),
            Share::Permit(permits) => key.extend_from_slice(format!("-p{permits}").as_bytes()),
        }
        key
    }

    /// What the contender of this key wants. Whoever cannot be understood wants all.
    pub(super) fn share(&self, key: &[u8]) -> Share {
        key.strip_prefix(&*self.first).and_then(share).unwrap_or(Share::Write)
    }
}

/// That of a contender of a session, unique among all.
pub(super) fn place(lease: i64, number: u64) -> String {
    format!("{lease:x}-{number}")
}

/// Where it is written that a place is given up for good, below a name that no lock has.
pub(super) fn void(base: &str, place: &str) -> Vec<u8> {
    format!("{base}/void/{place}").into_bytes()
}

fn share(place: &[u8]) -> Option<Share> {
    let mut parts = std::str::from_utf8(place).ok()?.split('-');
    let (lease, number, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let is_ours = u64::from_str_radix(lease, 16).is_ok() && number.parse::<u64>().is_ok();
    if !is_ours || parts.next().is_some() {
        return None;
    }
    match kind.split_at_checked(1)? {
        ("r", "") => Some(Share::Read),
        ("p", permits) => permits.parse().ok().filter(|permits| *permits > 0).map(Share::Permit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let keys = Keys::of("locks/", "a b");
        let id = place(0x694d_7b5c_0a3f_2e01, 7);
        for (share, key) in [
            (Share::Write, "locks/a b/694d7b5c0a3f2e01-7"),
            (Share::Read, "locks/a b/694d7b5c0a3f2e01-7-r"),
            (Share::Permit(4), "locks/a b/694d7b5c0a3f2e01-7-p4"),
        ] {
            assert_eq!(String::from_utf8(keys.contender(&id, share)).expect("text"), key);
            assert_eq!(keys.share(key.as_bytes()), share);
        }
        assert_eq!((keys.first(), keys.end()), (&b"locks/a b/"[..], &b"locks/a b0"[..]));
        assert_eq!(void("locks/", &id), b"locks//void/694d7b5c0a3f2e01-7");
    }

    #[test]
    fn others_want_all() {
        let keys = Keys::of("", "job");
        for other in [
            "694d7b5c0a3f2e01",
            "",
            "x-1-r",
            "1-x-r",
            "1-1-r-1",
            "1-1-rr",
            "1-1-",
            "1-1-p",
            "1-1-p0",
            "1-1-p-1",
            "1-1-q2",
            "1-1-ü",
            "below/1-1-r",
        ] {
            assert_eq!(keys.share(format!("job/{other}").as_bytes()), Share::Write, "{other}");
        }
        assert_eq!(keys.share(b"job/\xff-1-r"), Share::Write);
        assert_eq!(keys.share(b"other/1-1-r"), Share::Write);
    }
}
