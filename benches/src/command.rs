//! The command beside `flock(1)`, as whole processes, and what `list` needs for many files:
//! `cargo build --release -p lockutils --features cli && cargo run --release -p lockutils-benches --bin command`.
//!
//! The program is copied first, as an installation does: what a linker has written in pieces is read in slower.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use lockutils_benches::{median, quantile};
use nix::errno::Errno;
use nix::libc;

/// How many files `list` is given: few, to compare with, and many.
const FILES: [usize; 2] = [1_000, 100_000];

fn main() -> io::Result<()> {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(1000);
    let directory = tempfile::tempdir()?;
    let program = installed(directory.path())?;
    start_up(rounds, &program, directory.path())?;
    let sizes = if rounds < 100 { &FILES[..1] } else { &FILES[..] };
    lists(sizes, &program, directory.path())
}

fn installed(directory: &Path) -> io::Result<PathBuf> {
    let built = std::env::current_exe()?.with_file_name("lockutils");
    let program = directory.join("lockutils");
    fs::copy(&built, &program).map_err(|error| {
        let how = "cargo build --release -p lockutils --features cli";
        io::Error::other(format!("{} is missing ({error}): {how}", built.display()))
    })?;
    Ok(program)
}

/// A command that does nothing, under a lock that is free.
fn start_up(rounds: usize, program: &Path, directory: &Path) -> io::Result<()> {
    let locks = directory.join("locks");
    fs::create_dir(&locks)?;
    let file = locks.join("x");
    let flock: [&OsStr; 3] = ["flock".as_ref(), file.as_ref(), "true".as_ref()];
    let run: [&OsStr; 7] = [
        program.as_ref(),
        "run".as_ref(),
        "x".as_ref(),
        "--lock-path".as_ref(),
        locks.as_ref(),
        "--".as_ref(),
        "true".as_ref(),
    ];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        times[0].push(measure(&flock)?.0);
        times[1].push(measure(&run)?.0);
    }
    let unit = median(&mut times[0].clone());
    println!("{:<30} {:>9} {:>7} {:>9} {:>9}", "whole processes", "µs", "ratio", "p10", "p90");
    for (name, times) in ["flock x true", "lockutils run x -- true"].iter().zip(&mut times) {
        let (middle, low, high) = (median(times), quantile(times, 0.1), quantile(times, 0.9));
        println!("{name:<30} {middle:>9.0} {:>7.2} {low:>9.0} {high:>9.0}", middle / unit);
    }
    Ok(())
}

/// Micro-seconds from the start to the end, and the largest resident memory in KiB.
fn measure(words: &[&OsStr]) -> io::Result<(f64, i64)> {
    let start = Instant::now();
    let child = Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).spawn()?;
    let (status, peak) = wait(child.id())?;
    let took = start.elapsed().as_secs_f64() * 1e6;
    if status.success() { Ok((took, peak)) } else { Err(io::Error::other(format!("{words:?}: {status}"))) }
}

/// wait4(2), which says what this one child has used.
fn wait(child: u32) -> io::Result<(ExitStatus, i64)> {
    let pid = libc::pid_t::try_from(child).map_err(io::Error::other)?;
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: both are places for what they are given for.
    Errno::result(unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) })?;
    // SAFETY: the call has written it, and zeroes would do.
    let usage = unsafe { usage.assume_init() };
    Ok((ExitStatus::from_raw(status), usage.ru_maxrss))
}

/// Tables of directories of lock files that nobody holds.
fn lists(sizes: &[usize], program: &Path, directory: &Path) -> io::Result<()> {
    println!("\n{:<30} {:>9} {:>9}", "lockutils list", "ms", "MiB");
    for size in sizes {
        let locks = directory.join(size.to_string());
        fs::create_dir(&locks)?;
        for number in 0..*size {
            File::create(locks.join(format!("volume-{number:08}")))?;
        }
        let words: [&OsStr; 4] = [program.as_ref(), "list".as_ref(), "--lock-path".as_ref(), locks.as_ref()];
        let measured = (0..5).map(|_| measure(&words)).collect::<io::Result<Vec<_>>>()?;
        let (mut times, peaks): (Vec<_>, Vec<_>) = measured.into_iter().unzip();
        let peak = peaks.into_iter().max().unwrap_or_default();
        println!("{:<30} {:>9.0} {:>9.1}", format!("{size} files"), median(&mut times) / 1e3, mib(peak));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(kib: i64) -> f64 {
    kib as f64 / 1024.0
}
