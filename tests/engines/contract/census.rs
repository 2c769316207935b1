//! What there is, counted in the sources, against the tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::cases::CASES;
use super::engines::ENGINES;

#[test]
fn every_case_has_its_line() {
    let found: BTreeSet<String> =
        sources("tests/engines/contract").iter().flat_map(|file| cases_in(file)).collect();
    assert!(found.len() > 20, "the cases are not where they were: {found:?}");
    let listed: BTreeSet<String> = CASES.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(found, listed, "a case and its line in `cases.rs`");
    assert_eq!(listed.len(), CASES.len(), "a case is listed twice");
}

/// Functions that a bench can be given to.
fn cases_in(file: &Path) -> Vec<String> {
    let module = file.file_stem().and_then(|stem| stem.to_str()).expect("a module");
    let text = fs::read_to_string(file).expect("a source");
    let names = text.lines().filter_map(|line| {
        line.strip_prefix("pub(super) fn ")?.strip_suffix("(bench: &Bench) {").map(str::to_owned)
    });
    names.map(|case| format!("{module}::{case}")).collect()
}

/// An engine of the library is what implements `Backend`, in the file or the directory of its name.
#[test]
fn every_engine_has_its_line() {
    let found: BTreeSet<String> =
        sources("lockutils/src/distributed").iter().filter_map(|file| engine_in(file)).collect();
    let listed: BTreeSet<String> = ENGINES.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(found, listed, "an engine and its line in `engines.rs`");
    assert_eq!(listed.len(), ENGINES.len(), "an engine is listed twice");
}

fn engine_in(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).expect("a source");
    text.lines().any(|line| line.starts_with("impl Backend for ")).then_some(())?;
    let inside = file.strip_prefix(root().join("lockutils/src/distributed")).expect("it was found there");
    let first = inside.iter().next()?.to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// Cases are for all: the lines say where an engine is spared one, and those may not become the most.
#[test]
fn no_engine_is_spared_much() {
    for row in ENGINES {
        let run = CASES.iter().filter(|case| row.is_spared(case).is_none()).count();
        assert!(run * 2 > CASES.len(), "{} runs {run} of {} cases", row.name, CASES.len());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below this directory.
fn sources(directory: &str) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![root().join(directory)]);
    while let Some(directory) = left.pop() {
        for entry in
            fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() { left.push(entry) } else { found.push(entry) }
        }
    }
    found.sort();
    found
}
