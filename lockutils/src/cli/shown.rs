//! What comes from lock files, as it can be shown: names and records are written by anybody, and what they hold must not
//! reach a terminal as it is.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// A text on one line, in which nothing is hidden: `\u{1b}` for the character that begins the orders of a terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    push(&mut shown, text);
    Cow::Owned(shown)
}

/// The same for a text of ours that has those of others in it: a backslash stays as it is.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    let is_ours = |c: char| c == '\\' || is_plain(c);
    if text.chars().all(is_ours) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        if is_ours(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    Cow::Owned(shown)
}

/// The same for the name of a file, which need not be text: `\xff` for a byte that is none.
pub(crate) fn plain_name(name: &OsStr) -> Cow<'_, str> {
    if let Some(text) = name.to_str() {
        return plain(text);
    }
    let mut shown = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        push(&mut shown, chunk.valid());
        for byte in chunk.invalid() {
            // A string takes everything.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    Cow::Owned(shown)
}

fn push(shown: &mut String, text: &str) {
    for c in text.chars() {
        if is_plain(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
}

/// The backslash is not: two texts that differ must not look the same.
fn is_plain(c: char) -> bool {
    !c.is_control() && c != '\\' && !is_invisible(c)
}

/// Separators of lines, marks that turn the direction of what follows, and characters without a width that are no accents.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A length of time in at most two units: `12s`, `5m3s`, `2h5m`, `3d4h`.
pub(crate) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{}s", seconds % 60),
        3600..86_400 => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(plain("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(plain("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(plain("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(plain("abc\u{202e}fdp"), "abc\\u{202e}fdp");
        assert_eq!(plain("back\\slash"), "back\\\\slash");
        for text in ["volume-1", "größe", "e\u{301}", "名前", "a b"] {
            assert!(matches!(plain(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line("held by a\nb\u{1b}[2J"), "held by a\\nb\\u{1b}[2J");
        assert!(matches!(line("\"a\\u{7}\" is no name"), Cow::Borrowed(_)));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown() {
        assert_eq!(plain_name(OsStr::from_bytes(b"a\xff\x1bb\xc3")), "a\\xff\\u{1b}b\\xc3");
        assert_eq!(plain_name(OsStr::new("volume-1")), "volume-1");
    }

    #[test]
    fn lengths_have_two_units() {
        for (seconds, shown) in
            [(0, "0s"), (59, "59s"), (60, "1m0s"), (3599, "59m59s"), (7500, "2h5m"), (273_600, "3d4h")]
        {
            assert_eq!(length(Duration::from_secs(seconds)), shown);
        }
    }
}
