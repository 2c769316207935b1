//! A table of lock files, one row for each holder. It is laid out piece by piece, so that its length does not matter.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::SystemTime;

use lockutils::{FileState, FileStatus, Holder};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::shown::{length, plain, plain_name};

const COLUMNS: usize = 10;
const HEADS: [&str; COLUMNS] =
    ["NAME", "STATE", "MODE", "PID", "PROGRAM", "HOST", "SINCE", "WHERE", "WAITERS", "TOKEN"];
const NAME: usize = 0;
const PROGRAM: usize = 4;
const HOST: usize = 5;
const WHERE: usize = 7;
const TOKEN: usize = 9;
/// Numbers stand to the right.
const TO_THE_RIGHT: [bool; COLUMNS] = [false, false, false, true, false, false, true, false, true, false];
/// What can be cut, and down to which width.
const ELASTIC: [usize; 4] = [NAME, PROGRAM, HOST, WHERE];
const SHORTEST: usize = 8;
const BETWEEN: &str = "  ";

pub(crate) type Row = [Cow<'static, str>; COLUMNS];

/// The rows of a file: one for each holder, or one.
pub(crate) fn rows(status: &FileStatus) -> impl Iterator<Item = Row> {
    let holders = status.holders().iter().map(|holder| row(status, Some(holder)));
    let alone = status.holders().is_empty().then(|| row(status, None));
    holders.chain(alone)
}

/// What there is nothing to be said of.
const NOTHING: Cow<'static, str> = Cow::Borrowed("-");
/// What is not known.
const UNKNOWN: Cow<'static, str> = Cow::Borrowed("?");

fn row(status: &FileStatus, holder: Option<&Holder>) -> Row {
    let (state, mode) = state(status.state());
    let name = status.path().file_name().map(plain_name).unwrap_or_default().into_owned();
    let text = |text: Option<&str>| text.map_or(NOTHING, |text| plain(text).into_owned().into());
    let number = |number: Option<String>| number.map_or(NOTHING, Cow::Owned);
    let why = status.why().map(|why| format!("({})", plain(why)));
    [
        name.into(),
        state.into(),
        mode,
        holder.map_or(NOTHING, pid),
        holder.map_or(NOTHING, |holder| {
            holder.program().map_or(UNKNOWN, |program| plain(program).into_owned().into())
        }),
        text(holder.and_then(Holder::host)),
        number(holder.and_then(Holder::since).map(since)),
        why.map_or_else(|| text(holder.and_then(what_for)), Cow::Owned),
        number(status.waiters().map(|waiters| waiters.to_string())),
        number(status.fencing_token().map(|token| token.to_string())),
    ]
}

fn state(state: FileState) -> (&'static str, Cow<'static, str>) {
    match state {
        FileState::Free => ("free", NOTHING),
        FileState::Waited => ("waited", NOTHING),
        FileState::Write => ("held", "write".into()),
        FileState::Read => ("held", "read".into()),
        FileState::Permits { taken, of } => ("held", format!("{taken}/{of}").into()),
        FileState::Foreign => ("foreign", NOTHING),
        _ => ("unknown", NOTHING),
    }
}

/// What it was taken for, or where in the source.
fn what_for(holder: &Holder) -> Option<&str> {
    holder.purpose().or_else(|| holder.place())
}

/// With a star where it means nothing here.
fn pid(holder: &Holder) -> Cow<'static, str> {
    let star = if holder.is_elsewhere() { "*" } else { "" };
    holder.pid().map_or(UNKNOWN, |pid| format!("{pid}{star}").into())
}

fn since(since: SystemTime) -> String {
    // A clock that was set back has held nothing yet.
    length(since.elapsed().unwrap_or_default())
}

/// How wide the columns are.
pub(crate) struct Layout {
    widths: [usize; COLUMNS],
    /// The width of the terminal; `None`: nothing is cut.
    room: Option<usize>,
    is_begun: bool,
}

impl Layout {
    pub(crate) fn new(room: Option<usize>) -> Self {
        Self { widths: HEADS.map(str::len), room, is_begun: false }
    }

    /// Writes these rows, with the heads before the first of all. Columns may become wider from one piece to the next.
    pub(crate) fn write(&mut self, rows: &[Row], out: &mut impl Write) -> io::Result<()> {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(wide(cell));
            }
        }
        let widths = self.fitting();
        if !std::mem::replace(&mut self.is_begun, true) {
            self.write_row(&HEADS.map(Cow::Borrowed), widths, out)?;
        }
        rows.iter().try_for_each(|row| self.write_row(row, widths, out))
    }

    /// The widths that fit into the room. The token goes first, of which a part says nothing; then the widest become narrower.
    fn fitting(&self) -> [Option<usize>; COLUMNS] {
        let mut widths = self.widths.map(Some);
        let Some(room) = self.room else { return widths };
        let total = |widths: &[Option<usize>; COLUMNS]| {
            widths.iter().flatten().map(|width| width + BETWEEN.len()).sum::<usize>() - BETWEEN.len()
        };
        if total(&widths) > room {
            widths[TOKEN] = None;
        }
        while total(&widths) > room {
            let widest = ELASTIC.into_iter().max_by_key(|column| widths[*column]).unwrap_or(NAME);
            match &mut widths[widest] {
                Some(width) if *width > SHORTEST => *width -= 1,
                _ => break,
            }
        }
        widths
    }

    fn write_row(&self, row: &Row, widths: [Option<usize>; COLUMNS], out: &mut impl Write) -> io::Result<()> {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let Some(width) = width else { continue };
            if column > 0 {
                line.push_str(BETWEEN);
            }
            push_cell(&mut line, column, cell, width);
        }
        let line = line.trim_end();
        let line = self.room.map_or(Cow::Borrowed(line), |room| cut(line, room, 0));
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")
    }
}

fn push_cell(line: &mut String, column: usize, cell: &str, width: usize) {
    // The end of a place says most; of a name, both ends do.
    let behind = match column {
        WHERE => width.saturating_sub(1),
        NAME => width / 3,
        _ => 0,
    };
    let cell = cut(cell, width, behind);
    let space = width.saturating_sub(wide(&cell));
    let (before, after) = if TO_THE_RIGHT[column] { (space, 0) } else { (0, space) };
    line.extend(std::iter::repeat_n(' ', before));
    line.push_str(&cell);
    line.extend(std::iter::repeat_n(' ', after));
}

/// As much of a text as fits into a width, with so much of that from its end.
fn cut(text: &str, width: usize, behind: usize) -> Cow<'_, str> {
    if wide(text) <= width {
        return Cow::Borrowed(text);
    }
    let before = width.saturating_sub(behind + 1);
    let head = text.split_at(fits(text.chars(), before)).0;
    let tail = text.split_at(text.len() - fits(text.chars().rev(), behind)).1;
    Cow::Owned(format!("{head}…{tail}"))
}

/// How many bytes of these characters fit into a width.
fn fits(chars: impl Iterator<Item = char>, width: usize) -> usize {
    let mut used = 0;
    let fitting = chars.take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= width
    });
    fitting.map(char::len_utf8).sum()
}

fn wide(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&'static str; COLUMNS]) -> Row {
        cells.map(Cow::Borrowed)
    }

    fn written(layout: &mut Layout, rows: &[Row]) -> String {
        let mut out = Vec::new();
        layout.write(rows, &mut out).expect("memory takes everything");
        String::from_utf8(out).expect("text")
    }

    const HELD: [&str; COLUMNS] = [
        "a-rather-long-name-of-a-volume",
        "held",
        "write",
        "4711",
        "nova-compute",
        "web-3",
        "12s",
        "src/volumes/attachments.rs:42:9",
        "2",
        "1795341234567890123",
    ];

    #[test]
    fn columns_stand_below_each_other() {
        let free = row(["名前", "free", "-", "-", "-", "-", "-", "-", "0", "7"]);
        let table = written(&mut Layout::new(None), &[row(HELD), free]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3, "{table}");
        for (line, word) in [(0, "STATE"), (1, "held"), (2, "free")] {
            let (before, _) = lines[line].split_once(word).expect(word);
            assert_eq!(before.width(), 32, "{table}");
        }
        assert!(lines.iter().all(|line| !line.ends_with(' ')), "{table}");
    }

    #[test]
    fn heads_come_once() {
        let mut layout = Layout::new(None);
        assert!(written(&mut layout, &[]).starts_with("NAME "));
        assert_eq!(written(&mut layout, &[row(HELD)]).lines().count(), 1);
    }

    #[test]
    fn nothing_is_cut_without_a_terminal() {
        let table = written(&mut Layout::new(None), &[row(HELD)]);
        assert!(HELD.iter().all(|cell| table.contains(cell)), "{table}");
    }

    /// The token is left out, and what is long loses most.
    #[test]
    fn a_table_fits_into_a_terminal() {
        for room in [20, 60, 80, 100, 120] {
            let table = written(&mut Layout::new(Some(room)), &[row(HELD)]);
            assert!(table.lines().all(|line| line.width() <= room), "{room}: {table}");
            assert_eq!(table.lines().count(), 2, "{table}");
        }
        let table = written(&mut Layout::new(Some(100)), &[row(HELD)]);
        assert!(!table.contains("TOKEN") && table.contains(":42:9"), "{table}");
        assert!(table.contains("a-rather") && table.contains("volume"), "{table}");
        let wide = written(&mut Layout::new(Some(300)), &[row(HELD)]);
        assert!(HELD.iter().all(|cell| wide.contains(cell)), "{wide}");
    }

    #[test]
    fn texts_are_cut_by_their_width() {
        assert_eq!(cut("abcdef", 4, 0), "abc…");
        assert_eq!(cut("abcdef", 4, 3), "…def");
        assert_eq!(cut("abcdef", 5, 2), "ab…ef");
        assert_eq!(cut("名前名前", 4, 0), "名…");
        assert_eq!(cut("abc", 3, 0), "abc");
        assert_eq!(cut("abc", 1, 0), "…");
    }
}
