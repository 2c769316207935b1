//! A terminal, and a program in front of it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{Winsize, openpty};
use nix::unistd::Pid;

use crate::wait::eventually;

/// A pseudo-terminal of 24 lines and 80 columns. Its program is killed with the value.
pub struct Terminal {
    program: Child,
    keys: File,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts a program whose controlling terminal it is, with standard input, output and error there.
    ///
    /// # Panics
    ///
    /// When there is no terminal to be had, or setsid(1) is missing.
    #[track_caller]
    pub fn spawn(command: &Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("a terminal");
        let mut seated = Command::new("setsid");
        seated.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => seated.env(name, value),
                None => seated.env_remove(name),
            };
        }
        seated.env("TERM", "xterm");
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let program = seated.stdin(end()).stdout(end()).stderr(end()).spawn();
        let program = program.expect("setsid(1) can be started");
        let keys = File::from(pty.master);
        let shown = Arc::default();
        thread::spawn({
            let (screen, shown) = (keys.try_clone().expect("a descriptor"), Arc::clone(&shown));
            move || watch(screen, &shown)
        });
        Self { program, keys, shown }
    }

    /// The number of its program.
    ///
    /// # Panics
    ///
    /// Never: process numbers are small.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.program.id()).expect("process numbers are small"))
    }

    /// Presses keys.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[track_caller]
    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// All that was written to it.
    ///
    /// # Panics
    ///
    /// When its reader has panicked.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("no panic")).into_owned()
    }

    /// Waits until something is written to it.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        let mut shown = String::new();
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(&format!("the terminal shows {text:?}"), || {
                shown = self.shown();
                shown.contains(text)
            });
        }));
        assert!(seen.is_ok(), "the terminal shows {text:?}, but only: {shown:?}");
    }

    /// Waits for the end of the program.
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[track_caller]
    pub fn status(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the program in front of the terminal ends", || {
            status = self.program.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

/// Until nobody has its other side any more, which is an error there.
fn watch(mut screen: File, shown: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = screen.read(&mut piece) {
        shown.lock().expect("no panic").extend_from_slice(&piece[..length]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
