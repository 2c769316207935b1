//! `lockutils doctor`: each problem provoked once, and what it says of a directory that is well.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Mounts, Place, eventually, needs_root};

use crate::acting::{NOBODY, as_nobody, behind, open_place, refused, set_mode, stderr, stdout};

/// A finding: check, state, text and way out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: String,
    state: String,
    text: String,
    way_out: Option<String>,
}

/// What a run has found.
#[derive(Debug)]
pub(crate) struct Found(Vec<Finding>);

impl Found {
    /// The documented schema, and the exit status that belongs to it.
    #[track_caller]
    pub(crate) fn by(mut command: Command) -> Self {
        let output = command.arg("--json").output().expect("it can be started");
        let parse = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let text = |key: &str| value.get(key).map(|text| text.as_str().expect("text").to_owned());
            let known = ["check", "state", "text", "way_out"];
            assert!(
                value.as_object().expect("an object").keys().all(|key| known.contains(&key.as_str())),
                "{line}"
            );
            let finding = Finding {
                check: text("check").expect("a check"),
                state: text("state").expect("a state"),
                text: text("text").expect("a text"),
                way_out: text("way_out"),
            };
            assert_eq!(finding.way_out.is_some(), finding.state != "ok", "{line}");
            finding
        };
        let found = Self(stdout(&output).lines().map(parse).collect());
        let is_ill = found.0.iter().any(|finding| finding.state == "problem");
        let expected = if is_ill { Exit::Conflict } else { Exit::Success };
        assert_eq!(output.status.code(), Some(i32::from(expected.code())), "{found:?} {}", stderr(&output));
        assert_eq!(stderr(&output), "");
        found
    }

    #[track_caller]
    pub(crate) fn of(place: &Place, words: &[&str]) -> Self {
        Self::by(place.lockutils(&[&["doctor"], words].concat()))
    }

    pub(crate) fn only(&self, state: &str) -> Vec<&Finding> {
        self.0.iter().filter(|finding| finding.state == state).collect()
    }

    pub(crate) fn has_check(&self, check: &str) -> bool {
        self.0.iter().any(|found| found.check == check)
    }

    pub(crate) fn is_ok(&self, check: &str) -> bool {
        self.only("ok").iter().any(|found| found.check == check)
    }

    /// Of this check and state, there is one whose text has this in it; its way out, or none.
    #[track_caller]
    pub(crate) fn has(&self, check: &str, state: &str, text: &str) -> &str {
        let is_it =
            |found: &&Finding| found.check == check && found.state == state && found.text.contains(text);
        let found = self
            .0
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {state} of {check} with {text:?}: {self:#?}"));
        found.way_out.as_deref().unwrap_or_default()
    }

    /// The one problem that there is.
    #[track_caller]
    pub(crate) fn has_one_problem(&self, check: &str, text: &str) -> &str {
        assert_eq!(self.only("problem").len(), 1, "{self:#?}");
        self.has(check, "problem", text)
    }
}

/// A directory that is well, where the directories of tests are.
#[test]
fn a_directory_that_is_well() {
    let place = Place::new("a_directory_that_is_well");
    drop(place.try_acquire("job"));
    let found = Found::of(&place, &[]);
    assert_eq!(found.only("problem"), Vec::<&Finding>::new());
    for (check, text) in [
        (
            "configuration",
            &*format!("{}, from the environment variable LOCKUTILS_LOCK_PATH", place.path().display()),
        ),
        ("directory", ", mode 0"),
        ("access", "make and remove files"),
        ("filesystem", "local: the kernel keeps its locks"),
        ("space", " MiB"),
        ("flock", "in a process and between processes"),
        ("record locks", "in a process and between processes"),
        ("locks", "one was taken and let go in "),
        ("cleaning", "can be removed safely"),
        ("files", "1 in the directory"),
        ("inotify", "instances and "),
        ("open files", "at once"),
        ("holders", "/proc tells"),
        ("clock", "20"),
        ("boot", "-"),
    ] {
        found.has(check, "ok", text);
    }
    let left: Vec<_> =
        fs::read_dir(place.path()).expect("there").flatten().map(|one| one.file_name()).collect();
    assert_eq!(left, ["job"], "it leaves nothing behind");
}

/// A line for each check, the way out below, and the sum at the end.
#[test]
fn people_are_told_the_same() {
    let place = Place::new("people_are_told_the_same");
    set_mode(place.path(), 0o777);
    let done = place.lockutils(&["doctor"]).assert().code(1).stderr("").get_output().clone();
    let text = stdout(&done);
    let way_out = format!(
        "\nproblem  mode           everybody may write to it, and so remove the files of others\n{:24} -> take that right away \
         (chmod o-w {}), or set the sticky bit",
        "",
        place.path().display()
    );
    assert!(text.contains(&way_out), "{text}");
    assert!(text.starts_with("ok       configuration  "), "{text}");
    let last = text.lines().last().expect("a line");
    assert!(last.starts_with("1 problem, ") && last.contains(" warning"), "{text}");
    let unwritable = Stdio::from(File::options().write(true).open("/dev/full").expect("it is there"));
    place.lockutils(&["doctor"]).stdout(unwritable).assert().code(i32::from(Exit::Io.code()));
}

#[test]
fn who_says_which_directory_it_is() {
    let place = Place::new("who_says_which_directory_it_is");
    let path = place.path().to_str().expect("text").to_owned();
    let file = place.file("service.toml");
    fs::write(&file, format!("[lockutils]\nlock_path = \"{path}\"\n")).expect("a file");
    let file = file.to_str().expect("text");
    Found::of(&place, &["--lock-path", &path]).has("configuration", "ok", ", from --lock-path");
    Found::of(&place, &["--config", file]).has("configuration", "ok", &format!(", from {file}"));
    let mut oslo = place.lockutils(&["doctor"]);
    oslo.env_remove("LOCKUTILS_LOCK_PATH").env("OSLO_LOCK_PATH", &path);
    Found::by(oslo).has("configuration", "ok", "variable OSLO_LOCK_PATH");
    let mut nobody = place.lockutils(&["doctor"]);
    nobody.env_remove("LOCKUTILS_LOCK_PATH").env_remove("OSLO_LOCK_PATH");
    let found = Found::by(nobody);
    let way_out = found.has_one_problem("configuration", "no lock directory is configured");
    for way in ["LOCKUTILS_LOCK_PATH", "LOCKUTILS_BACKEND_URL", "--backend-url"] {
        assert!(way_out.contains(way), "{way_out}");
    }
    assert!(!found.has_check("engine"), "{found:?}");
    found.has("inotify", "ok", "");
}

#[test]
fn a_configuration_that_cannot_be_used() {
    let place = Place::new("a_configuration_that_cannot_be_used");
    let found = Found::of(&place, &["--config", "missing.toml"]);
    found.has_one_problem("configuration", "cannot use missing.toml");
    let mut mechanism = place.lockutils(&["doctor"]);
    mechanism.env("LOCKUTILS_MECHANISM", "paper");
    Found::by(mechanism).has_one_problem("configuration", "LOCKUTILS_MECHANISM");
}

#[test]
fn a_configuration_that_may_do_harm() {
    let place = Place::new("a_configuration_that_may_do_harm");
    let mut relative = place.lockutils(&["doctor", "--lock-path", "below"]);
    fs::create_dir(place.file("below")).expect("a directory");
    relative.current_dir(place.path());
    let found = Found::by(relative);
    found.has("configuration", "warning", "is relative");
    Found::of(&place, &["--lock-path=~/locks"]).has("configuration", "problem", "`~` means nothing");
    let path = place.path().display();
    let config = format!(
        "[lockutils]\nlock_path = \"{path}\"\ndisable_process_locking = true\nlock_file_mode = \"0666\"\n"
    );
    fs::write(place.file("a.toml"), config).expect("a file");
    let file = place.file("a.toml");
    let file = file.to_str().expect("text");
    let found = Found::of(&place, &["--config", file]);
    found.has("configuration", "warning", "`disable_process_locking` is set");
    found.has("configuration", "warning", "lock_file_mode 0666 lets every user");
    found.has("locks", "ok", "one was taken");
}

#[test]
fn an_environment_that_contradicts_itself() {
    let place = Place::new("an_environment_that_contradicts_itself");
    let mut both = place.lockutils(&["doctor"]);
    both.env("OSLO_LOCK_PATH", "/run/other");
    Found::by(both).has("environment", "warning", "OSLO_LOCK_PATH is /run/other");
    fs::write(place.file("a.conf"), "[oslo_concurrency]\nlock_path = /run/other\n").expect("a file");
    let file = place.file("a.conf");
    let found = Found::of(&place, &["--config", file.to_str().expect("text")]);
    found.has("environment", "warning", "and not the directory of the file");
}

#[test]
fn a_directory_that_the_system_cleans_up() {
    let directory =
        tempfile::Builder::new().prefix("lockutils-doctor").tempdir_in("/var/tmp").expect("a directory");
    let place = Place::new("a_directory_that_the_system_cleans_up");
    let found = Found::of(&place, &["--lock-path", directory.path().to_str().expect("text")]);
    assert!(found.has("temporary", "warning", "/var/tmp is cleaned up").contains("/run"));
}

#[test]
fn a_directory_that_is_missing() {
    let place = open_place("a_directory_that_is_missing", 0o755);
    let missing = place.file("a/b");
    let words = ["--lock-path", missing.to_str().expect("text")];
    let found = Found::of(&place, &words);
    found.has("directory", "warning", "the first lock makes it, for user 0 alone");
    assert!(!place.file("a").exists(), "it is not made");
    let found = Found::by(as_nobody(&place, &[&["doctor"], &words[..]].concat()));
    let way_out = found.has_one_problem("directory", "user 65534 cannot make it in ");
    assert!(way_out.contains("install -d -m 0700 -o 65534 "), "{way_out}");
    fs::write(place.file("a"), "").expect("a file");
    Found::of(&place, &words).has_one_problem("directory", "Not a directory");
    fs::write(place.file("file"), "").expect("a file");
    let file = place.file("file");
    Found::of(&place, &["--lock-path", file.to_str().expect("text")])
        .has_one_problem("directory", "is not a directory");
    symlink("nowhere", place.file("link")).expect("a link");
    let link = place.file("link");
    Found::of(&place, &["--lock-path", link.to_str().expect("text")])
        .has_one_problem("directory", "a symbolic link that leads nowhere");
}

#[test]
fn the_mode_of_the_directory() {
    let place = open_place("the_mode_of_the_directory", 0o777);
    let found = Found::of(&place, &[]);
    assert!(found.has_one_problem("mode", "everybody may write to it").contains("chmod o-w"));
    assert!(found.only("ok").iter().all(|ok| ok.check != "locks"), "it is not tried: {found:?}");
    set_mode(place.path(), 0o1777);
    Found::of(&place, &[]).has("mode", "warning", "everybody may make files in it");
    set_mode(place.path(), 0o770);
    let found = Found::of(&place, &[]);
    assert!(found.has("mode", "warning", "its group may write to it").contains("0660"));
    let insecure = place.file("a.toml");
    let path = place.path().display();
    fs::write(&insecure, format!("[lockutils]\nlock_path = \"{path}\"\ninsecure_lock_path = true\n"))
        .expect("a file");
    set_mode(place.path(), 0o777);
    let found = Found::of(&place, &["--config", insecure.to_str().expect("text")]);
    found.has("mode", "warning", "everybody may write to it");
    found.has("locks", "ok", "one was taken");
}

#[test]
fn what_the_user_may_do_in_the_directory() {
    let place = open_place("what_the_user_may_do", 0o755);
    let doctor = |place: &Place| Found::by(as_nobody(place, &["doctor"]));
    let found = doctor(&place);
    let way_out =
        found.has_one_problem("access", "user 65534 cannot make lock files in it: Permission denied");
    assert!(way_out.contains("owner or mode"), "{way_out}");
    drop(place.try_acquire("job"));
    set_mode(place.path(), 0o1777);
    let found = doctor(&place);
    found.has("files", "warning", "lock files that this user cannot open: job");
    found.has("locks", "ok", "one was taken");
    found.has("flock", "ok", "between processes");
    set_mode(place.path(), 0o1733);
    doctor(&place).has("access", "warning", "cannot list it");
    set_mode(place.path(), 0o700);
    chown(place.path(), Some(NOBODY), Some(NOBODY)).expect("root gives directories away");
    Found::of(&place, &[]).has("owner", "warning", "user 65534 owns it");
    assert!(doctor(&place).only("warning").iter().all(|found| found.check != "owner"));
    let below = place.file("below");
    fs::create_dir(&below).expect("a directory");
    chown(place.path(), Some(0), Some(0)).expect("root takes it back");
    let found = Found::by(as_nobody(&place, &["doctor", "--lock-path", below.to_str().expect("text")]));
    found.has_one_problem("directory", "cannot look at ");
}

/// A small file system: read-only, without room, and without inodes.
#[test]
fn file_systems_that_cannot_take_more() {
    let place = Place::new("file_systems_that_cannot_take_more");
    let mounts = Mounts::new(&place, "mkdir room; mount -t tmpfs -o size=16k,nr_inodes=6,mode=700 none room");
    let doctor = || Found::by(mounts.lockutils("room", &["doctor"]));
    let found = doctor();
    found.has("filesystem", "ok", "tmpfs at ");
    assert!(found.has("space", "warning", " inodes are left").contains("clean"));
    mounts.run("head -c 16384 /dev/zero > room/full");
    doctor().has("space", "warning", "it is full");
    mounts.run("rm room/full; n=0; while { : > room/$n; } 2>&-; do n=$((n + 1)); done");
    let found = doctor();
    let way_out = found.has_one_problem("space", "no inodes are left");
    assert!(way_out.contains("df -i"), "{way_out}");
    mounts.run("mount -o remount,ro room");
    let found = doctor();
    assert!(found.has_one_problem("access", "Read-only file system").contains("mount"), "{found:?}");
}

/// The same numbers by which the library tells them.
#[cfg_attr(lockutils_portable, ignore = "kinds of file systems have no numbers there")]
#[test]
fn network_file_systems() {
    let place = Place::new("network_file_systems");
    let on = |magic: u64| {
        let poke = format!("inject=fstatfs:poke_exit=@arg2={:016x}", magic.swap_bytes());
        Found::by(refused(&place, &["-e", "trace=fstatfs", "-e", &poke], &["doctor"]))
    };
    on(0x6969).has("filesystem", "warning", "NFS, and its server decides");
    let found = on(0x517b);
    assert!(found.has_one_problem("filesystem", "SMB, and ").contains("/run"));
    assert!(found.only("ok").iter().all(|ok| ok.check != "locks"), "it is not tried: {found:?}");
}

/// Locks that are refused, and locks that are granted and not kept.
#[cfg_attr(lockutils_portable, ignore = "it lets calls fail by name, and those are others there")]
#[test]
fn locks_that_do_not_exclude() {
    let place = Place::new("locks_that_do_not_exclude");
    let with = |calls: &str, inject: &str| {
        let inject = format!("inject={calls}:{inject}");
        Found::by(refused(&place, &["-e", &format!("trace={calls}"), "-e", &inject], &["doctor"]))
    };
    with("flock", "error=ENOLCK").has("flock", "problem", "cannot be taken: ");
    with("flock", "retval=0").has("flock", "problem", "two had one flock at the same time");
    with("fcntl", "error=ENOLCK").has("record locks", "problem", "cannot be taken: ");
    with("fcntl", "retval=0").has("record locks", "problem", "two had one record lock at the same time");
    let unasked = ["-e", "trace=execve", "-e", "inject=execve:error=EAGAIN", "-P", "/proc/self/exe"];
    let found = Found::by(refused(&place, &unasked, &["doctor"]));
    found.has("flock", "warning", "between processes it could not be tried");
    assert_eq!(fs::read_dir(place.path()).expect("there").count(), 0, "nothing stays");
}

/// The other process meets another file, as it does where a cache stands between: it is kept waiting while the file is
/// replaced.
#[test]
fn locks_that_do_not_exclude_another_process() {
    let place = Place::new("locks_that_do_not_exclude_another_process");
    let late = ["-e", "trace=execve", "-e", "inject=execve:delay_enter=500000", "-P", "/proc/self/exe"];
    let doctor = refused(&place, &late, &["doctor"]);
    let found = std::thread::scope(|scope| {
        let doctor = scope.spawn(|| Found::by(doctor));
        let scratch = || fs::read_dir(place.path()).expect("there").flatten().next();
        eventually("the doctor has locked a file of its own", || {
            let Some(inode) = scratch().and_then(|file| file.metadata().ok()) else { return false };
            let locks = fs::read_to_string("/proc/locks").expect("it can be read");
            locks.contains(&format!(":{} ", inode.ino()))
        });
        let path = scratch().expect("it is there").path();
        fs::write(place.file("other"), "").expect("a file");
        fs::rename(place.file("other"), path).expect("in its place");
        doctor.join().expect("no panic")
    });
    found.has_one_problem("flock", "another process had the same flock at the same time");
    found.has("record locks", "ok", "between processes");
    assert_eq!(fs::read_dir(place.path()).expect("there").count(), 0, "nothing stays");
}

#[cfg_attr(lockutils_portable, ignore = "it lets calls fail by name, and those are others there")]
#[test]
fn what_the_system_does_not_give() {
    let place = Place::new("what_the_system_does_not_give");
    let with = |options: &[&str]| Found::by(refused(&place, options, &["doctor"]));
    let found = with(&["-e", "trace=inotify_init1", "-e", "inject=inotify_init1:error=EMFILE"]);
    assert!(found.has("inotify", "warning", "none is left").contains("max_user_instances"));
    let found = with(&["-e", "trace=openat", "-e", "inject=openat:error=EACCES", "-P", "/proc/locks"]);
    found.has("holders", "warning", "/proc/locks cannot be read");
    let boot = "/proc/sys/kernel/random/boot_id";
    let unreadable = ["-e", "trace=openat", "-e", "inject=openat:error=EACCES", "-P", boot];
    with(&unreadable).has("boot", "warning", "its id cannot be read");
    let pids = Place::of_pid_files("what_the_system_does_not_give_to_pids");
    Found::by(refused(&pids, &unreadable, &["doctor"])).has("boot", "problem", "its id cannot be read");
    let leases = ["-e", "trace=renameat2", "-e", "inject=renameat2:error=EIO"];
    with(&leases).has("cleaning", "warning", "cannot remove lock file");
    assert_eq!(fs::read_dir(place.path()).expect("there").count(), 0, "nothing stays");
    let slow = ["-e", "trace=flock", "-e", "inject=flock:delay_exit=150000"];
    with(&slow).has("locks", "warning", "taking one and letting it go took ");
}

/// In namespaces and limits of its own.
#[test]
fn what_the_host_does_not_give() {
    needs_root("makes namespaces");
    let place = Place::new("what_the_host_does_not_give");
    let bash = |unshare: &[&str], script: &str| {
        let script = format!("{script}; exec \"$0\" \"$@\"");
        Found::by(behind(&place, "unshare", &[unshare, &["bash", "-euc", &script]].concat(), &["doctor"]))
    };
    bash(&["--uts"], "hostname localhost").has("host", "warning", "its name is \"localhost\"");
    let found = bash(&[], "ulimit -n 100");
    assert!(found.has("open files", "warning", "100 at once").contains("ulimit -n"));
    let hidden = bash(&["--mount", "--pid", "--fork"], "mount -t proc -o hidepid=2 proc /proc");
    hidden.has("holders", "warning", "of other users it does not tell what programs hold locks");
}

#[test]
fn what_is_in_the_directory() {
    let place = Place::new("what_is_in_the_directory");
    drop(place.try_acquire("job"));
    let _held = place.try_acquire("held");
    for name in ["notes", "readme", "todo", "zoo"] {
        fs::write(place.file(name), "4711\n").expect("a file of others");
    }
    let old = |name: &str| {
        let file = File::create(place.file(name)).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("a time");
    };
    old(".lockutils-removed-1-0");
    let found = Found::of(&place, &[]);
    found.has("files", "ok", "6 in the directory");
    found.has("files", "warning", "no lock files, but in the directory: notes, readme, todo and 1 more");
    assert_eq!(found.has("leftovers", "warning", ".lockutils-removed-1-0"), "lockutils clean");
    old(".lockutils-doctor-1");
    let found = Found::of(&place, &[]);
    assert!(found.has("leftovers", "warning", ".lockutils-doctor-1").contains("rm .lockutils-doctor-*"));
    let future = File::create(place.file("future")).expect("a file");
    future.set_modified(SystemTime::now() + Duration::from_secs(86_400)).expect("a time");
    Found::of(&place, &[]).has("clock", "warning", "future was changed in the future");
}

#[test]
fn very_many_files() {
    let place = Place::new("very_many_files");
    for number in 0..10_001 {
        File::create(place.file(&number.to_string())).expect("a file");
    }
    let found = Found::of(&place, &[]);
    assert!(found.has("files", "warning", "10001 in the directory").contains("--older-than 7d"));
}

/// The same directory with both mechanisms.
#[cfg_attr(lockutils_portable, ignore = "there are no pid files")]
#[test]
fn mechanisms_that_do_not_fit() {
    let pids = Place::of_pid_files("mechanisms_that_do_not_fit");
    let _held = pids.try_acquire("job");
    let found = Found::of(&pids, &[]);
    assert_eq!(found.only("problem"), Vec::<&Finding>::new());
    found.has("links", "ok", "hard links work");
    let mut kernel = pids.lockutils(&["doctor"]);
    kernel.env("LOCKUTILS_MECHANISM", "kernel");
    let found = Found::by(kernel);
    found.has_one_problem("mechanism", "these files were made with `mechanism = \"pid\"`: job");
    let linkless = ["-e", "trace=linkat,link", "-e", "inject=linkat,link:error=EPERM"];
    Found::by(refused(&pids, &linkless, &["doctor"])).has_one_problem("links", "there are none here");
}
