//! What somebody sees who may not see everything.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lockutils::exit::Exit;
use lockutils_tests::{Place, lockutils, needs_root};

use super::{fails, pid, said};
use crate::list::json::lines;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// The program of a user who owns nothing here, from where that user can read it.
fn as_nobody(place: &Place, words: &[&str]) -> Command {
    needs_root("acts as another user");
    let program = place.file(".lockutils-program");
    if !program.exists() {
        fs::copy(lockutils(), &program).expect("a copy");
    }
    set_mode(&program, 0o755);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(words);
    command.env("LOCKUTILS_LOCK_PATH", place.path()).env_remove("LOCKUTILS_LOCK_FILE_PREFIX");
    command
}

/// Files are made for their owner alone. Of those, others see who has them, as far as the kernel says.
#[test]
fn files_that_may_not_be_read_are_looked_at_from_outside() {
    let place = Place::new("files_that_may_not_be_read");
    set_mode(place.path(), 0o755);
    let holder = place.holder("a-held");
    drop(place.try_acquire("b-free"));
    let (printed, _) = said(&mut as_nobody(&place, &["list", "--json"]));
    let seen = lines(&printed);
    assert_eq!((&seen[0]["state"], &seen[0]["mode"]), (&"held".into(), &"write".into()));
    assert_eq!(seen[0]["holders"][0]["pid"].to_string(), pid(&holder));
    assert_eq!((&seen[1]["state"], &seen[1]["name"]), (&"unknown".into(), &"b-free".into()));
    assert_eq!(seen[1]["why"], "it cannot be opened: Permission denied");
    let (printed, _) = said(&mut as_nobody(&place, &["who", "a-held"]));
    assert!(printed.starts_with(&format!("held by pid {}", holder.pid())), "{printed}");
    let error = fails(&mut as_nobody(&place, &["who", "b-free"]), Exit::NotPermitted);
    assert!(error.contains("b-free"), "{error}");
}

#[test]
fn a_directory_that_may_not_be_read_is_77() {
    let place = Place::new("a_directory_that_may_not_be_read");
    drop(place.try_acquire("job"));
    // The program is started from where it can be read.
    let elsewhere = Place::new("a_directory_that_may_be_read");
    set_mode(elsewhere.path(), 0o755);
    for mode in [0o700, 0o711] {
        set_mode(place.path(), mode);
        let mut command = as_nobody(&elsewhere, &["list"]);
        let error = fails(command.env("LOCKUTILS_LOCK_PATH", place.path()), Exit::NotPermitted);
        assert!(error.contains(&place.path().display().to_string()), "{mode:o}: {error}");
    }
}
