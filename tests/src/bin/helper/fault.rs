//! A process in an unusual state: elsewhere, without rights, without descriptors.

use std::env;
use std::fs::{self, File};
use std::io::{Write, stdout};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use lockutils::{Config, Lock, Locks, Policy};
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use crate::request::{Request, outcome};
use crate::{say, wait_for_end};

/// Takes one lock, goes to another directory and takes the other one; says where their files are.
pub(crate) fn chdir(name: &str, other: &str) {
    let first = Request::new(name, &[]).wait().expect("the lock");
    env::set_current_dir("/").expect("a directory");
    let second = Request::new(other, &[]).wait().expect("the lock");
    for guard in [&first, &second] {
        say(guard.path().expect("an external lock").display());
    }
    wait_for_end();
}

/// Takes a lock of a registry whose files have the mode `mode`, under the umask `mask` (both octal).
pub(crate) fn umask(mask: &str, mode: &str, name: &str) {
    let octal = |text: &str| u32::from_str_radix(text, 8).expect("an octal number");
    nix::sys::stat::umask(Mode::from_bits_truncate(octal(mask)));
    let config = Config::from_env().lock_file_mode(octal(mode));
    let locks = Locks::new(config).expect("a configuration");
    let taken = locks.lock(name).external().acquire().map(Some);
    say(outcome(&taken));
    wait_for_end();
}

/// Takes a lock of a registry that has this policy for network file systems.
pub(crate) fn on_network(policy: &str, name: &str) {
    let policy = match policy {
        "refuse" => Policy::Refuse,
        "warn" => Policy::Warn,
        _ => Policy::Allow,
    };
    let locks = Locks::new(Config::from_env().network_filesystems(policy)).expect("a configuration");
    say(outcome(&locks.lock(name).external().acquire().map(Some)));
    wait_for_end();
}

/// Takes the lock when there are no more descriptors, and again when there are.
pub(crate) fn no_descriptors(name: &str, words: &[&str]) {
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).expect("a limit");
    let request = Request::new(name, words);
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    say(outcome(&request.wait().map(Some)));
    drop(files);
    say(outcome(&request.wait().map(Some)));
}

/// Takes the lock without standard input, output and error, and says what stands in their places then. Its own
/// words go to a copy of the output.
pub(crate) fn no_stdio(name: &str, words: &[&str]) {
    let mut output = File::from(stdout().as_fd().try_clone_to_owned().expect("a descriptor"));
    for descriptor in 0..=2 {
        // SAFETY: nobody uses the three by an owned descriptor, and nothing is read or printed from here on.
        unsafe { libc::close(descriptor) };
    }
    let request = Request::new(name, words);
    let taken = request.wait().map(Some);
    let places: Vec<_> = (0..=2).filter_map(|at| fs::read_link(format!("/proc/self/fd/{at}")).ok()).collect();
    writeln!(output, "{} {places:?}", outcome(&taken)).expect("the test listens");
}

/// Takes a lock, and then another one whose path leads to what may be the same file: it tries, and it waits.
pub(crate) fn two_paths(first: &str, second: &str) {
    let _first = at(first).acquire().expect("the lock");
    say(outcome(&at(second).try_acquire()));
    say(outcome(&at(second).timeout(Duration::from_millis(50)).acquire().map(Some)));
}

/// The lock of a file.
fn at(file: &str) -> Lock {
    let file = Path::new(file);
    let (name, directory) = (file.file_name().expect("a name"), file.parent().expect("a directory"));
    lockutils::lock(name.to_string_lossy()).external().lock_path(directory)
}

/// Goes on as a user who owns nothing here: `nobody`, where this is root's process.
pub(crate) fn become_nobody() {
    if geteuid().is_root() {
        setgroups(&[]).expect("no groups");
        setgid(Gid::from_raw(65534)).expect("the group of nobody");
        setuid(Uid::from_raw(65534)).expect("nobody");
    }
}
