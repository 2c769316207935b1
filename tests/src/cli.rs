//! The program `lockutils`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::place::helper;

/// The program of the command, built once if need be: cargo builds the programs of the package that it tests, and this is
/// one of another. With the features of the whole workspace, so that nothing is built that is not needed by other tests too.
///
/// # Panics
///
/// When it cannot be built.
#[track_caller]
pub fn lockutils() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let directory = helper().parent().expect("a program is in a directory").to_owned();
    let target = directory.parent().expect("a profile is in a target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--workspace", "--all-features", "--bin", "lockutils", "--target-dir"]);
    cargo.arg(target).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.output().expect("cargo can be started");
    assert!(built.status.success(), "cargo build: {}", String::from_utf8_lossy(&built.stderr));
    directory.join("lockutils")
}
