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
    for words in [&[][..], &["lend"], &["completions"], &["completions", "csh"], &["--shared"]] {
        let done = place.lockutils(words).assert().code(i32::from(Exit::Usage.code())).stdout("");
        assert!(!done.get_output().stderr.is_empty(), "{words:?}");
    }
}
