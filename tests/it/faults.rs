//! The table of faults, `docs/faults.md`, and its tests.

use lockutils_tests::{has_test, is_test, repository};

/// The number of the last row.
const ROWS: usize = 54;

/// A row: its number, and the names of its tests.
struct Row<'a> {
    number: usize,
    tests: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// That of a line, if it is a row of a table and no heading.
    #[track_caller]
    fn of(line: &'a str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let number = cells[0].parse().ok()?;
        let [_, fault, what, tests] = cells[..] else {
            panic!("row {number} has {} cells, and not four", cells.len());
        };
        assert!(!fault.is_empty() && !what.is_empty(), "row {number} has an empty cell");
        // What stands between pairs of backticks.
        Some(Self { number, tests: tests.split('`').skip(1).step_by(2).collect() })
    }
}

/// Each row from the first to the last stands in the table, in order, and names tests that there are.
#[test]
fn every_row_has_its_test() {
    let table = repository("docs/faults.md");
    let rows: Vec<Row<'_>> = table.lines().filter_map(Row::of).collect();
    for (row, number) in rows.iter().zip(1..) {
        assert_eq!(row.number, number, "row {number} is missing or not in its place");
    }
    assert_eq!(rows.len(), ROWS, "the last row is another one");
    let wrong: Vec<String> = rows.iter().flat_map(wrong_in).collect();
    assert!(wrong.is_empty(), "docs/faults.md:\n{}", wrong.join("\n"));
}

/// What is wrong with the tests of a row.
fn wrong_in(row: &Row<'_>) -> Vec<String> {
    let number = row.number;
    if row.tests.is_empty() {
        return vec![format!("row {number} names no test")];
    }
    let missing = row.tests.iter().filter(|name| !is_test("it", name));
    missing.map(|name| format!("row {number}: there is no test `{name}`")).collect()
}

/// The table is read as it is written, and what is wrong in it is seen.
#[test]
fn what_is_wrong_in_the_table_is_seen() {
    fn row(line: &str) -> Option<(usize, Vec<String>)> {
        Row::of(line).map(|row| (row.number, wrong_in(&row)))
    }

    let here = "faults::every_row_has_its_test";
    assert_eq!(row(&format!("| 7 | a | b | `{here}` |")), Some((7, Vec::new())));
    assert_eq!(row("| 7 | a | b | see there |"), Some((7, vec!["row 7 names no test".into()])));
    for name in ["every_row_has_its_test", "faults::wrong_in", "faults::gone", "gone::every_row_has_its_test"]
    {
        let expected = format!("row 7: there is no test `{name}`");
        assert_eq!(row(&format!("| 7 | a | b | `{here}`, `{name}` |")), Some((7, vec![expected])));
    }
    assert_eq!(row("| # | fault | what happens | test |"), None);
    assert_eq!(row("|---|---|---|---|"), None);
    assert!(has_test("#[test]\n/// Text.\nfn a() {", "a") && !has_test("#[test]\n#[ignore]\nfn a() {", "a"));
}
