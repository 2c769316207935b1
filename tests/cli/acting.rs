//! The command as another user, and where the system refuses something.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use lockutils_tests::{Place, needs_root};

pub(crate) const NOBODY: u32 = 65534;

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// A place that other users can enter.
pub(crate) fn open_place(test: &str, mode: u32) -> Place {
    needs_root("acts as another user");
    let place = Place::new(test);
    set_mode(place.path(), mode);
    place
}

/// The command in this place behind others, such as strace(1) with its options.
pub(crate) fn behind(place: &Place, program: &str, options: &[&str], words: &[&str]) -> Command {
    let plain = place.lockutils(words);
    let mut command = Command::new(program);
    command.args(options).arg(plain.get_program()).args(plain.get_args());
    for (key, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command
}

/// The command as nobody, who may have no way to where the program is.
pub(crate) fn as_nobody(place: &Place, words: &[&str]) -> Command {
    let script =
        "exec 9<\"$0\"; exec setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/9 \"$@\"";
    behind(place, "bash", &["-c", script], words)
}

/// The command with these options of strace(1), which let system calls fail.
pub(crate) fn refused(place: &Place, options: &[&str], words: &[&str]) -> Command {
    let all = [&["-f", "--quiet=all", "-o", "/dev/null"], options].concat();
    behind(place, "strace", &all, words)
}

/// Makes a file, in a process of its own: one that this process had open for a moment may be open in a child that another
/// test has just forked, and count as in use.
#[track_caller]
pub(crate) fn make(file: &Path, content: &str) {
    let mut bash = Command::new("bash");
    let made = bash.args(["-c", "printf %s \"$2\" > \"$1\"", "bash"]).arg(file).arg(content).status();
    assert!(made.expect("bash(1) can be started").success(), "{}", file.display());
}

/// Makes a lock file that was used once and is not held.
#[track_caller]
pub(crate) fn make_used(file: &Path) {
    make(file, "lockutils 1 free token=00000000000000000001\n");
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}
