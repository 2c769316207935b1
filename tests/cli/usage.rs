//! Command lines that cannot be understood, and the help.

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::Place;

#[test]
fn help_and_version_go_to_standard_output() {
    let place = Place::new("help");
    for words in [&["--help"][..], &["-h"], &["help"], &["completions", "--help"]] {
        let done = place.lockutils(words).assert().success().stderr("");
        assert!(String::from_utf8_lossy(&done.get_output().stdout).contains("Usage: lockutils"));
    }
    let version = format!("lockutils {}\n", env!("CARGO_PKG_VERSION"));
    place.lockutils(&["--version"]).assert().success().stdout(version);
}

#[test]
fn what_cannot_be_understood_is_64_and_says_so_on_standard_error() {
    let place = Place::new("usage");
    for (words, part) in [
        (&["lend"][..], "unrecognized subcommand 'lend'; see lockutils --help"),
        (&["completions"], "not provided: <SHELL>; see lockutils completions --help"),
        (&["completions", "csh"], "invalid value 'csh'"),
        (&["--shared"], "unexpected argument '--shared' found; see lockutils --help"),
        (
            &["run", "x", "--no-wiat", "--", "true"],
            "a similar argument exists: '--no-wait'; see lockutils run --help",
        ),
        (&["run", "x", "rsync", "-a"], "stands behind `--`: lockutils run NAME -- COMMAND"),
        (
            &["run", "x", "--timeout", "soon", "--", "true"],
            "or as a number of seconds; see lockutils run --help",
        ),
    ] {
        let done = place.lockutils(words).assert().code(i32::from(Exit::Usage.code())).stdout("");
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.starts_with("lockutils: ") && said.contains(part), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn without_words_there_is_the_help() {
    let done = Place::new("no_words").lockutils(&[]).assert().code(i32::from(Exit::Usage.code())).stdout("");
    assert!(String::from_utf8_lossy(&done.get_output().stderr).contains("Usage: lockutils"));
}
