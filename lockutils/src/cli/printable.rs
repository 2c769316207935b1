//! Names from the disk, for a terminal and for programs that read lines.

use std::fmt::{self, Write};

/// A name in which nothing can be mistaken for the end of a line or for an order to a terminal.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            // What is invisible, or turns the direction of writing round, is escaped as well.
            c if c.is_control() || is_format(c) => write!(f, "{}", c.escape_default()),
            c => f.write_char(c),
        })
    }
}

fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_an_order() {
        for (name, shown) in [
            ("volume-1", "volume-1"),
            ("größe 日本", "größe 日本"),
            ("a\nb", "a\\nb"),
            ("\x1b[2Jx", "\\u{1b}[2Jx"),
            ("a\u{9b}b\u{202e}c", "a\\u{9b}b\\u{202e}c"),
            ("a\\nb", "a\\\\nb"),
        ] {
            assert_eq!(Printable(name).to_string(), shown);
        }
    }
}
