//! The example of a cron job: `examples/cron/nightly.sh`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Child, Place, lockutils};

/// Directories of the job: what is archived, and the archives.
struct Job {
    place: Place,
    path: OsString,
}

impl Job {
    fn new(test: &str) -> Self {
        let place = Place::new(test);
        for directory in ["source", "target", "bin"] {
            fs::create_dir(place.file(directory)).expect("a directory");
        }
        fs::write(place.file("source/data"), "important").expect("a file");
        let program = lockutils();
        let mut path = place.file("bin").into_os_string();
        for directory in [
            program.parent().expect("it is in a directory").into(),
            std::env::var_os("PATH").expect("a PATH"),
        ] {
            path.push(":");
            path.push::<OsString>(directory);
        }
        Self { place, path }
    }

    /// Puts another `tar` into the way.
    fn tar(&self, script: &str) {
        let path = self.place.file("bin/tar");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its own file");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cron/nightly.sh"));
        command.args([self.place.file("source"), self.place.file("target")]);
        command.env("PATH", &self.path).env("LOCKUTILS_LOCK_PATH", self.place.path());
        command.env_remove("LOCKUTILS_LOCK_FILE_PREFIX").env_remove("LOCKUTILS_MECHANISM");
        command
    }

    fn archives(&self) -> Vec<PathBuf> {
        let mut all: Vec<_> = fs::read_dir(self.place.file("target"))
            .expect("it is there")
            .flatten()
            .map(|file| file.path())
            .collect();
        all.sort();
        all
    }
}

#[test]
fn each_run_leaves_an_archive_behind_the_last() {
    let job = Job::new("cron");
    let mut before = Vec::new();
    for _ in 0..3 {
        let done = job.command().assert().success().stderr("");
        let said = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
        assert!(said.starts_with("nightly: ") && said.ends_with(" is archived\n"), "{said}");
        let now = job.archives();
        assert_eq!((now.len(), &now[..before.len()]), (before.len() + 1, &before[..]));
        before = now;
    }
    let list = Command::new("tar").arg("-tf").arg(&before[0]).assert().success();
    assert!(String::from_utf8_lossy(&list.get_output().stdout).contains("./data"));
}

#[test]
fn a_job_that_still_runs_is_no_failure() {
    let job = Job::new("cron-busy");
    let holder = job.place.holder("nightly");
    job.command().assert().success().stdout("nightly: it is still running, nothing to do\n").stderr("");
    assert!(job.archives().is_empty());
    holder.finish();
    job.command().assert().success();
}

/// As it would be at night: the first one takes long.
#[test]
fn two_jobs_exclude_each_other() {
    let job = Job::new("cron-two");
    job.tar("echo begun; read line; : > \"$3\"");
    let mut first = Child::spawn(&mut job.command());
    first.expect("begun");
    job.command().assert().success().stdout("nightly: it is still running, nothing to do\n");
    first.say("go on");
    assert!(first.line().ends_with(" is archived"));
    first.finish();
    assert_eq!(job.archives().len(), 1);
}

/// tar says 1 when a file has changed while it was read. That is not a busy lock.
#[test]
fn failures_of_the_work_are_passed_on() {
    let job = Job::new("cron-fails");
    for status in [1, 2] {
        job.tar(&format!(": > \"$3\"; exit {status}"));
        let said = format!("nightly: failed with exit status {status}\n");
        job.command().assert().code(status).stdout("").stderr(said);
        assert!(job.archives().is_empty(), "nothing half done is left: {:?}", job.archives());
    }
}

#[test]
fn so_are_those_of_the_lock() {
    let job = Job::new("cron-lock");
    let config = i32::from(Exit::Config.code());
    let failed = job.command().env("LOCKUTILS_LOCK_PATH", "").assert().code(config).stdout("");
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.starts_with("lockutils: "), "{said}");
    assert!(said.ends_with(&format!("nightly: failed with exit status {config}\n")), "{said}");
}

#[test]
fn a_job_without_directories_says_its_usage() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cron/nightly.sh");
    let usage = i32::from(Exit::Usage.code());
    Command::new(script).assert().code(usage).stdout("").stderr("usage: nightly.sh SOURCE TARGET\n");
}
