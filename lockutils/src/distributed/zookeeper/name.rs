//! Names of znodes.

use std::fmt::Write;

/// The node of a semaphore's own queue stands beside its directory, under the same name with this behind it, as kazoo has it.
pub(super) const QUEUE: &str = "-__lock__";

/// What a lock of this name is called. What a znode must not be called, the server's own directory and what is kept for the
/// queue of a semaphore is written as `%` and two hexadecimal digits for each byte; every other name stands for itself.
///
/// Two names never become one: a `%` that could be mistaken for an escape is escaped.
pub(super) fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    let queue_ends = name.strip_suffix(QUEUE).map(|front| front.len() + QUEUE.len() - 1);
    for (at, c) in name.char_indices() {
        let is_reserved = (at == 0 && name == "zookeeper") || Some(at) == queue_ends;
        if is_reserved || !is_allowed(c) || (c == '%' && looks_escaped(&name[at + 1..])) {
            escape(c, &mut escaped);
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Whether a znode may be called so: nothing has to be escaped, and it is no step.
pub(super) fn is_valid(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && name.chars().all(|c| c != '/' && is_allowed(c))
}

/// As the server has it, which looks at units of UTF-16: none of two units is allowed.
fn is_allowed(c: char) -> bool {
    !matches!(u32::from(c), 0..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..)
}

fn looks_escaped(rest: &str) -> bool {
    let digits = rest.as_bytes();
    digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
}

fn escape(c: char, into: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        // Nothing is written that could fail.
        let _ = write!(into, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was escaped.
    fn read(name: &str) -> String {
        let (mut bytes, mut rest) = (Vec::new(), name.as_bytes());
        while let Some((first, after)) = rest.split_first() {
            if *first == b'%' && after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit) {
                let digits = std::str::from_utf8(&after[..2]).expect("they are digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("they are hexadecimal"));
                rest = &after[2..];
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        String::from_utf8(bytes).expect("it was a text")
    }

    #[test]
    fn what_a_znode_may_be_called_stands_for_itself() {
        for name in
            ["a", "vol-1", "größe", "…", "a b", "100%", "%", "%g1", "zookeeper2", "a-__lock__b", "\u{ffef}"]
        {
            assert_eq!(escaped(name), name);
            assert!(is_valid(name), "{name}");
        }
    }

    #[test]
    fn the_rest_is_escaped() {
        assert_eq!(escaped("zookeeper"), "%7Aookeeper");
        assert_eq!(escaped("a-__lock__"), "a-__lock_%5F");
        assert_eq!(escaped("-__lock__-__lock__"), "-__lock__-__lock_%5F");
        assert_eq!(escaped("\u{1f512}"), "%F0%9F%94%92");
        assert_eq!(escaped("\u{e000}\u{85}"), "%EE%80%80%C2%85");
        assert_eq!(escaped("%41"), "%2541");
        for name in ["a/b", "", ".", "..", "\u{1f512}"] {
            assert!(!is_valid(name), "{name}");
        }
    }

    #[test]
    fn two_names_never_become_one() {
        let parts = ["%", "4", "F", "\u{1f512}", "\u{7f}", "_", "z", "-__lock__", "%25"];
        for (a, b, c) in parts.iter().flat_map(|a| parts.iter().flat_map(move |b| parts.map(|c| (a, b, c)))) {
            let name = format!("{a}{b}{c}");
            assert_eq!(read(&escaped(&name)), name);
            assert!(is_valid(&escaped(&name)));
        }
    }
}
