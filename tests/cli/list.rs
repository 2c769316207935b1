//! `lockutils list`: the table, and how it ends.

pub(crate) mod json;
mod scale;
mod terminal;
mod users;
mod watch;

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Child, Peer, Place, helper, lockutils};

pub(crate) fn code(exit: Exit) -> i32 {
    exit.code().into()
}

/// What a command that ends well prints, and says on standard error.
#[track_caller]
pub(crate) fn said(command: &mut Command) -> (String, String) {
    let done = command.assert().success();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).expect("text");
    (text(&done.get_output().stdout), text(&done.get_output().stderr))
}

/// The table that is printed, in words, without its heads.
#[track_caller]
fn table(place: &Place, words: &[&str]) -> Vec<Vec<String>> {
    let (printed, errors) = said(&mut place.lockutils(&[&["list"], words].concat()));
    assert_eq!(errors, "");
    let mut lines =
        printed.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let heads = lines.next().expect("heads").join(" ");
    assert_eq!(heads, "NAME STATE MODE PID PROGRAM HOST SINCE WHERE WAITERS TOKEN");
    lines.collect()
}

/// The error that a command ends with: one line.
#[track_caller]
pub(crate) fn fails(command: &mut Command, exit: Exit) -> String {
    let done = command.assert().code(code(exit)).stdout("");
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.starts_with("lockutils: ") && said.lines().count() == 1, "{said}");
    said
}

fn pid(child: &Child) -> String {
    child.pid().to_string()
}

fn hostname() -> String {
    let name = Command::new("uname").arg("-n").output().expect("uname(1)").stdout;
    String::from_utf8(name).expect("text").trim().to_owned()
}

/// A row for each holder, in the order of the names.
#[test]
fn every_state_has_its_row() {
    let place = Place::new("every_state_has_its_row");
    let writer = place.holder("a-writer");
    let readers = [place.holder_with("b-readers", &["read"]), place.holder_with("b-readers", &["read"])];
    let permit = place.holder_with("c-permits", &["semaphore=4"]);
    let peer = Peer::alone("oslo").holder(&place.file("d-peer"));
    drop(place.try_acquire("e-free"));
    fs::create_dir(place.file("f-directory")).expect("a directory");
    let _waiter = place.waiter("a-writer", &[]);

    let rows = table(&place, &[]);
    assert_eq!(rows.len(), 7, "{rows:?}");
    let host = hostname();
    let first: Vec<&str> = rows[0].iter().map(String::as_str).collect();
    let [name, "held", "write", number, "helper", there, since, at, "1", token] = first[..] else {
        panic!("{first:?}");
    };
    assert_eq!((name, number, there), ("a-writer", &*pid(&writer), &*host));
    assert!(since.ends_with('s') && at.starts_with("tests/src/bin/helper/"), "{first:?}");
    assert!(token.parse::<u64>().is_ok_and(|token| token > 0), "{first:?}");

    let beginnings = |row: usize, words: &[&str]| assert_eq!(rows[row][..words.len()], *words, "{rows:?}");
    let mut pids = readers.iter().map(|reader| reader.pid().as_raw()).collect::<Vec<_>>();
    pids.sort_unstable();
    beginnings(1, &["b-readers", "held", "read", &pids[0].to_string(), "helper", &host, "-", "-", "0"]);
    beginnings(2, &["b-readers", "held", "read", &pids[1].to_string(), "helper", &host, "-", "-", "0"]);
    beginnings(3, &["c-permits", "held", "1/4", &pid(&permit), "helper"]);
    beginnings(4, &["d-peer", "held", "write", &pid(&peer)]);
    assert!(rows[4][4].starts_with("python"), "{rows:?}");
    beginnings(5, &["e-free", "free", "-", "-", "-", "-", "-", "-", "0"]);
    beginnings(6, &["f-directory", "foreign", "-", "-", "-", "-", "-", "(it"]);
    drop((writer, readers, permit, peer));
}

#[test]
fn only_what_is_held() {
    let place = Place::new("only_what_is_held");
    let _holder = place.holder("held");
    drop(place.try_acquire("free"));
    let rows = table(&place, &["--held"]);
    assert_eq!(rows.iter().map(|row| &*row[0]).collect::<Vec<_>>(), ["held"]);
}

#[test]
fn nothing_to_show_is_no_failure_and_says_so() {
    let place = Place::new("nothing_to_show");
    let path = place.path().display().to_string();
    let nothing = ("", format!("lockutils: no lock files in {path}\n"));
    let (printed, errors) = said(&mut place.lockutils(&["list"]));
    assert_eq!((&*printed, errors), nothing);
    drop(place.try_acquire("free"));
    let (printed, errors) = said(&mut place.lockutils(&["list", "--held"]));
    assert_eq!((&*printed, errors), ("", format!("lockutils: no lock is held in {path}\n")));
    let (printed, errors) = said(&mut place.lockutils(&["list", "--held", "--json"]));
    assert_eq!((&*printed, &*errors), ("", ""), "no line is an answer that programs understand");
}

#[test]
fn a_directory_that_is_missing_or_not_named_is_78_and_says_the_way_out() {
    let place = Place::new("a_directory_that_is_missing");
    let missing = place.file("missing").display().to_string();
    let said = fails(&mut place.lockutils(&["list", "--lock-path", &missing]), Exit::Config);
    assert!(said.contains(&missing) && said.contains("--lock-path"), "{said}");
    assert!(!Path::new(&missing).exists(), "it is not made");
    let mut none = place.lockutils(&["list"]);
    let none = none.env_remove("LOCKUTILS_LOCK_PATH").env_remove("OSLO_LOCK_PATH");
    let said = fails(none, Exit::Config);
    assert!(said.contains("--lock-path") && said.contains("LOCKUTILS_LOCK_PATH"), "{said}");
    fs::write(place.file("file"), "").expect("a file");
    let file = place.file("file").display().to_string();
    let said = fails(&mut place.lockutils(&["list", "--lock-path", &file]), Exit::Io);
    assert!(said.contains(&file), "{said}");
}

/// By an option, a file or the environment; and only the names of a prefix, said in the same places.
#[test]
fn the_directory_and_the_prefix_are_those_that_were_said() {
    let place = Place::new("the_directory_and_the_prefix");
    for name in ["nova-a", "cinder-a"] {
        drop(place.try_acquire(name));
    }
    let path = place.path().display().to_string();
    let config = place.file(".config.toml").display().to_string();
    let text = format!("[lockutils]\nlock_path = {path:?}\nlock_file_prefix = \"nova\"\n");
    fs::write(&config, text).expect("a file");
    let listed = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.lockutils(&[&["list", "--json"], words].concat());
        command.env_remove("LOCKUTILS_LOCK_PATH").envs(variables.iter().copied());
        let (printed, _) = said(&mut command);
        let name = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["name"].as_str().expect("text").to_owned()
        };
        printed.lines().map(name).filter(|name| name != ".config.toml").collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--lock-path", &path], &[]), ["cinder-a", "nova-a"]);
    assert_eq!(listed(&["--lock-path", &path, "--prefix", "cinder"], &[]), ["cinder-a"]);
    assert_eq!(listed(&["--config", &config], &[]), ["nova-a"]);
    assert_eq!(listed(&["--config", &config, "--prefix", "cinder-"], &[]), ["cinder-a"]);
    assert_eq!(listed(&[], &[("OSLO_LOCK_PATH", &path)]), ["cinder-a", "nova-a"]);
    let variables = [("LOCKUTILS_LOCK_PATH", &*path), ("LOCKUTILS_LOCK_FILE_PREFIX", "nova")];
    assert_eq!(listed(&[], &variables), ["nova-a"]);
}

/// Neither names nor records get to a terminal as they are, and each file stays on its line.
#[test]
fn what_a_terminal_would_obey_is_shown() {
    let place = Place::new("what_a_terminal_would_obey");
    for name in [&b"a\x1b[2Jb"[..], b"c\nd", b"e\xff", "f\u{202e}g".as_bytes()] {
        fs::write(place.path().join(std::ffi::OsStr::from_bytes(name)), "").expect("a file");
    }
    let _holder = place.holder("job");
    let record = fs::read_to_string(place.file("job")).expect("a record");
    fs::write(place.file("job"), record.replace("program helper", "program h\x1b[31m"))
        .expect("it can be written");
    let (printed, _) = said(&mut place.lockutils(&["list"]));
    assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{printed:?}");
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let names: Vec<_> = printed.lines().filter_map(first).collect();
    assert_eq!(names, ["NAME", r"a\u{1b}[2Jb", r"c\nd", r"e\xff", r"f\u{202e}g", "job"]);
    assert!(printed.contains(r"h\u{1b}[31m"), "{printed}");
    let (printed, _) = said(&mut place.lockutils(&["who", "job"]));
    assert!(printed.contains(r"(h\u{1b}[31m)"), "{printed:?}");
}

/// Who looks takes nothing, makes nothing and writes nothing.
#[test]
fn a_look_changes_nothing() {
    let place = Place::new("a_look_changes_nothing");
    let (_holder, log) = (place.holder("held"), place.path().join("log"));
    drop(place.try_acquire("free"));
    for words in [&["list"][..], &["who", "held"]] {
        let mut command = Command::new("strace");
        let calls = "trace=flock,fcntl,openat,mkdir,unlink,rename,renameat2,link,linkat,write,pwrite64,ftruncate,utimensat";
        command.args(["-f", "-qq", "-e", calls, "-o"]).arg(&log).arg(lockutils()).args(words);
        said(command.env("LOCKUTILS_LOCK_PATH", place.path()).env_remove("LOCKUTILS_LOCK_FILE_PREFIX"));
        let log = fs::read_to_string(&log).expect("a log");
        assert!(log.contains("F_OFD_GETLK") && log.contains("O_RDONLY"), "{log}");
        let changes = |line: &&str| {
            let is_own = line.contains("write(1,");
            let looks = line.contains("O_RDONLY") || line.contains("O_PATH") || line.contains("F_OFD_GETLK");
            let is_harmless = line.contains("F_GETFD") || line.contains("F_DUPFD") || line.contains("+++");
            !is_own && !looks && !is_harmless
        };
        let others: Vec<&str> = log.lines().filter(changes).collect();
        assert!(others.is_empty() && !log.contains("O_CREAT"), "{others:?}");
    }
}

/// `lockutils list | head -1`.
#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let place = Place::new("a_reader_that_has_had_enough");
    for number in 0..4000 {
        fs::write(place.file(&format!("volume-{number}")), "").expect("a file");
    }
    for words in ["list", "list --json", "list --watch 0.1", "list --json --watch 0.1"] {
        let script = format!("\"$1\" {words} | head -1; exit ${{PIPESTATUS[0]}}");
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash"]).arg(lockutils());
        let (printed, errors) = said(command.env("LOCKUTILS_LOCK_PATH", place.path()));
        assert_eq!((printed.lines().count(), &*errors), (1, ""), "{words}");
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let place = Place::new("what_cannot_be_written");
    drop(place.try_acquire("job"));
    for words in [&["list"][..], &["list", "--json"], &["who", "job"]] {
        let full = File::options().write(true).open("/dev/full").expect("it is there");
        let said = fails(place.lockutils(words).stdout(Stdio::from(full)), Exit::Io);
        assert!(said.starts_with("lockutils: cannot write to standard output: "), "{said}");
    }
}

#[test]
fn pid_files_are_told() {
    let place = Place::of_pid_files("pid_files_are_told");
    let holder = place.holder("held");
    place.holder("left-behind").kill();
    let rows = table(&place, &[]);
    assert_eq!(rows[0][..4], ["held", "held", "write", &*pid(&holder)]);
    assert_eq!(rows[0][8], "-", "nobody can tell who waits: {rows:?}");
    assert_eq!(rows[1][..3], ["left-behind", "free", "-"]);
}

/// In a container, a pid of the host is a number without a meaning, and record locks of the host have none.
#[test]
fn holders_of_another_pid_namespace_are_told() {
    lockutils_tests::needs_root("makes a pid namespace");
    let place = Place::new("holders_of_another_pid_namespace");
    let outside = place.holder("a-ours");
    let _peer = Peer::alone("lockf").holder(&place.file("b-peer"));
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(lockutils()).arg("list");
    let (printed, _) = said(command.env("LOCKUTILS_LOCK_PATH", place.path()));
    let rows: Vec<Vec<&str>> =
        printed.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..5], ["a-ours", "held", "write", &format!("{}*", pid(&outside)), "helper"]);
    assert_eq!(rows[1][..5], ["b-peer", "held", "write", "?", "?"]);

    // The other way round, the kernel knows the process by its number out here.
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(helper())
        .args(["actor", "c-inside"]);
    let mut inside = Child::spawn(command.env("LOCKUTILS_LOCK_PATH", place.path()));
    inside.take();
    let rows = table(&place, &[]);
    assert_eq!(rows[2][..3], ["c-inside", "held", "write"]);
    assert!(rows[2][3].parse::<u32>().is_ok_and(|pid| pid > 2) && rows[2][4] == "helper", "{rows:?}");
}
