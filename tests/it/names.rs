//! Names: which are one lock, which are files, and that none leaves its directory.

use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use lockutils::{Config, Error, Lock, Locks};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::conformance::support::{elsewhere, own, seed};

struct Place {
    directory: TempDir,
    locks: Locks,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = Locks::new(Config::new().lock_path(directory.path())).expect("a registry");
        Self { directory, locks }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Whether somebody else is refused while this thread holds `one` and takes `other`.
#[track_caller]
fn are_one(one: &Lock, other: &Lock) -> bool {
    let busy = |lock: &Lock| elsewhere(|| lock.try_acquire()).expect("a lock that can be taken").is_none();
    let held = one.acquire().expect("free");
    let first = busy(other);
    drop(held);
    let held = other.acquire().expect("free");
    let second = busy(one);
    drop(held);
    assert_eq!(first, second, "exclusion is mutual");
    first
}

/// The same for internal and external ones, also mixed.
#[track_caller]
fn are_one_in_every_scope(one: &Lock, other: &Lock) {
    for (one_external, other_external) in [(false, false), (true, true), (true, false), (false, true)] {
        let scope = |lock: &Lock, external| if external { lock.clone().external() } else { lock.clone() };
        assert!(
            are_one(&scope(one, one_external), &scope(other, other_external)),
            "{one:?} (external: {one_external}) and {other:?} (external: {other_external}) are two locks"
        );
    }
}

/// The files are those of oslo.concurrency.
#[test]
fn the_table_of_files() {
    let long = "n".repeat(255);
    for (prefix, name, file) in [
        ("", "x", "x"),
        ("nova", "x", "nova-x"),
        ("nova-", "x", "nova-x"),
        ("nova--", "x", "nova--x"),
        ("nova_", "x", "nova_-x"),
        ("-", "x", "-x"),
        ("", "../x", ".._x"),
        ("", "../../etc/passwd", ".._.._etc_passwd"),
        ("", "/abs", "_abs"),
        ("", "/", "_"),
        ("", "a/b", "a_b"),
        ("", "a//b/", "a__b_"),
        ("", "a\\b", "a\\b"),
        ("", "é", "é"),
        ("", "鎖 🔒", "鎖 🔒"),
        ("", " sp ", " sp "),
        ("", "-dash", "-dash"),
        ("", "...", "..."),
        ("", ".hidden", ".hidden"),
        ("nova", ".", "nova-."),
        ("nova", "..", "nova-.."),
        (".", ".", ".-."),
        ("", "*", "*"),
        ("", "a:b", "a:b"),
        ("", &long, &long),
    ] {
        let place = Place::new();
        let guard = place.locks.lock(name).prefix(prefix).external().acquire();
        let guard = guard.unwrap_or_else(|error| panic!("{prefix:?} {name:?}: {error}"));
        assert_eq!(guard.name(), file);
        assert_eq!(guard.path(), Some(&*place.path(file)));
        let files: Vec<_> = std::fs::read_dir(place.directory.path()).expect("it is there").collect();
        assert_eq!(files.len(), 1, "{prefix:?} {name:?}");
        assert!(place.path(file).is_file(), "{prefix:?} {name:?}");
    }
}

#[test]
fn names_that_are_refused() {
    let too_long = "n".repeat(256);
    let almost = "n".repeat(251);
    for (prefix, name) in [
        ("", ""),
        ("nova", ""),
        ("", "."),
        ("", ".."),
        ("", ".lockutils-removed-1-1"),
        (".lockutils", "x"),
        ("", "a\0"),
        ("", "\0"),
        ("", "a\nb"),
        ("", "\u{7f}"),
        ("", "\u{85}"),
        ("no\0va", "x"),
        ("sub/dir", "x"),
        ("../up", "x"),
        ("/", "x"),
        ("", &too_long),
        ("nova", &almost),
    ] {
        let place = Place::new();
        let lock = || place.locks.lock(name).prefix(prefix);
        let refused = |result: Result<(), Error>, way: &str| {
            let error = result.expect_err("a name that cannot be");
            assert!(error.is_invalid_name(), "{prefix:?} {name:?} {way}: {error}");
        };
        refused(lock().acquire().map(drop), "internal");
        refused(lock().try_acquire().map(drop), "try");
        refused(lock().external().acquire().map(drop), "external");
        refused(lock().external().try_acquire().map(drop), "external try");
        refused(lock().is_locked().map(drop), "is_locked");
        refused(lock().remove_file().map(drop), "remove_file");
        refused(lock().reentrant(2).acquire().map(drop), "reentrant");
        refused(place.locks.lock_all([name]).prefix(prefix).acquire().map(drop), "all");
        assert_eq!(std::fs::read_dir(place.directory.path()).expect("it is there").count(), 0);
        assert!(place.locks.is_empty());
    }
}

#[test]
fn spellings_of_one_name_are_one_lock() {
    let place = Place::new();
    let lock = |prefix: &str, name: &str| place.locks.lock(name).prefix(prefix);
    let hashed = "long".repeat(100);
    for (one, other) in [
        (lock("", "a/b"), lock("", "a_b")),
        (lock("a", "b-c"), lock("a-b", "c")),
        (lock("a", "b-c"), lock("", "a-b-c")),
        (lock("nova", "x"), lock("nova-", "x")),
        (lock("nova", "x"), place.locks.with_prefix("nova").lock("x")),
        (lock("", "nova-x"), place.locks.with_prefix("nova-").lock("x")),
        (lock("", &hashed).hashed(), lock("", &hashed).hashed()),
        (lock("", "short").hashed(), lock("", "short")),
        (lock("", "fair").fair(), lock("", "fair")),
        (lock("", "r").read(), lock("", "r")),
    ] {
        are_one_in_every_scope(&one, &other);
    }
    assert!(place.locks.is_empty());
}

#[test]
fn other_names_are_other_locks() {
    let place = Place::new();
    let lock = |prefix: &str, name: &str| place.locks.lock(name).prefix(prefix).external();
    for (one, other) in [
        (lock("", "a"), lock("", "b")),
        (lock("", "a"), lock("", "A")),
        (lock("", "a"), lock("", " a")),
        (lock("nova", "x"), lock("nova--", "x")),
        (lock("nova", "x"), lock("", "x")),
        // One letter in two forms of Unicode: two files, so two locks.
        (lock("", "\u{e9}"), lock("", "e\u{301}")),
        (lock("", &"v".repeat(300)).hashed(), lock("", &"v".repeat(301)).hashed()),
    ] {
        assert!(!are_one(&one, &other), "{one:?} and {other:?} are one lock");
    }
}

#[test]
fn hashed_names_are_short_and_never_change() {
    let long = "volume/".repeat(60);
    let guard = own().lock(&long).hashed().acquire().expect("hashed names fit");
    let flat = long.replace('/', "_");
    assert_eq!(guard.name().len(), 255);
    assert_eq!(guard.name(), format!("{}-{:032x}", &flat[..222], fnv1a(&flat)));
    let wide = own().lock("鎖".repeat(100)).hashed().acquire().expect("hashed names fit");
    assert!(wide.name().len() <= 255 && wide.name().starts_with(&"鎖".repeat(70)), "{}", wide.name());
    for length in [1, 254, 255] {
        let name = "n".repeat(length);
        assert_eq!(own().lock(&name).hashed().acquire().expect("it fits").name(), name);
    }
    let prefixed = own().lock("n".repeat(251)).prefix("nova").hashed().acquire().expect("hashed names fit");
    assert!(prefixed.name().starts_with("nova-nnn") && prefixed.name().len() == 255);
}

/// Whatever comes in from outside may be longer than any name.
#[test]
fn a_name_of_any_length_can_be_hashed() {
    let place = Place::new();
    let lock = |end: &str| place.locks.lock("n".repeat(65_535) + end).external();
    assert!(lock("").try_acquire().expect_err("no file has that name").is_invalid_name());
    let guard = lock("").hashed().try_acquire().expect("it fits").expect("free");
    assert_eq!(guard.name().len(), 255);
    assert!(place.path(guard.name()).is_file());
    assert!(!are_one(&lock("a").hashed(), &lock("b").hashed()), "the ends differ");
}

/// What is a device or loses its end on another system is a plain name on this one, and the file of oslo.concurrency.
#[test]
fn names_that_other_systems_reserve_are_plain() {
    let place = Place::new();
    for name in ["CON", "NUL", "COM1", "nul.txt", "job.", "job ", "a:b", "a<b>|?\""] {
        let guard = place.locks.lock(name).external().acquire().expect("free");
        assert_eq!(guard.path(), Some(&*place.path(name)));
        assert!(place.path(name).symlink_metadata().expect("it is there").is_file());
    }
    for (one, other) in [("job", "job."), ("job", "job "), ("CON", "con")] {
        let lock = |name: &str| place.locks.lock(name).external();
        assert!(!are_one(&lock(one), &lock(other)), "{one:?} and {other:?}");
    }
}

/// A thread that has a lock and wants it under another spelling is told so at once.
#[test]
fn a_thread_that_nests_two_spellings_is_refused() {
    let place = Place::new();
    let lock = |prefix: &str, name: &str| place.locks.lock(name).prefix(prefix).external();
    for (one, other) in [
        (lock("", "a/b"), lock("", "a_b")),
        (lock("nova", "x"), lock("nova-", "x")),
        (lock("a", "b-c"), lock("a-b", "c")),
    ] {
        let inner = one.run(|| other.acquire().map(drop)).expect("free");
        assert!(inner.expect_err("it would wait for itself").is_would_deadlock());
    }
}

/// FNV-1a with 128 bits, as published.
fn fnv1a(text: &str) -> u128 {
    let step = |hash: u128, byte: u8| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    };
    text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, step)
}

/// Whatever a name is made of: it is refused, or it is one regular file in the directory.
#[test]
fn no_name_leaves_the_directory() {
    let mut random = StdRng::seed_from_u64(seed());
    let outer = tempfile::tempdir().expect("a directory");
    let inner = outer.path().join("a/b/locks");
    std::fs::create_dir_all(&inner).expect("a directory");
    let locks = Locks::new(Config::new().lock_path(&inner)).expect("a registry");
    let mut taken = 0;
    for _ in 0..5_000 {
        let (prefix, name) = (nasty(&mut random, 3), nasty(&mut random, 12));
        let lock = locks.lock(&name).prefix(&prefix).external();
        let lock = if random.random() { lock.hashed() } else { lock };
        match lock.try_acquire() {
            Ok(guard) => {
                let guard = guard.unwrap_or_else(|| panic!("{prefix:?} {name:?} was busy"));
                stays(&inner, guard.path().expect("it is external"), guard.name());
                taken += 1;
            }
            Err(error) => assert!(error.is_invalid_name(), "{prefix:?} {name:?}: {error}"),
        }
    }
    assert!(taken > 500, "only {taken} names were taken");
    let there = |path: &Path| std::fs::read_dir(path).expect("it is there").count();
    assert_eq!(
        (there(outer.path()), there(&outer.path().join("a")), there(&outer.path().join("a/b"))),
        (1, 1, 1)
    );
    assert!(locks.is_empty());
}

/// A name made of what has hurt others.
fn nasty(random: &mut StdRng, longest: usize) -> String {
    const PARTS: [&str; 20] = [
        "/",
        "..",
        ".",
        "-",
        "_",
        "x",
        "a",
        "é",
        "鎖",
        "\0",
        "\n",
        "\\",
        " ",
        "//",
        "../",
        "\u{202e}",
        "~",
        "$HOME",
        "%2f",
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    ];
    let parts = random.random_range(0..=longest);
    (0..parts).map(|_| PARTS[random.random_range(0..PARTS.len())]).collect()
}

#[track_caller]
fn stays(directory: &Path, path: &Path, name: &str) {
    let below = path.strip_prefix(directory).expect("it is in the directory");
    let parts: Vec<_> = below.components().collect();
    assert!(matches!(parts.as_slice(), [Component::Normal(file)] if **file == *name), "{}", path.display());
    assert!(path.symlink_metadata().expect("it is there").is_file());
    assert!(name.len() <= 255 && !name.chars().any(char::is_control), "{name:?}");
}

/// Every spelling of a directory that is there.
fn spellings(directory: &TempDir) -> Vec<PathBuf> {
    let real = directory.path().join("real");
    std::fs::create_dir_all(real.join("sub")).expect("a directory");
    symlink(&real, directory.path().join("link")).expect("a link");
    symlink("link", directory.path().join("second-link")).expect("a link");
    let text = real.to_str().expect("a temporary directory is UTF-8");
    vec![
        real.clone(),
        format!("{text}/").into(),
        format!("{text}//").into(),
        format!("{text}/.").into(),
        format!("{text}/sub/..").into(),
        directory.path().join("./real"),
        directory.path().join("link"),
        directory.path().join("link/"),
        directory.path().join("second-link"),
        directory.path().join("real/sub/../../link/."),
    ]
}

#[test]
fn spellings_of_one_directory_are_one_lock() {
    let directory = tempfile::tempdir().expect("a directory");
    let locks = own();
    let spellings = spellings(&directory);
    for one in &spellings {
        for other in &spellings {
            are_one_in_every_scope(&locks.lock("x").lock_path(one), &locks.lock("x").lock_path(other));
        }
    }
    assert!(locks.is_empty());
}

#[test]
fn spellings_of_the_configured_directory_are_one_lock() {
    let directory = tempfile::tempdir().expect("a directory");
    let spellings = spellings(&directory);
    for configured in &spellings {
        let locks = Locks::new(Config::new().lock_path(configured)).expect("a registry");
        for other in &spellings {
            are_one_in_every_scope(&locks.lock("x"), &locks.lock("x").lock_path(other));
        }
    }
}

/// The first user makes the directory; whoever comes by another way meets him all the same.
#[test]
fn spellings_of_a_directory_that_was_missing_are_one_lock() {
    let directory = tempfile::tempdir().expect("a directory");
    let (new, way) = (directory.path().join("new"), directory.path().join("way"));
    std::fs::create_dir(&way).expect("a directory");
    let locks = own();
    let held = locks.lock("x").external().lock_path(&new).acquire().expect("free");
    let other = way.join("../new");
    assert!(other.is_dir());
    let external = locks.lock("x").external().lock_path(&other);
    assert!(external.try_acquire().expect("it can be tried").is_none(), "two hold one file");
    let internal = locks.lock("x").lock_path(&other);
    assert!(
        internal.try_acquire().expect("it can be tried").is_none(),
        "internal and external are two locks"
    );
    drop(held);
}

/// The same for the configured directory.
#[test]
fn spellings_of_a_configured_directory_that_was_missing_are_one_lock() {
    let directory = tempfile::tempdir().expect("a directory");
    let (new, link) = (directory.path().join("new"), directory.path().join("link"));
    symlink(&new, &link).expect("a link");
    let locks = Locks::new(Config::new().lock_path(&new)).expect("a registry");
    let held = locks.lock("x").external().acquire().expect("free");
    for other in [locks.lock("x").lock_path(&link), locks.lock("x").external().lock_path(&link)] {
        assert!(other.try_acquire().expect("it can be tried").is_none(), "{other:?}");
    }
    drop(held);
}

/// Directories of their own are namespaces of their own.
#[test]
fn other_directories_are_other_locks() {
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let locks = own();
    let lock = |directory: &TempDir| locks.lock("x").lock_path(directory.path());
    assert!(!are_one(&lock(&one), &lock(&other)));
    assert!(!are_one(&lock(&one).external(), &lock(&other).external()));
    assert!(!are_one(&lock(&one), &locks.lock("x")));
}

/// A relative directory is the one it was when it was named.
#[test]
fn a_relative_directory_is_one_with_its_absolute_path() {
    let here = std::env::current_dir().expect("there is one");
    let directory = tempfile::tempdir_in(&here).expect("a directory");
    let relative = directory.path().strip_prefix(&here).expect("it is below");
    let locks = own();
    are_one_in_every_scope(
        &locks.lock("x").lock_path(relative),
        &locks.lock("x").lock_path(directory.path()),
    );
}

/// What users have typed into the parts makes no other name, and each is a lock of its own.
#[test]
fn parts_make_one_name() {
    let locks = own();
    let one = locks.lock(lockutils::name_of(["volume:1", "a/b", "%"])).acquire().expect("a name");
    assert_eq!(one.name(), "volume%3A1:a%2Fb:%25");
    for other in [&["volume", "1:a/b", "%"][..], &["volume:1", "a_b", "%"], &["volume:1", "a/b", "%25"]] {
        assert!(locks.lock(lockutils::name_of(other)).try_acquire().expect("a name").is_some(), "{other:?}");
    }
}
