//! Completions and manual pages.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::Place;

fn printed(place: &Place, words: &[&str]) -> String {
    let done = place.lockutils(words).assert().success().stderr("");
    String::from_utf8(done.get_output().stdout.clone()).expect("text")
}

#[test]
fn completions_are_there_for_every_shell() {
    let place = Place::new("completions");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&place, &["completions", shell]);
        assert!(script.contains("lockutils") && script.contains("completions"), "{shell}: {script}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new("manual");
    let main = printed(&place, &["man"]);
    assert!(main.starts_with(".ie") && main.contains("lockutils"), "{main}");
    assert!(
        main.contains(".SH NOTES\nExit status, of all commands:") && main.contains("lockutils 0."),
        "{main}"
    );
    let page = printed(&place, &["man", "completions"]);
    assert!(page.contains("Prints the completions of a shell"), "{page}");
    place.lockutils(&["man", "nothing"]).assert().code(i32::from(Exit::Usage.code()));

    let directory = place.file("pages");
    let written = printed(&place, &["man", "--dir", directory.to_str().expect("text")]);
    assert_eq!(written, "");
    for page in ["lockutils.1", "lockutils-completions.1", "lockutils-man.1"] {
        assert!(fs::read_to_string(directory.join(page)).expect(page).contains(".TH"), "{page}");
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let place = Place::new("unwritable");
    let full = || OwnedFd::from(fs::File::create("/dev/full").expect("it is there"));
    for words in [&["completions", "bash"][..], &["man"]] {
        let mut command = place.lockutils(words);
        let failed = command.stdout(Stdio::from(full())).assert().code(i32::from(Exit::Io.code()));
        let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(said.starts_with("lockutils: cannot write to standard output: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
