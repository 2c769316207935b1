//! The table of what other systems have and where it went, `docs/seeds.md`, and its tests.

use lockutils_tests::{is_test, repository};

#[test]
fn every_row_has_its_test() {
    let table = repository("docs/seeds.md");
    let rows: Vec<&str> = table.lines().filter(|line| is_row(line)).collect();
    assert!(rows.len() > 60, "the rows are not where they were: {}", rows.len());
    let wrong: Vec<String> = rows.into_iter().filter_map(wrong_in).collect();
    assert!(wrong.is_empty(), "docs/seeds.md:\n{}", wrong.join("\n"));
}

fn is_row(line: &str) -> bool {
    line.starts_with('|') && !line.starts_with("| there") && !line.starts_with("|---")
}

/// What is wrong with a row. Its last cell names tests.
fn wrong_in(row: &str) -> Option<String> {
    let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
    let [_, _, tests] = cells[..] else {
        return Some(format!("{} cells, and not three: {row}", cells.len()));
    };
    let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
    let missing = names.iter().find(|name| !is_there(name));
    match missing {
        _ if names.is_empty() => Some(format!("no test: {row}")),
        Some(name) => Some(format!("there is no test `{name}`: {row}")),
        None => None,
    }
}

fn is_there(name: &str) -> bool {
    match name.split_once("::") {
        Some(("case", case)) => is_case(case),
        Some((suite @ ("it" | "engines"), name)) => is_test(suite, name),
        _ => false,
    }
}

/// Whether the table of cases has this one, below the name of its module.
fn is_case(name: &str) -> bool {
    let table = repository("tests/engines/contract/cases.rs");
    let Some((module, case)) = name.split_once("::") else { return false };
    let below = table.split_once(&format!(" {module} {{")).map_or("", |(_, below)| below);
    below.split('}').next().is_some_and(|cases| cases.split_whitespace().any(|word| word == case))
}

#[test]
fn what_is_wrong_in_the_table_is_seen() {
    let here = "`it::seeds::every_row_has_its_test`";
    assert_eq!(wrong_in(&format!("| a | b | {here} |")), None);
    assert_eq!(wrong_in("| a | b | `case::sharing::writers_exclude_each_other` |"), None);
    for wrong in [
        "| a | b | none |",
        "| a | b |",
        "| a | b | `it::seeds::gone` |",
        "| a | b | `case::sharing::twice_is_once` |",
        "| a | b | `case::gone::twice_is_once` |",
        "| a | b | `seeds::every_row_has_its_test` |",
    ] {
        assert!(wrong_in(wrong).is_some(), "{wrong}");
    }
}
