//! The table on a terminal: what fits into it, and how it is drawn again.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use lockutils_tests::{Place, eventually};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A command on a terminal of its own, and all that it has written there. It is killed with the value.
struct Screen {
    process: Child,
    written: Arc<Mutex<String>>,
    /// So that the terminal is there as long as it is read.
    _slave: OwnedFd,
}

impl Screen {
    fn new(mut command: Command, width: u16, height: u16) -> Self {
        let size = Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(Some(&size), None).expect("a terminal");
        let slave = || Stdio::from(terminal.slave.try_clone().expect("a descriptor"));
        let process =
            command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("it can be started");
        let written = Arc::new(Mutex::new(String::new()));
        let (mut master, all) = (File::from(terminal.master), Arc::clone(&written));
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = master.read(&mut piece) {
                all.lock().expect("no panic").push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { process, written, _slave: terminal.slave }
    }

    fn written(&self) -> String {
        self.written.lock().expect("no panic").clone()
    }

    /// All that it writes until its end.
    fn ends(&mut self) -> String {
        let mut status = None;
        eventually("it ends", || {
            status = self.process.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        // What was written before the end is read after it.
        let mut before = self.written();
        eventually("all is read", || {
            thread::sleep(std::time::Duration::from_millis(20));
            let now = self.written();
            !now.is_empty() && std::mem::replace(&mut before, now.clone()) == now
        });
        before
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const LONG: &str = "a-long-name-of-a-lock-that-would-not-fit-into-a-terminal-of-eighty-columns-0123456789";

#[test]
fn a_table_fits_into_the_terminal() {
    let place = Place::new("a_table_fits");
    let _holder = place.holder(LONG);
    for width in [40_u16, 80, 120] {
        let table = Screen::new(place.lockutils(&["list"]), width, 24).ends();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2, "{table}");
        assert!(lines.iter().all(|line| line.chars().count() <= width.into()), "{width}: {table}");
        assert!(table.contains('…') && !table.contains("TOKEN"), "{table}");
    }
    let wide = Screen::new(place.lockutils(&["list"]), 300, 24).ends();
    assert!(wide.contains(LONG) && wide.contains("TOKEN"), "{wide}");
}

/// It goes over what was there, and never below the last line.
#[test]
fn a_terminal_is_drawn_anew() {
    let place = Place::new("a_terminal_is_drawn_anew");
    let mut holder = place.holder("b-job");
    for name in ["a", "c", "d", "e", "f", "g"] {
        drop(place.try_acquire(name));
    }
    let mut screen = Screen::new(place.lockutils(&["list", "--watch", "0.02"]), 120, 8);
    eventually("it is drawn twice", || screen.written().matches("\x1b[H").count() > 2);
    let written = screen.written();
    let drawn: Vec<&str> = written.split("\x1b[H").skip(1).collect();
    let first = drawn[0];
    assert!(first.contains("every 0.02s") && first.contains("b-job  held "), "{first:?}");
    assert!(first.contains("and 3 more") && first.ends_with("\x1b[J"), "{first:?}");
    assert!(first.matches('\n').count() < 8, "it does not scroll: {first:?}");
    assert!(first.lines().all(|line| line.ends_with("\x1b[K") || line == "\x1b[J"), "{first:?}");
    holder.release();
    eventually("it follows", || screen.written().contains("b-job  free "));
    kill(Pid::from_raw(screen.process.id().cast_signed()), Signal::SIGINT).expect("it is there");
    screen.ends();
}

#[test]
fn an_empty_directory_is_said_on_the_terminal() {
    let place = Place::new("an_empty_directory_on_a_terminal");
    let screen = Screen::new(place.lockutils(&["list", "--watch", "0.02", "--held"]), 120, 24);
    eventually("it says so", || screen.written().contains("no lock is held in "));
}
