//! What an error is asked, and what it should answer.

use std::io;
use std::path::Path;

use lockutils::Error;

type Question = (&'static str, fn(&Error) -> bool);

/// Every question that an error can be asked.
const QUESTIONS: [Question; 19] = [
    ("is_timeout", Error::is_timeout),
    ("is_busy", Error::is_busy),
    ("is_cancelled", Error::is_cancelled),
    ("is_would_deadlock", Error::is_would_deadlock),
    ("is_limit_reached", Error::is_limit_reached),
    ("is_mismatch", Error::is_mismatch),
    ("is_invalid_name", Error::is_invalid_name),
    ("is_no_lock_path", Error::is_no_lock_path),
    ("is_config", Error::is_config),
    ("is_already_initialized", Error::is_already_initialized),
    ("is_unsupported", Error::is_unsupported),
    ("is_permission", Error::is_permission),
    ("is_not_a_file", Error::is_not_a_file),
    ("is_io", Error::is_io),
    ("is_lost", Error::is_lost),
    ("is_fenced", Error::is_fenced),
    ("is_no_backend", Error::is_no_backend),
    ("is_unreachable", Error::is_unreachable),
    ("is_engine", Error::is_engine),
];

/// The questions that are answered with yes; every other one is answered with no.
pub(super) type Answers = &'static [&'static str];

pub(super) struct Expected<'a> {
    pub(super) is: Answers,
    pub(super) name: Option<&'a str>,
    /// Below the directory of the test.
    pub(super) path: Option<&'a str>,
    /// Whether it says how long was waited.
    pub(super) waited: bool,
    /// Whether it has a cause.
    pub(super) source: bool,
    /// What it is as an I/O error.
    pub(super) kind: io::ErrorKind,
    /// With `<dir>`, `<time>` and `<place>` for what differs from run to run.
    pub(super) text: &'a str,
}

impl Expected<'_> {
    /// What most errors have in common.
    pub(super) const ANY: Self = Expected {
        is: &[],
        name: None,
        path: None,
        waited: false,
        source: false,
        kind: io::ErrorKind::Other,
        text: "",
    };
}

/// Asks an error everything.
#[track_caller]
pub(super) fn check(error: Error, directory: &Path, expected: &Expected<'_>) {
    let text = error.to_string();
    assert_eq!(scrubbed(&text, directory), expected.text);
    assert_eq!(format!("{error:?}"), format!("Error({text})"));
    let yes: Vec<_> = QUESTIONS.iter().filter(|(_, ask)| ask(&error)).map(|(name, _)| *name).collect();
    assert_eq!(yes, expected.is, "{text}");
    assert_eq!(error.name(), expected.name, "{text}");
    assert_eq!(error.path(), expected.path.map(|path| directory.join(path)).as_deref(), "{text}");
    assert_eq!(error.waited().is_some(), expected.waited, "{text}");
    assert_eq!(std::error::Error::source(&error).is_some(), expected.source, "{text}");
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.to_string()), (expected.kind, text));
}

/// The text without what differs from run to run.
fn scrubbed(text: &str, directory: &Path) -> String {
    let text = text.replace(&*directory.to_string_lossy(), "<dir>");
    let places = text.replace(concat!("tests/it/", "errors.rs"), "\u{1}");
    let places = places.replace(&this_process(), "<this process>");
    let text = without(&places, "\u{1}", |c| c.is_ascii_digit() || c == ':', "<place>");
    let text = without(&text, "after ", |c| c.is_ascii_digit() || "ms.".contains(c), "after <time>");
    without(&text, "for ", |c| c.is_ascii_digit() || "ms.".contains(c), "for <time>")
}

/// As a message names the process of the tests where it takes it for another one.
fn this_process() -> String {
    let program = std::env::current_exe().expect("a test knows its own program");
    let program = program.file_name().expect("a program has a name").to_string_lossy().into_owned();
    format!("pid {} ({program})", std::process::id())
}

/// Replaces `start` and the characters behind it, where there are some and a digit is the first.
fn without(text: &str, start: &str, belongs: impl Fn(char) -> bool, instead: &str) -> String {
    let mut parts = text.split(start);
    let mut scrubbed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(&belongs);
        let replaced = rest.len() < part.len() && part.starts_with(|c: char| c.is_ascii_digit() || c == ':');
        scrubbed.push_str(if replaced { instead } else { start });
        scrubbed.push_str(if replaced { rest } else { part });
    }
    scrubbed
}

/// A new question belongs into the table.
#[test]
fn every_question_is_asked() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lockutils/src/error.rs");
    let text = std::fs::read_to_string(path).expect("the library's sources are beside the tests");
    let asked = text.lines().filter_map(|line| line.trim_start().strip_prefix("pub fn is_"));
    let asked: Vec<String> =
        asked.filter_map(|line| line.split('(').next()).map(|name| format!("is_{name}")).collect();
    let known: Vec<_> = QUESTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<_> = asked.iter().filter(|name| !known.contains(name)).collect();
    assert!(
        asked.len() >= known.len() && missing.is_empty(),
        "give these a line in `QUESTIONS`: {missing:?}"
    );
}

#[test]
fn texts_are_scrubbed() {
    let directory = Path::new("/run/x");
    let text = "lock `a` (/run/x/a) after 1.5s for others, for 20ms, at tests/it/errors.rs:10:5; for you";
    assert_eq!(
        scrubbed(text, directory),
        "lock `a` (<dir>/a) after <time> for others, for <time>, at <place>; for you"
    );
}
