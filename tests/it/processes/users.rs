//! Users who share a directory, or should not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, ExitStatus};

use lockutils::{Config, Locks};
use lockutils_tests::{Child, Place, needs_root};

const NOBODY: u32 = 65534;
/// What flock(1) ends with when it is told to by `--conflict-exit-code`.
const CONFLICT: i32 = 99;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// A place that other users can enter.
fn place(test: &str, mode: u32) -> Place {
    needs_root("acts as another user");
    let place = Place::new(test);
    set_mode(place.path(), mode);
    place
}

/// A program that nobody runs, who owns nothing here.
fn nobody(words: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(words);
    command
}

/// flock(1) of another user, on a descriptor for reading.
fn nobodys_flock(file: &Path) -> ExitStatus {
    let script = "exec 9<\"$1\" || exit 66; flock --nonblock --conflict-exit-code 99 9";
    nobody(&["bash", "-c", script, "bash"]).arg(file).output().expect("setpriv(1) can be started").status
}

/// The file of another user is an error after one look, however it is to be taken: nothing is tried again.
#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn the_file_of_another_user_is_refused_at_once() {
    let place = place("the_file_of_another_user_is_refused_at_once", 0o755);
    drop(place.try_acquire("job"));
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        let words = [&["as-nobody", "take", "job"], words].concat();
        let (mut child, log) = place.strace(&["-e", "trace=openat", "-P", "job"], &words);
        let line = child.line();
        assert!(line.starts_with("error permission io: cannot open lock file "), "{line}");
        child.finish();
        let log = fs::read_to_string(log).expect("a log");
        assert_eq!(log.matches("openat(").count(), 1, "{words:?}: {log}");
    }
}

/// Who may not open the file cannot stall us by it: files are made for their owner alone.
#[test]
fn a_user_who_may_not_read_the_file_cannot_stall_us() {
    let place = place("a_user_who_may_not_read_the_file_cannot_stall_us", 0o755);
    drop(place.try_acquire("job"));
    assert_eq!(nobodys_flock(&place.file("job")).code(), Some(66), "nobody cannot open it");
}

/// Who may read the file can lock it, by flock(2) and for ever: that is what a mode such as 0644 gives away.
#[test]
fn a_user_who_may_read_the_file_can_stall_us() {
    let place = place("a_user_who_may_read_the_file_can_stall_us", 0o755);
    drop(place.try_acquire("job"));
    set_mode(&place.file("job"), 0o644);
    let guard = place.try_acquire("job");
    assert_eq!(nobodys_flock(&place.file("job")).code(), Some(CONFLICT), "we have it");
    drop(guard);
    let script = "exec 9<\"$1\"; flock 9; echo held; read -r _";
    let mut other = Child::spawn(nobody(&["bash", "-c", script, "bash"]).arg(place.file("job")));
    other.expect("held");
    assert!(place.try_acquire("job").is_none(), "nobody has it");
    other.kill();
    assert!(place.try_acquire("job").is_some());
}

/// In a sticky directory everybody can use the files that are there, whoever has made them: they are opened
/// without `O_CREAT`, which the kernel may refuse there (`fs.protected_regular`).
#[test]
fn files_in_a_sticky_directory_can_be_shared() {
    let place = place("files_in_a_sticky_directory_can_be_shared", 0o1777);
    for owner in [0, NOBODY] {
        let _ = fs::remove_file(place.file("job"));
        fs::write(place.file("job"), "").expect("a file");
        set_mode(&place.file("job"), 0o666);
        chown(place.file("job"), Some(owner), Some(owner)).expect("root gives files away");
        let directory = place.path().display().to_string();
        // The directory is opened, then the file; whatever comes after that would be refused.
        let options = ["-e", "trace=openat", "-e", "inject=openat:error=EACCES:when=3+", "-P", &directory];
        place.strace(&options, &["take", "job"]).0.expect("held");
        place.strace(&options, &["as-nobody", "take", "job"]).0.expect("held");
        let mut holder = place.holder("job");
        place.helper(&["as-nobody", "take", "job", "timeout=10"]).expect("timeout");
        holder.release();
    }
}

/// The kernel refuses to make the file: an error after one attempt of each kind.
#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn a_sticky_directory_that_refuses_new_files() {
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        let place = place("a_sticky_directory_that_refuses_new_files", 0o1777);
        let directory = place.path().display().to_string();
        let options = ["-e", "trace=openat", "-e", "inject=openat:error=EACCES:when=3+", "-P", &directory];
        let (mut child, log) = place.strace(&options, &[&["take", "job"], words].concat());
        let line = child.line();
        assert!(line.starts_with("error permission io: cannot open lock file "), "{words:?}: {line}");
        child.finish();
        let log = fs::read_to_string(log).expect("a log");
        assert_eq!(log.matches("openat(").count(), 4, "{words:?}: {log}");
        assert!(!place.file("job").exists());
    }
}

/// A directory that everybody may write to, without the sticky bit, is refused. Where the configuration allows it,
/// whoever takes the held file away splits the lock, and the holder can see it.
#[test]
fn in_a_directory_of_everybody_anybody_can_take_the_file_away() {
    needs_root("acts as another user");
    let allowed = |config: Config| config.insecure_lock_path(true);
    let place = Place::with("in_a_directory_of_everybody_anybody_can_take_the_file_away", allowed);
    set_mode(place.path(), 0o777);
    let mut refused = place.actor("job", &[]);
    refused.say("try");
    assert!(refused.line().starts_with("error "), "it is not allowed without that");
    let guard = place.try_acquire("job").expect("free");
    let away = nobody(&["mv", "--no-clobber"]).args([place.file("job"), place.file("away")]).status();
    assert!(away.expect("setpriv(1) can be started").success());
    assert!(guard.is_lost().expect("no error"));
    assert!(guard.check().expect_err("it is lost").is_lost());
    let other = Locks::new(allowed(Config::new().lock_path(place.path()))).expect("a configuration");
    let split = other.lock("job").external().try_acquire().expect("no error");
    assert!(split.is_some(), "somebody else makes a new file");
}

/// With the sticky bit, another user cannot.
#[test]
fn in_a_sticky_directory_only_the_owner_takes_the_file_away() {
    let place = place("in_a_sticky_directory_only_the_owner_takes_the_file_away", 0o1777);
    let guard = place.try_acquire("job").expect("free");
    let away = nobody(&["mv", "--no-clobber"]).args([place.file("job"), place.file("away")]).output();
    assert!(!away.expect("setpriv(1) can be started").status.success());
    guard.check().expect("it still excludes others");
}
