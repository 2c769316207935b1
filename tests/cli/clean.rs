//! `lockutils clean`: what goes, what stays, and what is said of it.

use std::fs::{self, File};
use std::os::unix::fs::{chown, symlink};
use std::process::{Command, Output, Stdio};

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Child, Mounts, Place};

use crate::acting::{NOBODY, as_nobody, make, make_used, open_place, refused, set_mode, stderr, stdout};

#[track_caller]
fn ends(mut command: Command, exit: Exit) -> Output {
    command.assert().code(i32::from(exit.code())).get_output().clone()
}

/// What it prints when all goes well.
#[track_caller]
fn clean(place: &Place, words: &[&str]) -> String {
    stdout(&ends(place.lockutils(&[&["clean"], words].concat()), Exit::Success))
}

/// Files that were used once and are not held.
fn used(place: &Place, names: &[&str]) {
    for name in names {
        make_used(&place.file(name));
    }
}

fn set_age(place: &Place, name: &str, hours: u64) {
    let touch =
        Command::new("touch").args(["-d", &format!("{hours} hours ago")]).arg(place.file(name)).status();
    assert!(touch.expect("touch(1) can be started").success());
}

#[track_caller]
fn is_one_line(text: &str) {
    assert!(text.starts_with("lockutils: ") && text.lines().count() == 1, "{text}");
}

/// One file of every kind, as somebody finds it who comes to a busy directory.
struct Busy {
    place: Place,
    _holder: Child,
    _opener: Child,
}

impl Busy {
    fn new(test: &str) -> Self {
        let place = Place::new(test);
        used(&place, &["a", "b", "other", "open"]);
        let holder = place.holder("held");
        // Somebody who is about to lock it.
        let script = "exec 9<\"$1\"; echo opened; read -r _";
        let mut opener =
            Child::spawn(Command::new("bash").args(["-c", script, "bash"]).arg(place.file("open")));
        opener.expect("opened");
        fs::create_dir(place.file("directory")).expect("a directory");
        symlink(place.file("other"), place.file("link")).expect("a link");
        make(&place.file("notes"), "4711\n");
        make(&place.file("nothing"), "");
        Self { place, _holder: holder, _opener: opener }
    }
}

const BUSY: &str = "\
removed  a
removed  b
foreign  directory: it is not a regular file
busy     held
foreign  link: it is not a regular file
foreign  notes: it has content that is not of this crate
foreign  nothing: it is empty, so that nothing tells whose it is
in use   open
removed  other
";

#[test]
fn every_file_has_its_line() {
    let Busy { place, .. } = &Busy::new("every_file_has_its_line");
    let done = ends(place.lockutils(&["clean"]), Exit::Success);
    assert_eq!(stdout(&done), BUSY);
    let summary = "lockutils: removed 3 of 9 files; left alone: 1 busy, 1 in use, 4 foreign\n";
    assert_eq!(stderr(&done), summary);
    let mut left: Vec<_> =
        fs::read_dir(place.path()).expect("there").flatten().map(|one| one.file_name()).collect();
    left.sort();
    assert_eq!(left, ["directory", "held", "link", "notes", "nothing", "open"]);
}

/// It tells by the same rules, and takes nothing away.
#[test]
fn a_dry_run_says_what_a_real_one_does() {
    let Busy { place, .. } = &Busy::new("a_dry_run_says_what_a_real_one_does");
    make(&place.file(".lockutils-removed-1-0"), "");
    let before = fs::read_dir(place.path()).expect("there").count();
    let done = ends(place.lockutils(&["clean", "--dry-run"]), Exit::Success);
    assert_eq!(fs::read_dir(place.path()).expect("there").count(), before);
    let would = stdout(&done);
    let real =
        |line: &str| format!("{:<8} {}", line[..12].trim().replace("would remove", "removed"), &line[14..]);
    assert_eq!(would.lines().map(real).collect::<Vec<_>>(), BUSY.lines().collect::<Vec<_>>());
    let summary = "lockutils: would remove 3 of 9 files; left alone: 1 busy, 1 in use, 4 foreign\n";
    assert_eq!(stderr(&done), summary);
    for name in ["a", "b", "other"] {
        let flock = Command::new("flock").arg("-n").arg(place.file(name)).arg("true").status();
        assert!(flock.expect("flock(1) can be started").success(), "{name} is free again");
    }
    assert_eq!(clean(place, &[]), BUSY);
    assert!(!place.file(".lockutils-removed-1-0").exists(), "what a killed cleaner has left goes too");
}

/// The documented schema: name and result, and a reason where it could be another one.
#[test]
fn json_is_an_object_a_line() {
    let Busy { place, .. } = &Busy::new("json_is_an_object_a_line");
    let parsed = |words: &[&str]| -> Vec<serde_json::Value> {
        clean(place, words).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let would = parsed(&["--json", "--dry-run"]);
    let done = parsed(&["--json"]);
    assert_eq!((would.len(), done.len()), (9, 9));
    for (would, done) in would.iter().zip(&done) {
        let told: Vec<_> = done.as_object().expect("an object").keys().map(String::as_str).collect();
        match done["result"].as_str().expect("text") {
            "removed" => assert_eq!(would["result"], "would_remove"),
            result => assert_eq!(would["result"], result),
        }
        match done["result"].as_str().expect("text") {
            "removed" | "busy" | "in_use" => assert_eq!(told, ["name", "result"]),
            "foreign" => assert_eq!(told, ["name", "reason", "result"]),
            other => panic!("{other}"),
        }
    }
    assert_eq!(done[0]["name"], "a");
}

#[test]
fn quiet_means_nothing_but_errors() {
    let Busy { place, .. } = &Busy::new("quiet_means_nothing_but_errors");
    for words in [&["clean", "--quiet", "--dry-run"][..], &["clean", "-q"]] {
        let done = ends(place.lockutils(words), Exit::Success);
        assert_eq!((stdout(&done), stderr(&done)), (String::new(), String::new()));
    }
    assert!(!place.file("a").exists(), "it was done all the same");
    ends(place.lockutils(&["clean", "--quiet", "--json"]), Exit::Usage);
    set_mode(place.path(), 0o777);
    let done = ends(place.lockutils(&["clean", "-q"]), Exit::Config);
    is_one_line(&stderr(&done));
    assert!(stderr(&done).contains("chmod o-w"), "{}", stderr(&done));
}

/// cron(8) sends no mail about a directory in which there is nothing to do.
#[test]
fn where_nothing_is_there_is_nothing_to_say() {
    let place = Place::new("where_nothing_is_there_is_nothing_to_say");
    used(&place, &["a"]);
    for words in [&["b*"][..], &["--older-than", "1h"]] {
        let done = ends(place.lockutils(&[&["clean"], words].concat()), Exit::Success);
        assert_eq!((stdout(&done), stderr(&done)), (String::new(), String::new()));
    }
}

#[test]
fn a_missing_directory_has_nothing_to_clean_and_is_not_made() {
    let place = Place::new("a_missing_directory_has_nothing_to_clean");
    let missing = place.file("missing");
    let words = ["clean", "--lock-path", missing.to_str().expect("text")];
    let done = ends(place.lockutils(&words), Exit::Success);
    let said = format!("lockutils: there is no directory {}, so nothing to clean\n", missing.display());
    assert_eq!((stdout(&done), stderr(&done)), (String::new(), said));
    assert!(!missing.exists());
}

/// An operator who cleans a directory that is none of locks loses nothing.
#[test]
fn a_directory_of_other_things_keeps_them() {
    let place = Place::new("a_directory_of_other_things_keeps_them");
    let files =
        [("__init__.py", ""), (".pwd.lock", ""), ("hosts", "127.0.0.1 localhost\n"), ("run.pid", "4711\n")];
    for (name, content) in files {
        make(&place.file(name), content);
    }
    fs::create_dir(place.file("below")).expect("a directory");
    make(&place.file("below/lock"), "");
    assert!(clean(&place, &[]).lines().all(|line| line.starts_with("foreign ")));
    for (name, content) in files {
        assert_eq!(fs::read_to_string(place.file(name)).expect(name), content);
    }
    let gone = clean(&place, &["--empty"]);
    assert!(gone.contains("removed  .pwd.lock\n") && gone.contains("removed  __init__.py\n"), "{gone}");
    assert!(place.file("hosts").exists() && place.file("run.pid").exists());
    assert!(place.file("below/lock").exists(), "it does not go down");
}

#[test]
fn ages_are_durations_or_seconds() {
    let place = Place::new("ages_are_durations_or_seconds");
    used(&place, &["new", "hours", "days"]);
    set_age(&place, "hours", 2);
    set_age(&place, "days", 9 * 24);
    let aged = |age: &str| clean(&place, &["--dry-run", "--older-than", age]).lines().count();
    for (age, files) in
        [("0", 3), ("0s", 3), ("3600", 2), ("1h", 2), ("1h 30m", 2), ("7d", 1), ("604800.5", 1), ("10d", 0)]
    {
        assert_eq!(aged(age), files, "{age}");
    }
    for age in ["-1", "soon", "7 apples", "NaN", ""] {
        let failed = ends(place.lockutils(&["clean", &format!("--older-than={age}")]), Exit::Usage);
        assert!(stderr(&failed).contains("--older-than"), "{}", stderr(&failed));
    }
    assert_eq!(clean(&place, &["--older-than", "7d"]), "removed  days\n");
}

#[test]
fn patterns_are_matched_behind_the_prefix() {
    let place = Place::new("patterns_are_matched_behind_the_prefix");
    used(&place, &["nova-volume-1", "nova-volume-2", "nova-net", "volume-1", "cinder-volume-1"]);
    let dry = |words: &[&str]| clean(&place, &[&["--dry-run"], words].concat()).replace("would remove  ", "");
    assert_eq!(dry(&["--prefix", "nova", "volume-[12]"]), "nova-volume-1\nnova-volume-2\n");
    assert_eq!(dry(&["--prefix", "nova-", "n?t"]), "nova-net\n");
    assert_eq!(dry(&["volume-*"]), "volume-1\n");
    assert_eq!(dry(&["*volume-1", "--prefix", ""]), "cinder-volume-1\nnova-volume-1\nvolume-1\n");
    let failed = ends(place.lockutils(&["clean", "["]), Exit::Usage);
    is_one_line(&stderr(&failed));
    assert!(stderr(&failed).contains("pattern \"[\" cannot be used"), "{}", stderr(&failed));
}

/// Whoever can make files cannot write to the terminal of the one who cleans up.
#[test]
fn names_from_the_disk_are_escaped() {
    let place = Place::new("names_from_the_disk_are_escaped");
    for name in ["\x1b[2J", "two\nremoved  lines", "a\u{202e}b"] {
        make(&place.file(name), "");
    }
    let said = clean(&place, &["--empty"]);
    assert!(!said.contains('\x1b') && !said.contains('\u{202e}') && said.lines().count() == 3, "{said:?}");
    assert!(said.contains("foreign  two\\nremoved  lines: its name cannot be that of a lock\n"), "{said}");
    assert!(said.contains("removed  a\\u{202e}b\n"), "{said}");
}

/// The file of another user, in a directory that both can write to: it cannot be opened, or nobody can tell whether
/// somebody has it open.
#[test]
fn what_is_not_permitted_is_77_and_the_rest_is_done() {
    let place = open_place("what_is_not_permitted_is_77", 0o1777);
    used(&place, &["closed", "mine", "open"]);
    set_mode(&place.file("open"), 0o666);
    chown(place.file("mine"), Some(NOBODY), Some(NOBODY)).expect("root gives files away");
    for words in [&["clean", "--dry-run"][..], &["clean"], &["clean", "-q", "[!m]*"]] {
        let done = ends(as_nobody(&place, words), Exit::NotPermitted);
        let said = stderr(&done);
        is_one_line(&said);
        let start = format!(
            "lockutils: 2 of {} files cannot be removed; the first is closed: cannot open lock file ",
            if words.contains(&"-q") { 2 } else { 3 }
        );
        assert!(said.starts_with(&start) && said.contains("; check the owner"), "{said}");
        assert_eq!(stdout(&done).is_empty(), words.contains(&"-q"));
        if !words.contains(&"-q") {
            assert!(stdout(&done).contains(": only its owner can tell whether somebody has it open\n"));
        }
    }
    assert!(!place.file("mine").exists() && place.file("open").exists() && place.file("closed").exists());
}

/// A dry run is told too that nothing can be removed there.
#[test]
fn a_directory_that_cannot_be_written_or_read() {
    let place = open_place("a_directory_that_cannot_be_written", 0o755);
    used(&place, &["mine"]);
    chown(place.file("mine"), Some(NOBODY), Some(NOBODY)).expect("root gives files away");
    for words in [&["clean", "--dry-run"][..], &["clean"]] {
        let done = ends(as_nobody(&place, words), Exit::NotPermitted);
        assert!(stdout(&done).starts_with("refused "), "{}", stdout(&done));
        is_one_line(&stderr(&done));
    }
    assert!(place.file("mine").exists());
    set_mode(place.path(), 0o711);
    let done = ends(as_nobody(&place, &["clean"]), Exit::NotPermitted);
    is_one_line(&stderr(&done));
    assert!(stderr(&done).contains("cannot read the lock directory"), "{}", stderr(&done));
}

#[test]
fn a_file_system_that_is_mounted_read_only() {
    let place = Place::new("a_file_system_that_is_mounted_read_only");
    used(&place, &["job"]);
    let mounts = Mounts::new(&place, "mkdir ro; cp job ro; mount --bind ro ro; mount -o remount,bind,ro ro");
    let done = ends(mounts.lockutils("ro", &["clean"]), Exit::NotPermitted);
    is_one_line(&stderr(&done));
    assert!(stderr(&done).contains("mounted read-only"), "{}", stderr(&done));
}

#[cfg_attr(lockutils_portable, ignore = "it lets calls fail by name, and those are others there")]
#[test]
fn what_fails_is_74() {
    let place = Place::new("what_fails_is_74");
    used(&place, &["job"]);
    let options = ["-e", "trace=renameat2", "-e", "inject=renameat2:error=EIO"];
    let done = ends(refused(&place, &options, &["clean"]), Exit::Io);
    assert!(stdout(&done).starts_with("refused  job: cannot remove lock file "), "{}", stdout(&done));
    is_one_line(&stderr(&done));
    assert!(place.file("job").exists());
    let done = ends(refused(&place, &options, &["clean", "--dry-run", "--json"]), Exit::Success);
    assert_eq!(stdout(&done), "{\"name\":\"job\",\"result\":\"would_remove\"}\n");
}

/// What cannot be told is not done.
#[test]
fn it_stops_when_nobody_reads_any_more() {
    let place = Place::new("it_stops_when_nobody_reads_any_more");
    used(&place, &["a", "b", "c"]);
    let mut command = place.lockutils(&["clean"]);
    command.stdout(Stdio::from(File::options().write(true).open("/dev/full").expect("it is there")));
    let failed = ends(command, Exit::Io);
    is_one_line(&stderr(&failed));
    assert!(place.file("b").exists() && place.file("c").exists());
}

/// Pid files: those of the dead go.
#[cfg_attr(lockutils_portable, ignore = "there are no pid files")]
#[test]
fn pid_files_of_the_dead_go() {
    let place = Place::of_pid_files("pid_files_of_the_dead_go");
    place.holder("dead").kill();
    let _living = place.holder("living");
    make(&place.file("nothing"), "");
    make(&place.file("kernel"), "lockutils 1 free token=00000000000000000001\n");
    let rest = "\
foreign  kernel: it was made for a lock of the kernel
busy     living
foreign  nothing: it does not say who has it, as pid files do
";
    let dry = clean(&place, &["--dry-run"]);
    assert!(dry.starts_with("would remove  dead\n") && place.file("dead").exists(), "{dry}");
    assert_eq!(clean(&place, &["--empty"]), format!("removed  dead\n{rest}"));
    assert!(!place.file("dead").exists() && place.file("nothing").exists());
    let mut command = place.lockutils(&["clean", "--empty"]);
    command.env("LOCKUTILS_MECHANISM", "kernel");
    let kernel = ends(command, Exit::Success);
    assert!(stdout(&kernel).contains("foreign  living: it is a pid file\n"), "{}", stdout(&kernel));
}
