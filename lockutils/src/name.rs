//! Names: what may be one, and what the file is called. The same file as oslo.concurrency's:
//! `prefix-name`, with `_` for every `/` of the name.

use std::fmt::{self, Write as _};

use crate::text::Text;

/// How long a file name may be, in bytes.
pub(crate) const LONGEST: usize = 255;

/// Which rule a name breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    Empty,
    /// `.` or `..`.
    Dots,
    /// A control character at this byte.
    Control(usize),
    /// So many bytes with the prefix.
    TooLong(usize),
    /// The prefix holds a `/` at this byte, and would leave the directory.
    SlashInPrefix(usize),
    /// It begins like the files that stand beside those of locks.
    Reserved,
}

/// Names of files that are no locks begin like this.
pub(crate) const RESERVED: &str = ".lockutils-";

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a name has at least one byte"),
            Self::Dots => write!(f, "`.` and `..` are directories"),
            Self::Reserved => {
                write!(f, "files that begin with `{RESERVED}` are no locks, but stand beside them")
            }
            Self::Control(at) => write!(f, "byte {at} is a control character"),
            Self::TooLong(long) => write!(
                f,
                "a file name has at most {LONGEST} bytes and this one would have {long}; \
                 `hashed()` makes long names short"
            ),
            Self::SlashInPrefix(at) => {
                write!(f, "byte {at} of its prefix is a `/`; use `lock_path` for another directory")
            }
        }
    }
}

/// The two parts put together, as they are. The registry knows valid names only, so a name that it finds
/// needs no check; but an empty one must not pass for its prefix.
#[inline(never)]
pub(crate) fn join(prefix: &str, name: &str) -> Text {
    if prefix.is_empty() {
        return name.into();
    }
    let mut full = Text::from(prefix);
    if !prefix.ends_with('-') {
        full.push_str("-");
    }
    full.push_str(name);
    full
}

/// Makes one name of several parts, so that no other parts make the same one, whatever stands in them: with `:` between them,
/// and `%` and two hexadecimal digits for a `:`, `%`, `/` or control character within. For names that are made of what users
/// have typed, as djblets' `CacheLock` has it for sequences.
///
/// ```
/// assert_eq!(lockutils::name_of(["volume", "a:b", "c%d"]), "volume:a%3Ab:c%25d");
/// assert_ne!(lockutils::name_of(["a:b", "c"]), lockutils::name_of(["a", "b:c"]));
/// let guard = lockutils::lock(lockutils::name_of(["volume", "7"])).acquire()?;
/// assert_eq!(guard.name(), "volume:7");
/// # Ok::<(), lockutils::Error>(())
/// ```
pub fn name_of<P: AsRef<str>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut name = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            name.push(':');
        }
        part.as_ref().chars().for_each(|c| push_escaped(&mut name, c));
    }
    name
}

fn push_escaped(name: &mut String, c: char) {
    if !c.is_control() && !matches!(c, ':' | '%' | '/') {
        return name.push(c);
    }
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        // A text takes everything.
        let _ = write!(name, "%{byte:02X}");
    }
}

/// A full name that is surely valid: printable ASCII without `/`, not too long, and no dot to begin with.
#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "without branches, many bytes are looked at in one step")]
pub(crate) fn is_plain(full: &str) -> bool {
    let printable = full.bytes().fold(true, |all, byte| all & (b' '..0x7f).contains(&byte) & (byte != b'/'));
    printable && !full.is_empty() && full.len() <= LONGEST && !full.starts_with('.')
}

/// The name of the file, checked.
pub(crate) fn checked(prefix: &str, name: &str, hashed: bool) -> Result<Text, NameRule> {
    if name.is_empty() {
        return Err(NameRule::Empty);
    }
    if let Some(at) = prefix.find('/') {
        return Err(NameRule::SlashInPrefix(at));
    }
    let mut full = join(prefix, "");
    if name.bytes().any(|byte| byte == b'/') {
        full.push_str(&name.replace('/', "_"));
    } else {
        full.push_str(name);
    }
    let plain = full.bytes().fold(true, |plain, byte| plain & (b' '..0x7f).contains(&byte));
    if let Some(at) = if plain { None } else { full.find(|c: char| c.is_control()) } {
        return Err(NameRule::Control(at));
    }
    match &*full {
        "." | ".." => Err(NameRule::Dots),
        reserved if reserved.starts_with(RESERVED) => Err(NameRule::Reserved),
        long if long.len() > LONGEST && hashed => Ok(shortened(long)),
        long if long.len() > LONGEST => Err(NameRule::TooLong(long.len())),
        _ => Ok(full),
    }
}

/// A name for which [`checked`] never fails under a valid prefix: what cannot stand in a name becomes `_`.
/// Two names that become one exclude each other, which is safe.
pub(crate) fn tamed(name: &str) -> Text {
    if !name.is_empty() && name.bytes().all(|byte| byte > b'.' && byte < 0x7f) {
        return name.into();
    }
    let mut tame = Text::new();
    for c in name.chars() {
        let _ = tame.write_char(if c.is_control() { '_' } else { c });
    }
    match &*tame {
        "" => "_".into(),
        "." => "_.".into(),
        ".." => "_..".into(),
        reserved if reserved.starts_with(RESERVED) => join("", &tame.replacen('.', "_", 1)),
        _ => tame,
    }
}

/// The beginning of a long name, a hyphen, and the 32 hexadecimal digits of its 128-bit FNV-1a hash.
/// Stable: it does not change between versions or machines.
fn shortened(long: &str) -> Text {
    let mut end = LONGEST - 33;
    while !long.is_char_boundary(end) {
        end -= 1;
    }
    let mut short = Text::from(&long[..end]);
    let _ = write!(short, "-{:032x}", fnv1a(long.as_bytes()));
    short
}

fn fnv1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(prefix: &str, name: &str) -> Result<String, NameRule> {
        checked(prefix, name, false).map(|text| text.to_string())
    }

    #[test]
    fn the_file_is_the_one_that_oslo_uses() {
        for (prefix, name, expected) in [
            ("", "x", "x"),
            ("nova", "x", "nova-x"),
            ("nova-", "x", "nova-x"),
            ("nova--", "x", "nova--x"),
            ("nova_", "x", "nova_-x"),
            ("", "a/b", "a_b"),
            ("", "../x", ".._x"),
            ("", "/abs", "_abs"),
            ("", "a\\b", "a\\b"),
            ("", " sp ", " sp "),
            ("", "-dash", "-dash"),
            ("", "é", "é"),
            ("nova", "..", "nova-.."),
        ] {
            assert_eq!(file(prefix, name).as_deref(), Ok(expected), "{prefix:?} {name:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_file_is_refused_by_its_rule() {
        assert_eq!(file("", ""), Err(NameRule::Empty));
        assert_eq!(file("nova", ""), Err(NameRule::Empty));
        assert_eq!(file("", "."), Err(NameRule::Dots));
        assert_eq!(file("", ".."), Err(NameRule::Dots));
        assert_eq!(file("", "a\0b"), Err(NameRule::Control(1)));
        assert_eq!(file("", "ab\n"), Err(NameRule::Control(2)));
        assert_eq!(file("../up", "x"), Err(NameRule::SlashInPrefix(2)));
        assert_eq!(file("", &"x".repeat(255)).map(|name| name.len()), Ok(255));
        assert_eq!(file("", &"x".repeat(256)), Err(NameRule::TooLong(256)));
        assert_eq!(file("nova", &"x".repeat(251)), Err(NameRule::TooLong(256)));
    }

    #[test]
    fn long_names_keep_their_beginning_and_never_change() {
        let long = "v".repeat(300);
        let short = checked("", &long, true).expect("hashed");
        assert_eq!(short.len(), LONGEST);
        assert!(short.starts_with("vvvv"));
        assert!(short.ends_with(&format!("-{:032x}", fnv1a(long.as_bytes()))));
        assert_ne!(&*short, &*checked("", &"v".repeat(301), true).expect("hashed"));
        assert_eq!(&*checked("", "short", true).expect("short"), "short");
        // The published vectors of FNV-1a, 128 bits.
        assert_eq!(fnv1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn parts_make_one_name_and_no_others_make_the_same() {
        let parts = ["", ":", "%", "%3A", "/", "_", "a", "a:b", "b", "\u{85}", "\0"];
        let mut names: Vec<_> =
            parts.iter().flat_map(|one| parts.map(|other| name_of([*one, other]))).collect();
        names.extend(parts.map(|one| name_of([one])));
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(names.iter().filter(|name| !name.is_empty()).all(|name| checked("", name, false).is_ok()));
        assert_eq!(name_of(["\u{85}"]), "%C2%85");
    }

    #[test]
    fn tamed_names_are_always_valid() {
        for name in ["", ".", "..", "a\0b", "\n", "ok/x", "x"] {
            assert!(checked("", &tamed(name), true).is_ok(), "{name:?}");
        }
        assert_eq!(&*tamed("fine"), "fine");
    }
}
