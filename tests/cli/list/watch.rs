//! `--watch` into a pipe: looks one after the other, until somebody has had enough.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Place, eventually, within};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{code, fails};

/// A command that goes on, and what it prints. It is killed with the value.
struct Watch {
    process: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Watch {
    fn new(mut command: Command) -> Self {
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.expect("the command can be started");
        let lines = process.stdout.take().map(BufReader::new);
        Self { process, lines }
    }

    /// As far as this many looks have begun, with all that was printed before the last one.
    fn until(&mut self, mut begins: impl FnMut(&str) -> bool + Send + 'static, looks: usize) -> Vec<String> {
        let mut lines = self.lines.take().expect("it is read here");
        let (read, lines) = within("the looks come", move || {
            let (mut read, mut seen) = (Vec::new(), 0);
            while seen < looks {
                let mut line = String::new();
                assert!(lines.read_line(&mut line).expect("text") > 0, "it has ended: {read:?}");
                seen += usize::from(begins(&line));
                read.push(line.trim_end().to_owned());
            }
            (read, lines)
        });
        self.lines = Some(lines);
        read
    }

    fn ends(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        eventually("it ends", || {
            status = self.process.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn each_look_is_added_behind_a_line_with_its_moment() {
    let place = Place::new("each_look_is_added");
    let mut holder = place.holder("job");
    let mut watch = Watch::new(place.lockutils(&["list", "--watch", "0.02"]));
    let first = watch.until(|line| line.starts_with("-- "), 2);
    assert!(first[1].starts_with("NAME ") && first[2].starts_with("job   held "), "{first:?}");
    holder.release();
    let later = watch.until(|line| line.starts_with("job   free "), 1);
    assert!(later.iter().any(|line| line.starts_with("-- 20") && line.ends_with('Z')), "{later:?}");
    kill(Pid::from_raw(watch.process.id().cast_signed()), Signal::SIGINT).expect("it is there");
    assert_eq!(watch.ends().signal(), Some(Signal::SIGINT as i32), "as the shell expects it");
}

#[test]
fn lines_of_one_look_have_one_moment() {
    let place = Place::new("lines_of_one_look");
    for name in ["a", "b"] {
        drop(place.try_acquire(name));
    }
    let mut watch = Watch::new(place.lockutils(&["list", "--json", "--watch", "0.02"]));
    let lines = watch.until(|line| line.contains("\"name\":\"b\""), 3);
    let lines = crate::list::json::lines(&lines.join("\n"));
    let looks: Vec<_> = lines.iter().map(|line| line["looked_at"].as_str().expect("text")).collect();
    assert_eq!(looks.len(), 6);
    assert!(looks.chunks(2).all(|look| look[0] == look[1]), "{looks:?}");
    assert!(looks[0] < looks[2] && looks[2] < looks[4], "{looks:?}");
}

/// Also one that would never write again: the reader of nothing.
#[test]
fn a_reader_that_goes_ends_it() {
    let place = Place::new("a_reader_that_goes");
    for words in [&["list", "--json", "--watch", "3600"][..], &["list", "--watch", "3600"]] {
        let mut watch = Watch::new(place.lockutils(words));
        watch.lines = None;
        assert_eq!(watch.ends().code(), Some(0), "{words:?}");
    }
}

/// The directory may come back, as after a reboot of what lives in it.
#[test]
fn a_directory_that_goes_meanwhile_has_no_files() {
    let place = Place::new("a_directory_that_goes_meanwhile");
    drop(place.try_acquire("job"));
    let mut watch = Watch::new(place.lockutils(&["list", "--watch", "0.02"]));
    watch.until(|line| line.starts_with("job "), 1);
    std::fs::remove_dir_all(place.path()).expect("it is ours");
    let mut before = String::new();
    watch.until(
        move |line| line.starts_with("-- ") && std::mem::replace(&mut before, line.into()).starts_with("-- "),
        1,
    );
    std::fs::create_dir(place.path()).expect("it is ours");
    drop(place.try_acquire("job"));
    watch.until(|line| line.starts_with("job "), 1);
}

#[test]
fn what_is_no_time_is_refused() {
    let place = Place::new("what_is_no_time");
    for time in ["0", "-1", "x", "nan", "inf", "1e9", ""] {
        let done = place.lockutils(&["list", &format!("--watch={time}")]).assert();
        let done = done.code(code(Exit::Usage)).stdout("");
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(
            said.contains("not a number of seconds from 0.01 to 86400") || time.is_empty(),
            "{time}: {said}"
        );
    }
    let missing = place.file("missing").display().to_string();
    fails(&mut place.lockutils(&["list", "--watch", "--lock-path", &missing]), Exit::Config);
}
