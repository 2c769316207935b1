//! What the portable path leaves out of these suites is written down: `docs/portable.md`.

use std::fs;
use std::path::Path;

/// How a test says that it is left out.
const MARK: &str = "#[cfg_attr(lockutils_portable, ignore";
const MARK_IN_LINES: &str = "#[cfg_attr(\n    lockutils_portable,\n    ignore";

/// The names of the tests of this file that are left out.
fn left_out(text: &str) -> Vec<String> {
    let text = text.replace(MARK_IN_LINES, MARK);
    let name = |after: &str| after.split_once("\nfn ")?.1.split_once('(').map(|(name, _)| name.to_owned());
    text.split(MARK).skip(1).filter_map(name).collect()
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the suites are here").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { text(&path) }).collect()
}

fn text(path: &Path) -> Vec<String> {
    if path.ends_with("portable.rs") {
        return Vec::new();
    }
    fs::read_to_string(path).into_iter().collect()
}

#[test]
fn what_is_left_out_stands_in_the_documentation() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documentation = fs::read_to_string(here.join("../docs/portable.md")).expect("text");
    let mut left_out: Vec<String> = files(&here.join("it")).iter().flat_map(|file| left_out(file)).collect();
    let rows = documentation.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let mut written: Vec<_> =
        rows.filter_map(|(row, _)| row.rsplit_once("::")).map(|(_, name)| name).collect();
    left_out.sort();
    written.sort_unstable();
    assert!(left_out.len() > 10, "the tests are not where they were: {left_out:?}");
    assert_eq!(left_out, written);
}
