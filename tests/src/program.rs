//! Programs of other packages than this one: the command `lockutils`, and examples.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::place::helper;

/// The program of the command, built once if need be.
///
/// # Panics
///
/// When it cannot be built.
#[track_caller]
pub fn lockutils() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build("--bin", "lockutils").join("lockutils")).clone()
}

/// The program of the example `service`, built once if need be.
///
/// # Panics
///
/// When it cannot be built.
#[track_caller]
pub fn service() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build("--example", "service").join("examples/service")).clone()
}

/// A shell starts what it runs in the background with the signals of the keys ignored, nohup(1) with SIGHUP ignored, and what
/// is ignored is inherited: programs that are sent them here are to heed them.
fn heed_signals() {
    for heeded in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        // SAFETY: no handler is installed.
        let set = unsafe { signal(heeded, SigHandler::SigDfl) };
        set.expect("it can be caught");
    }
}

/// Builds a program and returns the directory of its profile: cargo builds the programs of the package that it tests, and
/// these are of others. With the features of the whole workspace, so that nothing is built that is not needed by other
/// tests too.
fn build(kind: &str, name: &str) -> PathBuf {
    heed_signals();
    let directory = helper().parent().expect("a program is in a directory").to_owned();
    let target = directory.parent().expect("a profile is in a target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--workspace", "--all-features", kind, name, "--target-dir"]);
    cargo.arg(target).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.output().expect("cargo can be started");
    assert!(built.status.success(), "cargo build: {}", String::from_utf8_lossy(&built.stderr));
    directory
}
