//! The record in a lock file: who has the lock, for people; and the last fencing token.
//!
//! It has one size, so that one call writes all of it over the one before, and nothing is ever cut off:
//!
//! ```text
//! lockutils 1 held token=01795341234567890123
//! pid 4711 started 881234 boot 5f0c0a6b-… namespace 4026531836 clock 4026531834
//! host web-3
//! program nova-compute
//! thread worker-1
//! function nova::volumes::resize
//! at src/volumes.rs:42:9
//! since 2026-11-22T10:51:18.123Z
//! ```
//!
//! Who takes the lock on behalf of others may say what for: `to run backup.sh`, in place of thread, function and line.
//!
//! When the lock is let go, `held` becomes `free` and what comes after the first line becomes blank; unless
//! somebody waits, who writes over it at once: a writer writes its own record, others the blank one. Nothing
//! here decides who holds the lock: that is the kernel's. Whatever stands in the file, reading it gives what can
//! be understood.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Cursor, Write};
use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use once_cell::sync::OnceCell;

use super::{Sharing, file};
use crate::process::{Identity, PerProcess, ProcessId};
use crate::token::LARGEST;

/// How long a record is.
pub(super) const LENGTH: usize = 512;
/// How long its first line is.
pub(super) const HEAD: usize = 44;
const MAGIC: &str = "lockutils 1 ";

/// Where and by whom a lock is taken.
#[derive(Debug)]
pub(crate) struct Taker {
    place: &'static Location<'static>,
    /// The function that an attribute stands on.
    function: Option<&'static str>,
    is_task: bool,
    /// What it is for, in place of all that.
    purpose: Option<Arc<str>>,
    draft: OnceCell<Draft>,
}

impl Taker {
    pub(crate) fn new(
        place: &'static Location<'static>,
        function: Option<&'static str>,
        is_task: bool,
    ) -> Self {
        Self { place, function, is_task, purpose: None, draft: OnceCell::new() }
    }

    pub(crate) fn with_purpose(self, purpose: Option<Arc<str>>) -> Self {
        Self { purpose, ..self }
    }

    /// Writes as much of the record as is known before the lock is there. Those who share leave none.
    pub(super) fn prepare(&self, sharing: Sharing) {
        if sharing == Sharing::Alone {
            self.draft();
        }
    }

    /// The record, of the calling process.
    pub(super) fn record(&self, token: u64, since: SystemTime) -> [u8; LENGTH] {
        self.with_own_draft(|draft| draft.record(token, since))
    }

    /// The same, for somebody who writes it in the place of the calling thread. Those who share leave none.
    pub(super) fn record_to_be(&self, sharing: Sharing) -> Option<Draft> {
        (sharing == Sharing::Alone).then(|| self.with_own_draft(Draft::clone))
    }

    fn with_own_draft<R>(&self, give: impl FnOnce(&Draft) -> R) -> R {
        let draft = self.draft();
        if draft.process == ProcessId::current() { give(draft) } else { give(&Draft::new(self)) }
    }

    /// What a record says of the holder, line by line, without its head.
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "there are no pid files"))]
    pub(super) fn lines(&self, since: SystemTime) -> Vec<u8> {
        let record = self.record(0, since);
        let end = record.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        [&record[HEAD.min(end)..end], b"\n"].concat()
    }

    /// Where in the program the lock is taken.
    fn write_where(&self, out: &mut impl Write) {
        if self.is_task {
            let _ = out.write_all(b"in task\n");
        } else if let Some(name) = std::thread::current().name() {
            line(out, "thread ", name, 24);
        }
        if let Some(function) = self.function {
            line(out, "function ", function, 72);
        }
        let place = self.place;
        let _ = out.write_all(b"at ");
        write_end(out, place.file(), 64);
        let _ = writeln!(out, ":{}:{}", place.line(), place.column());
    }

    fn draft(&self) -> &Draft {
        self.draft.get_or_init(|| Draft::new(self))
    }
}

/// What is known of the holder, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) is_held: bool,
    /// It was read to its end: a part of a number would be that of somebody else.
    pub(crate) is_whole: bool,
    pub(crate) token: Option<u64>,
    pub(crate) process: Identity,
    pub(crate) thread: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) place: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) since: Option<SystemTime>,
}

/// What the beginning of a file says of what may be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A record, or nothing: with the last token, or 0, and whether it names a holder.
    Ours { token: u64, is_held: bool },
    /// Somebody else has written it, and it is not for us to write over.
    Foreign,
}

impl Content {
    #[cfg(lockutils_portable)]
    pub(super) fn is_held(self) -> bool {
        matches!(self, Self::Ours { is_held: true, .. })
    }

    /// Of the first [`HEAD`] bytes of a file, or fewer if it has no more. Only a whole first line is a record: what people
    /// write does not look like that.
    pub(super) fn of(head: &[u8]) -> Self {
        if head.is_empty() {
            return Self::Ours { token: 0, is_held: false };
        }
        let rest =
            head.strip_prefix(MAGIC.as_bytes()).filter(|_| head.len() == HEAD && head.ends_with(b"\n"));
        let rest = rest.filter(|rest| {
            let (state, digits) = rest.split_at(STATE);
            (state == b"held token=" || state == b"free token=")
                && digits[..20].iter().all(u8::is_ascii_digit)
        });
        rest.map_or(Self::Foreign, |rest| Self::Ours {
            token: number(&rest[STATE..][..20]).unwrap_or(0),
            is_held: rest.starts_with(b"held"),
        })
    }
}

/// What is to be known of a file before something is written into it.
pub(super) fn content(file: &File) -> io::Result<Content> {
    let mut head = [0; HEAD];
    let length = file::read(file, &mut head)?;
    Ok(Content::of(&head[..length]))
}

/// What the third line of a pid file begins with.
pub(super) const PID_MAGIC: &str = "lockutils pid 1 ";

/// Whether a file is a pid file.
pub(super) fn is_pid_file(file: &File) -> io::Result<bool> {
    let mut start = [0; LENGTH];
    let length = file::read(file, &mut start)?;
    Ok(is_card(&start[..length]))
}

/// Whether a file that begins like this is a pid file. The lines before the one that tells are a number and the name of a
/// program.
pub(super) fn is_card(start: &[u8]) -> bool {
    let third = start.split(|byte| *byte == b'\n').nth(2);
    third.is_some_and(|line| line.starts_with(PID_MAGIC.as_bytes()))
}

/// Whether a file with this content is one that a lock of the kernel was taken on.
#[cfg_attr(lockutils_portable, expect(dead_code, reason = "there are no pid files"))]
pub(super) fn is_record(content: &[u8]) -> bool {
    content.starts_with(MAGIC.as_bytes())
}

/// How long `held token=` is.
const STATE: usize = 11;
/// Where the token is, as 20 digits.
const TOKEN: usize = MAGIC.len() + STATE;

/// The token of a first line whose beginning has been read.
fn token(rest: &[u8]) -> Option<u64> {
    let line = rest.split(|byte| *byte == b'\n').next()?;
    number(str::from_utf8(line).ok()?.split_once("token=")?.1.trim().as_bytes())
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok().filter(|token| *token <= LARGEST)
}

/// A record that is written but for what is known only when the lock is there: so that who has just been woken need not
/// write it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    buffer: [u8; LENGTH],
    /// Where the time goes.
    end: usize,
    /// Who has written it. A forked child is somebody else.
    process: ProcessId,
}

impl Draft {
    fn new(taker: &Taker) -> Self {
        let mut buffer = blank();
        let mut out = Cursor::new(&mut buffer[..LENGTH - 1]);
        // Nothing here can fail but for a lack of room, and all lengths are limited so that there is enough.
        let _ = writeln!(out, "{MAGIC}held token={:020}", 0);
        let _ = out.write_all(&about_process());
        match &taker.purpose {
            Some(purpose) => line_from_start(&mut out, "to ", purpose, 160),
            None => taker.write_where(&mut out),
        }
        let end = usize::try_from(out.position()).unwrap_or(LENGTH);
        Self { buffer, end, process: ProcessId::current() }
    }

    pub(super) fn record(&self, token: u64, since: SystemTime) -> [u8; LENGTH] {
        let mut buffer = self.buffer;
        let _ = write!(&mut buffer[TOKEN..], "{token:020}");
        let _ =
            writeln!(&mut buffer[self.end..LENGTH - 1], "since {}", humantime::format_rfc3339_millis(since));
        buffer
    }
}

/// The lines that are the same in all records of this process.
fn about_process() -> Cow<'static, [u8]> {
    static LINES: PerProcess<Vec<u8>> = PerProcess::new();
    match Identity::settled() {
        Some(process) => LINES.get(|| about(process)).into(),
        None => about(Identity::current()).into(),
    }
}

fn about(process: &Identity) -> Vec<u8> {
    let Identity { pid, started, boot, namespace, clock, host, program } = process;
    let mut out = Cursor::new(Vec::new());
    let boot = if boot.is_empty() { UNKNOWN } else { boot };
    let _ = writeln!(out, "pid {pid} started {started} boot {boot:.36} namespace {namespace} clock {clock}");
    line(&mut out, "host ", host, 64);
    line(&mut out, "program ", program, 40);
    out.into_inner()
}

/// A boot that could not be read, between two words that could.
const UNKNOWN: &str = "-";

/// A record of nobody.
pub(super) fn free(token: u64) -> [u8; LENGTH] {
    let mut buffer = blank();
    let _ = writeln!(&mut buffer[..], "{MAGIC}free token={token:020}");
    buffer
}

fn blank() -> [u8; LENGTH] {
    let mut buffer = [b' '; LENGTH];
    buffer[LENGTH - 1] = b'\n';
    buffer
}

fn line(out: &mut impl Write, key: &str, value: &str, most: usize) {
    let _ = out.write_all(key.as_bytes());
    write_end(out, value, most);
    let _ = out.write_all(b"\n");
}

fn on_one_line(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        text.escape_debug().to_string().into()
    } else {
        text.into()
    }
}

/// The same with the beginning of a text, which tells more of a command than its end.
fn line_from_start(out: &mut impl Write, key: &str, value: &str, most: usize) {
    let value = on_one_line(value);
    let to = (0..=most.min(value.len())).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
    let _ = writeln!(out, "{key}{}", &value[..to]);
}

/// At most so many bytes of the end of a text, which tells more of a path than its beginning; on one line.
fn write_end(out: &mut impl Write, text: &str, most: usize) {
    let text = on_one_line(text);
    let from = (text.len().saturating_sub(most)..=text.len()).find(|at| text.is_char_boundary(*at));
    let _ = out.write_all(&text.as_bytes()[from.unwrap_or(text.len())..]);
}

impl Record {
    /// Whether it says all that it can say of somebody who has the lock.
    pub(super) fn names_a_holder(&self) -> bool {
        self.is_held && self.is_whole
    }

    /// What `content` says, as far as it can be understood; `None` if it is no record.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(content.strip_prefix(MAGIC.as_bytes())?);
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        let mut record =
            Self { is_held: head.starts_with("held"), token: token(head.as_bytes()), ..Self::default() };
        if record.is_held {
            lines.for_each(|line| record.read(line.trim_end()));
        }
        Some(record)
    }

    /// What lines say of a holder; `None` if some are missing.
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "there are no pid files"))]
    pub(super) fn of_lines<'a>(token: u64, lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut record = Self { is_held: true, token: Some(token), ..Self::default() };
        lines.for_each(|line| record.read(line.trim_end()));
        Some(record).filter(|record| record.is_whole && record.since.is_some())
    }

    fn read(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(' ') else { return };
        let value = value.trim();
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        match key {
            "pid" => self.read_process(line),
            "host" => value.clone_into(&mut self.process.host),
            "program" => value.clone_into(&mut self.process.program),
            "thread" | "in" => self.thread = text(),
            "function" => self.function = text(),
            "at" => self.place = text(),
            "to" => self.purpose = text(),
            // The last one.
            "since" => {
                self.is_whole = self.process.pid > 0;
                self.since = humantime::parse_rfc3339(value).ok();
            }
            _ => {}
        }
    }

    fn read_process(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            match key {
                "pid" => self.process.pid = value.parse().unwrap_or_default(),
                "started" => self.process.started = value.parse().unwrap_or_default(),
                "boot" if value != UNKNOWN => value.clone_into(&mut self.process.boot),
                "namespace" => self.process.namespace = value.parse().unwrap_or_default(),
                "clock" => self.process.clock = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taker(function: &'static str) -> Taker {
        Taker::new(Location::caller(), Some(function), false)
    }

    fn written(token: u64, taker: &Taker) -> [u8; LENGTH] {
        taker.prepare(Sharing::Alone);
        taker.record(token, SystemTime::UNIX_EPOCH)
    }

    #[cfg_attr(lockutils_portable, ignore = "starts and namespaces are not known there")]
    #[test]
    fn what_is_written_is_read() {
        let taker = taker("nova::resize");
        let record = Record::parse(&written(42, &taker)).expect("a record");
        let me = Identity::current();
        assert_eq!(&record.process, me);
        assert!(record.is_held && me.pid == std::process::id() && me.started > 0 && me.namespace > 0);
        assert_eq!(record.token, Some(42));
        assert_eq!(record.function.as_deref(), Some("nova::resize"));
        assert_eq!(record.place, Some(taker.place.to_string()));
        assert_eq!(record.since, Some(SystemTime::UNIX_EPOCH));
        assert!(
            record
                .thread
                .is_some_and(|name| "external::record::tests::what_is_written_is_read".ends_with(&*name))
        );
    }

    #[test]
    fn a_free_record_keeps_the_token_and_nothing_else() {
        let buffer = written(7, &taker("f"));
        assert_eq!(Content::of(&buffer[..HEAD]), Content::Ours { token: 7, is_held: true });
        let buffer = free(8);
        assert_eq!(Content::of(&buffer[..HEAD]), Content::Ours { token: 8, is_held: false });
        let record = Record::parse(&buffer).expect("a record");
        assert_eq!(record, Record { token: Some(8), ..Record::default() });
        assert_eq!(String::from_utf8_lossy(&buffer).trim().len(), HEAD - 1);
    }

    #[test]
    fn the_longest_record_fits() {
        let long: &'static str = "ü".repeat(600).leak();
        let lines = "a\nb\u{1}".repeat(200).leak();
        for text in [long, lines] {
            let buffer = written(LARGEST, &taker(text));
            let shown = String::from_utf8_lossy(&buffer).into_owned();
            assert!(shown.contains("since 1970-01-01T00:00:00.000Z\n"), "{shown}");
            let record = Record::parse(&buffer).expect("a record");
            assert_eq!((record.token, record.is_whole), (Some(LARGEST), true));
            assert!(record.function.is_some_and(|function| !function.contains('\n')));
        }
    }

    #[test]
    fn others_files_are_told_apart() {
        assert_eq!(Content::of(b""), Content::Ours { token: 0, is_held: false });
        for foreign in
            [&b"4711\n"[..], b"\0", b" ", b"lockutils", b"lockutils 2 held token=1", b"SQLite format 3\0"]
        {
            assert_eq!(Content::of(foreign), Content::Foreign);
            assert_eq!(Record::parse(foreign), None);
        }
    }

    /// Whatever stands in the file: torn, changed, of another version, or no text at all.
    #[test]
    fn anything_can_be_read() {
        let whole = written(5, &taker("f"));
        for end in 0..LENGTH {
            let torn = Record::parse(&whole[..end]);
            assert_eq!(torn.is_some(), end >= MAGIC.len());
        }
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut changed = whole;
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let [at, byte, ..] = (seed >> 32).to_le_bytes();
                changed[MAGIC.len() + usize::from(at) * 497 / 255] = byte;
            }
            let record = Record::parse(&changed).expect("it begins as one");
            assert_eq!(record.is_held, changed[MAGIC.len()..].starts_with(b"held"));
        }
        let largest = format!("{MAGIC}held token={}\n", u64::MAX);
        assert_eq!(Content::of(largest.as_bytes()), Content::Ours { token: 0, is_held: true });
        for strange in [
            "",
            "held token=x",
            "is my file of notes, with enough of them\n",
            "held token=0000000000000000000x\n",
        ] {
            assert_eq!(Content::of(format!("{MAGIC}{strange}").as_bytes()), Content::Foreign);
        }
        for strange in [
            "pid -1 started 99999999999999999999999",
            "pid",
            "pid 4294967296",
            "since 9999-99-99T99:99:99Z",
            "at",
            "",
        ] {
            let text = format!("{MAGIC}held token=-5\n{strange}\n");
            let record = Record::parse(text.as_bytes()).expect("it begins as one");
            assert_eq!((record.token, record.process.pid, record.since), (None, 0, None));
        }
    }
}
