//! How the nodes of contenders are called.

use regex_lite::Regex;
use uuid::Uuid;

use super::super::{Failure, Share};
use super::name;

/// Whose names they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Layout {
    /// kazoo's `Lock`, `WriteLock`, `ReadLock` and `Semaphore`.
    #[default]
    Kazoo,
    /// Curator's `InterProcessMutex`.
    Curator,
    /// Curator's `InterProcessReadWriteLock`.
    CuratorReadWrite,
}

const KAZOO_WRITE: &str = "__lock__";
const KAZOO_READ: &str = "__rlock__";
const CURATOR_LOCK: &str = "-lock-";
const CURATOR_WRITE: &str = "-__WRIT__";
const CURATOR_READ: &str = "-__READ__";

/// How many digits a sequence number has that the server puts behind a name.
const DIGITS: usize = 10;

impl Layout {
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when those who wrote these names have no lock of this kind.
    pub(super) fn check(self, share: Share) -> Result<(), Failure> {
        match (self, share) {
            (Self::Curator, Share::Read) => Err(Failure::Unsupported {
                what: "a mutex of Curator has no readers",
                instead: "set `layout=curator-rw` in `backend_url` for its read-write locks",
            }),
            (Self::Curator | Self::CuratorReadWrite, Share::Permit(_)) => Err(Failure::Unsupported {
                what: "semaphores are not kept in the layout of Curator",
                instead: "use the layout of kazoo for them",
            }),
            _ => Ok(()),
        }
    }

    /// A new name that nobody else has, up to the sequence number. By its beginning a node is found again when the answer to
    /// its creation was lost.
    pub(super) fn prefix(self, share: Share) -> String {
        let id = Uuid::new_v4();
        match (self, share) {
            (Self::Kazoo, Share::Read) => format!("{}{KAZOO_READ}", id.simple()),
            (Self::Kazoo, _) => format!("{}{KAZOO_WRITE}", id.simple()),
            (Self::Curator, _) => format!("_c_{id}{CURATOR_LOCK}"),
            (Self::CuratorReadWrite, Share::Read) => format!("_c_{id}{CURATOR_READ}"),
            (Self::CuratorReadWrite, _) => format!("_c_{id}{CURATOR_WRITE}"),
        }
    }

    /// Where those stand who wait for a permit, if they do not stand among the others.
    pub(super) fn queue_of(self, directory: &str) -> Option<String> {
        (self == Self::Kazoo).then(|| format!("{directory}{}", name::QUEUE))
    }

    /// What the node of a contender says of itself; `None` if it is none.
    pub(super) fn read(self, name: &str) -> Option<(Share, &str)> {
        let (front, sequence) = split(name)?;
        let ends = |mark| front.ends_with(mark);
        let share = match self {
            Self::Kazoo if ends(KAZOO_WRITE) => Share::Write,
            Self::Kazoo if ends(KAZOO_READ) => Share::Read,
            Self::Curator | Self::CuratorReadWrite if ends(CURATOR_READ) => Share::Read,
            Self::Curator | Self::CuratorReadWrite if ends(CURATOR_WRITE) || ends(CURATOR_LOCK) => {
                Share::Write
            }
            _ => return None,
        };
        Some((share, sequence))
    }
}

/// A name and the sequence number behind it.
fn split(name: &str) -> Option<(&str, &str)> {
    let (front, digits) = name.split_at_checked(name.len().checked_sub(DIGITS)?)?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // After two thousand million nodes the numbers of a directory are negative.
    let front = front.strip_suffix('-').unwrap_or(front);
    let with_sign = &name[front.len()..];
    // Curator's mark ends with the same sign.
    if front.ends_with("-lock") {
        Some((&name[..name.len() - DIGITS], digits))
    } else {
        Some((front, with_sign))
    }
}

/// Whether a node is one of a semaphore's permits, by its name: that of a random number.
pub(super) fn is_permit(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Other nodes that one waits for: what stands in front of their sequence number, as kazoo's `extra_lock_patterns` have it.
#[derive(Debug, Default)]
pub(super) struct Patterns(Option<Regex>);

impl Patterns {
    /// # Errors
    ///
    /// When one is no regular expression.
    pub(super) fn new(patterns: &[Box<str>]) -> Result<Self, Failure> {
        if patterns.is_empty() {
            return Ok(Self(None));
        }
        // Each by itself first: two that are wrong may be right together.
        for pattern in patterns {
            Regex::new(pattern).map_err(|error| {
                Failure::other(format!("the pattern {pattern:?} is no regular expression: {error}"))
            })?;
        }
        let any = patterns.join("|");
        Regex::new(&format!("(?:{any})(-?[0-9]{{{DIGITS}}})$"))
            .map(|any| Self(Some(any)))
            .map_err(Failure::other)
    }

    /// The sequence number of a node for which one of them stands.
    pub(super) fn read<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.0.as_ref()?.captures(name)?.get(1).map(|sequence| sequence.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_names_of_kazoo_are_read() {
        let read =
            |name: &str| Layout::Kazoo.read(name).map(|(share, sequence)| (share, sequence.to_owned()));
        let sequence = || "0000000007".to_owned();
        assert_eq!(read(&format!("{UUID}__lock__0000000007")), Some((Share::Write, sequence())));
        assert_eq!(read(&format!("{UUID}__rlock__0000000007")), Some((Share::Read, sequence())));
        assert_eq!(read("__lock__0000000007"), Some((Share::Write, sequence())));
        assert_eq!(read("x__lock__-2147483648"), Some((Share::Write, "-2147483648".to_owned())));
        for other in
            [UUID, "x__lock__", "x__lock__000000007", "x__lock__0000000007x", "x-lock-0000000007", "", "é"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(Layout::Kazoo.read("日本語日本語__lock__").is_none(), "it is cut between characters only");
    }

    #[test]
    fn the_names_of_curator_are_read() {
        let name = "_c_2f4a9ab1-53dd-44a5-9d55-7d4b0e6e3a01";
        for layout in [Layout::Curator, Layout::CuratorReadWrite] {
            let read = |mark: &str| layout.read(&format!("{name}{mark}0000000003")).map(|(share, _)| share);
            assert_eq!(read("-lock-"), Some(Share::Write));
            assert_eq!(read("-__WRIT__"), Some(Share::Write));
            assert_eq!(read("-__READ__"), Some(Share::Read));
            assert_eq!(read("-lease-"), None);
            assert_eq!(layout.read(&format!("{name}-lock-0000000003")).map(|(_, at)| at), Some("0000000003"));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let shares = [Share::Write, Share::Read];
        for layout in [Layout::Kazoo, Layout::CuratorReadWrite] {
            for share in shares {
                let name = format!("{}0000000012", layout.prefix(share));
                assert_eq!(layout.read(&name), Some((share, "0000000012")), "{name}");
            }
        }
        assert!(Layout::Curator.check(Share::Read).is_err());
        assert!(Layout::Curator.check(Share::Permit(2)).is_err());
        let mutex = format!("{}0000000012", Layout::Curator.prefix(Share::Write));
        assert!(mutex.starts_with("_c_") && mutex.len() == 3 + 36 + 6 + 10, "{mutex}");
        let permit = Layout::Kazoo.prefix(Share::Permit(2));
        assert!(is_permit(&permit[..32]) && permit.ends_with("__lock__"), "{permit}");
    }

    #[test]
    fn patterns_are_regular_expressions_in_front_of_a_number() {
        let read = |patterns: &[&str], name: &str| {
            let patterns: Vec<Box<str>> = patterns.iter().map(|pattern| Box::from(*pattern)).collect();
            Patterns::new(&patterns).expect("they are right").read(name).map(str::to_owned)
        };
        assert_eq!(read(&["-lock-"], "_c_x-lock-0000000001"), Some("0000000001".to_owned()));
        assert_eq!(read(&["-lock-", "go.?"], "go10000000001"), Some("0000000001".to_owned()));
        assert_eq!(read(&["go"], "go-0000000001"), Some("-0000000001".to_owned()));
        assert_eq!(read(&["go"], "go1"), None);
        assert_eq!(read(&[], "x__lock__0000000001"), None);
        assert!(Patterns::new(&["(".into(), ")".into()]).is_err());
    }
}
