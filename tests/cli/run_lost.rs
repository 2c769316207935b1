//! A lock file that is removed while a command runs under it.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use lockutils::exit::Exit;
use lockutils_tests::{Child, Place};

use crate::run::{LOOP, run};

/// What was said on standard error of a child, in a file.
pub(crate) struct Said(std::path::PathBuf);

impl Said {
    pub(crate) fn of(place: &Place, command: &mut Command) -> Self {
        let path = std::env::temp_dir()
            .join(format!("{}.stderr", place.path().file_name().expect("a name").display()));
        command.stderr(Stdio::from(File::create(&path).expect("a file")));
        Self(path)
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.0).expect("text")
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn lose(place: &Place) {
    fs::remove_file(place.file("job")).expect("it is there");
}

#[test]
fn a_lost_lock_ends_the_command() {
    for mechanism in ["kernel", "pid"] {
        let place = Place::new("lost");
        let script = format!("trap 'echo ended; exit 0' TERM; {LOOP}");
        let mut command = run(&place, &["job", "--", "sh", "-c", &script]);
        let said = Said::of(&place, command.env("LOCKUTILS_MECHANISM", mechanism));
        let mut running = Child::spawn(&mut command);
        running.expect("started");
        lose(&place);
        running.expect("ended");
        assert_eq!(running.status().code(), Some(i32::from(Exit::Lost.code())), "{mechanism}");
        let said = said.text();
        assert!(said.starts_with("lockutils: lock `job` is lost: its file "), "{said}");
        assert!(
            said.trim_end().ends_with("the command gets SIGTERM now, and SIGKILL if it has not ended in 10s"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_command_that_does_not_listen_is_killed() {
    let place = Place::new("deaf");
    let script = format!("trap '' TERM; {LOOP}");
    let mut command = run(
        &place,
        &["job", "other", "--on-lost", "kill", "--kill-after", "200ms", "--", "sh", "-c", &script],
    );
    let said = Said::of(&place, &mut command);
    let mut running = Child::spawn(&mut command);
    running.expect("started");
    lose(&place);
    assert_eq!(running.status().code(), Some(i32::from(Exit::Lost.code())));
    assert!(said.text().contains("SIGKILL if it has not ended in 200ms"), "{}", said.text());
    assert!(place.try_acquire("other").is_some());
}

#[test]
fn a_stopped_command_is_ended_too() {
    let place = Place::new("stopped");
    let mut command = run(&place, &["job", "--", "sh", "-c", "echo started; kill -STOP $$; echo gone on"]);
    let _said = Said::of(&place, &mut command);
    let mut running = Child::spawn(&mut command);
    running.expect("started");
    lose(&place);
    assert_eq!(running.status().code(), Some(i32::from(Exit::Lost.code())));
}

#[test]
fn with_warn_it_is_said_once_and_the_command_goes_on() {
    let place = Place::new("warned");
    let script = "echo started; read line; echo \"told $line\"; read line; exit 6";
    let mut command = run(&place, &["job", "--on-lost", "warn", "--", "sh", "-c", script]);
    let said = Said::of(&place, &mut command);
    let mut running = Child::spawn(&mut command);
    running.expect("started");
    lose(&place);
    lockutils_tests::eventually("it is said", || said.text().contains("is lost"));
    running.say("go on");
    running.expect("told go on");
    running.say("end");
    assert_eq!(running.status().code(), Some(6));
    assert_eq!(said.text().lines().count(), 1, "{}", said.text());
}

/// Too late to end it, but not to say so.
#[test]
fn a_lock_that_is_lost_at_the_end_is_told() {
    let place = Place::new("late");
    let file = place.file("job").display().to_string();
    let done = run(&place, &["job", "--", "sh", "-c", &format!("rm '{file}'; exit 5")])
        .output()
        .expect("it can be started");
    assert_eq!(done.status.code(), Some(5));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.starts_with("lockutils: lock `job` is lost") && said.lines().count() == 1, "{said}");
}
