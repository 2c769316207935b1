//! Which directory and which names are meant: the command line, a configuration file, the environment.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::Place;

use crate::acting::{behind, make, open_place, stderr, stdout};

/// Directories with a file each that tells which one it is: what a dry run of `clean` finds there.
struct Places(Place);

impl Places {
    fn new(test: &str) -> Self {
        let place = Place::new(test);
        for name in ["argument", "file", "ours", "oslo"] {
            fs::create_dir(place.file(name)).expect("a directory");
            make(&place.file(name).join(name), "");
            make(&place.file(name).join(format!("nova-{name}")), "");
        }
        Self(place)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let content = content.replace("HERE", self.0.path().to_str().expect("text"));
        fs::write(self.0.file(name), content).expect("a file");
        self.0.file(name).to_str().expect("text").to_owned()
    }

    /// A run that changes nothing, with this environment and no other of ours.
    fn command(&self, words: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = self.0.lockutils(&[&["clean", "--dry-run", "--empty"], words].concat());
        for key in ["LOCKUTILS_LOCK_PATH", "LOCKUTILS_MECHANISM", "OSLO_LOCK_PATH"] {
            command.env_remove(key);
        }
        for (key, value) in environment {
            command.env(key, value.replace("HERE", self.0.path().to_str().expect("text")));
        }
        command.current_dir(self.0.path());
        command
    }

    /// The files that are meant.
    #[track_caller]
    fn found(&self, words: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
        let output = self.command(words, environment).assert().success().get_output().clone();
        stdout(&output).lines().map(|line| line.replace("would remove  ", "")).collect()
    }

    /// The one line that says why not.
    #[track_caller]
    fn fails(&self, words: &[&str], environment: &[(&str, &str)], exit: Exit) -> String {
        let output =
            self.command(words, environment).assert().code(i32::from(exit.code())).get_output().clone();
        let said = stderr(&output);
        assert!(said.starts_with("lockutils: ") && said.lines().count() == 1, "{said}");
        said
    }
}

const OURS: (&str, &str) = ("LOCKUTILS_LOCK_PATH", "HERE/ours");
const OSLO: (&str, &str) = ("OSLO_LOCK_PATH", "HERE/oslo");

#[test]
fn the_command_line_comes_before_the_file_and_that_before_the_environment() {
    let places = Places::new("the_command_line_comes_first");
    let file = places.file("service.toml", "[lockutils]\nlock_path = \"HERE/file\"\n");
    let found = |words: &[&str], environment: &[(&str, &str)]| places.found(words, environment)[0].clone();
    let argument = ["--config", &file, "--lock-path", "argument"];
    assert_eq!(found(&argument, &[OURS, OSLO]), "argument");
    assert_eq!(found(&argument[..2], &[OURS, OSLO]), "file");
    assert_eq!(found(&argument[2..], &[OURS, OSLO]), "argument");
    assert_eq!(found(&[], &[OURS, OSLO]), "nova-ours");
    assert_eq!(found(&[], &[("LOCKUTILS_LOCK_PATH", ""), OSLO]), "nova-oslo");
    assert_eq!(found(&[], &[OSLO]), "nova-oslo");
}

#[test]
fn without_a_directory_the_three_ways_to_name_one_are_told() {
    let places = Places::new("without_a_directory");
    let said = places.fails(&[], &[], Exit::Config);
    for way in ["--lock-path", "--config", "LOCKUTILS_LOCK_PATH"] {
        assert!(said.contains(way), "{said}");
    }
    let empty = places.file("empty.conf", "[DEFAULT]\ndebug = true\n");
    assert_eq!(places.fails(&["--config", &empty], &[], Exit::Config), said);
    places.command(&["--lock-path", ""], &[OURS]).assert().code(i32::from(Exit::Usage.code()));
}

#[test]
fn every_format_of_a_configuration_file() {
    let places = Places::new("every_format");
    for (name, content) in [
        (
            "a.toml",
            "debug = true\n[lockutils]\nlock_path = \"HERE/file\"\nlock_file_prefix = \"nova\"\n[other]\nx = 1\n",
        ),
        (
            "a.yaml",
            "debug: true\nlockutils:\n  lock_path: HERE/file\n  lock_file_prefix: nova\nother: {x: 1}\n",
        ),
        ("a.yml", "lockutils: {lock_path: HERE/file, lock_file_prefix: nova}\n"),
        (
            "a.json",
            "{\"debug\": true, \"lockutils\": {\"lock_path\": \"HERE/file\", \"lock_file_prefix\": \"nova\"}}",
        ),
    ] {
        let file = places.file(name, content);
        assert_eq!(places.found(&["--config", &file], &[OURS]), ["nova-file"], "{name}");
    }
    for name in ["a.conf", "a.ini"] {
        let file =
            places.file(name, "[DEFAULT]\nstate = HERE\n[oslo_concurrency]\nlock_path = $state/file\n");
        assert_eq!(places.found(&["--config", &file], &[OURS]), ["file", "nova-file"], "{name}");
    }
}

/// As the service does it that reads the same file.
#[test]
fn what_the_file_does_not_set_is_unset_except_the_directory() {
    let places = Places::new("what_the_file_does_not_set");
    let prefix = ("LOCKUTILS_LOCK_FILE_PREFIX", "nova");
    let file = places.file("a.toml", "[lockutils]\nlock_path = \"HERE/file\"\n");
    assert_eq!(places.found(&["--config", &file], &[prefix]), ["file", "nova-file"]);
    let without = places.file("b.toml", "[lockutils]\nlock_file_prefix = \"nova\"\n");
    assert_eq!(places.found(&["--config", &without], &[OURS]), ["nova-ours"]);
    assert_eq!(places.found(&["--config", &without], &[OSLO]), ["nova-oslo"]);
    let oslo = places.file("c.conf", "[DEFAULT]\n");
    assert_eq!(places.found(&["--config", &oslo], &[OSLO, prefix]), ["nova-oslo", "oslo"]);
    // The mechanism goes with the directory.
    let wrong = ("LOCKUTILS_MECHANISM", "paper");
    let said = places.fails(&["--config", &without], &[OURS, wrong], Exit::Config);
    assert!(said.contains("LOCKUTILS_MECHANISM is \"paper\""), "{said}");
    assert_eq!(places.found(&["--config", &file], &[wrong]), ["file", "nova-file"]);
}

#[test]
fn the_prefix_of_the_command_line_comes_first() {
    let places = Places::new("the_prefix_comes_first");
    let prefix = ("LOCKUTILS_LOCK_FILE_PREFIX", "nova");
    assert_eq!(places.found(&[], &[OURS, prefix]), ["nova-ours"]);
    assert_eq!(places.found(&["--prefix", ""], &[OURS, prefix]), ["nova-ours", "ours"]);
    assert_eq!(places.found(&["--prefix", "nova"], &[OURS]), ["nova-ours"]);
    assert_eq!(places.found(&["--prefix=nova-"], &[OURS]), ["nova-ours"]);
    assert!(places.found(&["--prefix", "cinder"], &[OURS, prefix]).is_empty());
    for wrong in ["a/b", "a\nb"] {
        let said = places.fails(&["--prefix", wrong], &[OURS], Exit::Usage);
        assert!(said.contains("lock_file_prefix"), "{said}");
    }
    let said = places.fails(&[], &[OURS, ("LOCKUTILS_LOCK_FILE_PREFIX", "a/b")], Exit::Config);
    assert!(said.contains("lock_file_prefix \"a/b\" cannot be used"), "{said}");
}

#[test]
fn a_relative_directory_is_relative_to_where_the_command_is_started() {
    let places = Places::new("a_relative_directory");
    assert_eq!(places.found(&["--lock-path", "argument"], &[]), ["argument", "nova-argument"]);
    let file = places.file("a.toml", "[lockutils]\nlock_path = \"file\"\n");
    let mut elsewhere = places.command(&["--config", &file], &[]);
    let output = elsewhere.current_dir("/").assert().success().stdout("").get_output().clone();
    assert!(stderr(&output).contains("there is no directory /file"), "{}", stderr(&output));
    fs::create_dir(places.0.file("~")).expect("a directory");
    make(&places.0.file("~/tilde"), "");
    assert_eq!(places.found(&["--lock-path=~"], &[]), ["tilde"], "it means nothing");
}

/// Whoever runs a command wants other processes to be kept out, whatever a service does without.
#[test]
fn process_locking_is_never_disabled() {
    let places = Places::new("process_locking_is_never_disabled");
    for value in ["true", "perhaps"] {
        assert_eq!(
            places.found(&[], &[OURS, ("LOCKUTILS_DISABLE_PROCESS_LOCKING", value)]),
            ["nova-ours", "ours"]
        );
    }
    let file =
        places.file("a.toml", "[lockutils]\nlock_path = \"HERE/file\"\ndisable_process_locking = true\n");
    assert_eq!(places.found(&["--config", &file], &[]), ["file", "nova-file"]);
}

/// File, content, and what is said.
const UNUSABLE: [(&str, &str, &str); 21] = [
    ("a.toml", "x = [[[\n", "line 1, column "),
    (
        "b.toml",
        "[lockutils]\nlock_pth = \"x\"\n",
        "line 2, column 1: unknown field `lock_pth`, expected one of ",
    ),
    ("c.toml", "[lockutils]\nlock_path = 3\n", "line 2, column 13: invalid type: integer `3`"),
    ("d.toml", "[lockutils]\ntimeout = \"soon\"\n", "expected a number of seconds or a text"),
    ("e.toml", "[lockutils]\nmechanism = \"paper\"\n", "unknown variant `paper`, expected `kernel` or `pid`"),
    ("f.toml", "[oslo_concurrency]\nlock_path = \"x\"\n", "it has no section `lockutils`; write one"),
    ("g.toml", "", "it has no section `lockutils`; write one"),
    ("a.yaml", "a: [\n", "line 1 column 4: unclosed bracket"),
    ("b.yaml", "lockutils:\n  lock_pth: x\n", "line 2 column 3: unknown field `lock_pth`, expected one of "),
    ("c.yaml", "lockutils:\n  lock_path: [1]\n", "line 2 column 14: expected string"),
    ("d.yaml", "lockutils: 3\n", "line 1 column 12: expected mapping"),
    ("e.yml", "other: 1\n", "it has no section `lockutils`; write one"),
    ("f.yml", "lockutils:\n", "it has no section `lockutils`; write one"),
    ("a.json", "{", "EOF while parsing an object at line 1"),
    ("b.json", "{\"lockutils\": {\"lock_pth\": 1}}", "unknown field `lock_pth`, expected one of "),
    ("c.json", "{\"lockutils\": null}", "it has no section `lockutils`; write one"),
    ("a.conf", "[oslo_concurrency\n", "cannot be parsed"),
    ("b.conf", "[oslo_concurrency]\ndisable_process_locking = perhaps\n", "is no boolean"),
    ("c.ini", "[oslo_concurrency]\nlock_path = $state/x\n", "uses $state"),
    ("a.cfg", "[lockutils]\n", "its extension does not say what it is; known are .toml, "),
    ("lockutils", "[lockutils]\n", "its extension does not say what it is; known are .toml, "),
];

#[test]
fn what_cannot_be_used_is_78_and_one_line() {
    let places = Places::new("what_cannot_be_used");
    for (name, content, why) in UNUSABLE {
        let file = places.file(name, content);
        let said = places.fails(&["--config", &file], &[OURS], Exit::Config);
        assert!(said.contains(&file) && said.contains(why), "{name}: {said}");
        assert!(!said.contains("error:") && !said.contains("-->"), "{said}");
        // The file is wrong, whatever else is said.
        places.fails(&["--config", &file, "--lock-path", "argument"], &[], Exit::Config);
    }
}

#[test]
fn what_cannot_be_read_is_78_and_one_line() {
    let places = Places::new("what_cannot_be_read");
    for extension in ["toml", "yaml", "json", "conf"] {
        let name = |stem: &str| format!("{stem}.{extension}");
        let file = places.file(&name("bytes"), "");
        fs::write(&file, b"[x]\ny = \"\xff\"\n").expect("a file");
        let said = places.fails(&["--config", &file], &[], Exit::Config);
        assert!(said.contains(&file) && said.contains("valid UTF-8"), "{said}");
        let said = places.fails(&["--config", &name("missing")], &[OURS], Exit::Config);
        assert!(said.contains(&name("missing")) && said.contains("No such file"), "{said}");
        fs::create_dir(places.0.file(&name("directory"))).expect("a directory");
        let said = places.fails(&["--config", &name("directory")], &[OURS], Exit::Config);
        assert!(said.contains("Is a directory"), "{said}");
    }
}

#[test]
fn a_file_of_another_user_is_78() {
    let place = open_place("a_file_of_another_user", 0o755);
    let file = place.file("secret.toml");
    fs::write(&file, "[lockutils]\n").expect("a file");
    crate::acting::set_mode(&file, 0o600);
    let words = ["clean", "--config", file.to_str().expect("text")];
    let failed =
        crate::acting::as_nobody(&place, &words).assert().code(i32::from(Exit::Config.code())).stdout("");
    assert!(stderr(failed.get_output()).contains("Permission denied"));
}

/// A directory is any bytes; what is said of it is text.
#[test]
fn a_directory_whose_name_is_no_text() {
    let place = Place::new("a_directory_whose_name_is_no_text");
    let directory = place.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::create_dir(&directory).expect("a directory");
    make(&directory.join("job"), "");
    let mut command = behind(&place, "env", &[], &["clean", "--empty"]);
    command.arg("--lock-path").arg(&directory).assert().success().stdout("removed  job\n");
}
