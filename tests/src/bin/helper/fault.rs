//! A process in an unusual state: elsewhere, without rights, without descriptors.

use std::env;
use std::fs::File;

use lockutils::{Config, Locks, Policy};
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

/// Goes on as a user who owns nothing here: `nobody`, where this is root's process.
pub(crate) fn become_nobody() {
    if geteuid().is_root() {
        setgroups(&[]).expect("no groups");
        setgid(Gid::from_raw(65534)).expect("the group of nobody");
        setuid(Uid::from_raw(65534)).expect("nobody");
    }
}
