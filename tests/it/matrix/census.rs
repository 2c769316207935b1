//! The public ways to take a lock, counted in the sources, against the table.

use std::collections::BTreeSet;
use std::path::Path;

use crate::conformance::ways::WAYS;

/// Where the public ways are.
const SOURCES: [&str; 9] = [
    "lock.rs",
    "lock/distributed.rs",
    "many.rs",
    "reentrant.rs",
    "reentrant/guard.rs",
    "guard.rs",
    "guard/far.rs",
    "locks.rs",
    "testing.rs",
];

/// What looks like a way and is none, or is one that another suite has.
const ELSEWHERE: [(&str, &str); 9] = [
    ("Lock::purpose", "says what the record tells of the holder"),
    ("Lock::contender_pattern", "is for one engine only, which has tests of it"),
    ("LockAll::purpose", "says what the records tell of the holder"),
    ("Lock::label", "says what metrics call a lock"),
    ("Locks::new", "makes a registry"),
    ("Locks::with_backend", "makes a registry"),
    ("LockAllGuard::guards", "shows guards that are held"),
    ("LockFixture::new", "takes a lock of the process-wide registry, as `lock` does"),
    ("LockFixture::guard", "shows a guard that is held"),
];

#[test]
fn every_public_way_has_its_line() {
    let found: BTreeSet<String> = SOURCES.iter().flat_map(|file| ways_in(file)).collect();
    assert!(found.len() > 30, "the sources are not where they were: {found:?}");
    let missing: Vec<_> = found.iter().filter(|way| !is_known(way)).collect();
    assert!(missing.is_empty(), "give these a line in `WAYS`: {missing:?}");
}

#[test]
fn every_line_stands_for_a_public_way() {
    let found: BTreeSet<String> = SOURCES.iter().flat_map(|file| ways_in(file)).collect();
    let options = attribute_options();
    for written in WAYS.iter().flat_map(|way| way.uses).filter(|written| written.contains("::")) {
        assert!(found.contains(*written), "`{written}` is gone, or is no way to take a lock");
    }
    for option in WAYS.iter().flat_map(|way| way.uses).filter_map(|written| written.strip_prefix('#')) {
        assert!(options.iter().any(|known| known == option), "the attribute has no option `{option}`");
    }
    for (other, _) in ELSEWHERE {
        assert!(found.contains(other), "`{other}` is gone");
    }
}

#[test]
fn every_option_of_the_attribute_has_its_line() {
    let options = attribute_options();
    assert!(options.len() > 10, "the options are not where they were: {options:?}");
    let known = |option: &String| {
        let used = |written: &&str| written.strip_prefix('#') == Some(option);
        WAYS.iter().flat_map(|way| way.uses).any(used)
    };
    let missing: Vec<_> = options.iter().filter(|option| !known(option)).collect();
    assert!(missing.is_empty(), "give these a line in `WAYS`: {missing:?}");
}

fn is_known(way: &str) -> bool {
    let used = WAYS.iter().flat_map(|way| way.uses).any(|written| *written == way);
    used || ELSEWHERE.iter().any(|(other, _)| *other == way)
}

/// Functions that return a guard or a handle, change a handle, or run a closure.
fn ways_in(file: &str) -> Vec<String> {
    let text = source(&format!("lockutils/src/{file}"));
    let (mut ways, mut owner) = (Vec::new(), "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(of) = line.strip_prefix("impl ") {
            owner = of.split([' ', '<', '{']).next().unwrap_or_default();
        }
        let line = line.trim_start();
        if line.starts_with("option! {") {
            ways.extend(option_of(&mut lines).map(|name| format!("{owner}::{name}")));
        } else if line.starts_with("pub fn ") && !owner.is_empty() {
            let signature = signature(line, &mut lines);
            ways.extend(name_of_way(&signature).map(|name| format!("{owner}::{name}")));
        }
    }
    ways
}

/// The whole of a signature, which may have several lines.
fn signature<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.to_owned();
    while !whole.contains('{') {
        whole.push_str(lines.next().expect("a function has a body"));
    }
    whole
}

fn name_of_way(signature: &str) -> Option<&str> {
    let name = signature.strip_prefix("pub fn ")?.split(['(', '<']).next()?;
    let returned = signature.split_once("->").map_or("", |(_, returned)| returned);
    let gives = ["Guard", "Self", "Reentrant", "LockAll", "Lock "].iter().any(|kind| returned.contains(kind));
    (gives || signature.contains("body: impl FnOnce")).then_some(name).filter(|name| !name.starts_with('$'))
}

/// The name behind the docs of an option that a macro makes.
fn option_of<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let line = lines.map(str::trim_start).find(|line| !line.starts_with("///"))?;
    line.split('(').next()
}

/// The list in the macro's sources.
fn attribute_options() -> Vec<String> {
    let text = source("lockutils-macros/src/options.rs");
    let list = text.split("const OPTIONS").nth(1).and_then(|rest| rest.split(" = [").nth(1));
    let list =
        list.and_then(|rest| rest.split("];").next()).expect("the macro's sources have a list of options");
    list.split(',')
        .map(|word| word.trim().trim_matches('"').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
