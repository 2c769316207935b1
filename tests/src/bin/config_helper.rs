//! A process of its own for the tests of the configuration, which a process has only once: carries out the
//! scenario that is named by the first argument, with the other arguments, and prints what came of it.

use std::env;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use lockutils::{Config, Error, LockGuard, Locks, synchronized};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["environment"] => environment(),
        ["take"] => take(),
        ["new"] => new(),
        ["init", path, prefix] => init(path, prefix),
        ["init-without-directory"] => init_without_directory(),
        ["init-twice", path] => init_twice(path),
        ["internal-then-init", path, prefix] => internal_then_init(path, prefix),
        ["external-then-init", path] => external_then_init(path),
        ["named-then-init", named, configured] => named_then_init(named, configured),
        ["attribute-then-init", path] => attribute_then_init(path),
        ["prefix-then-init", path] => prefix_then_init(path),
        ["asked-then-init", path] => asked_then_init(path),
        ["relative", elsewhere] => relative(elsewhere),
        ["named-relative", elsewhere] => named_relative(elsewhere),
        ["changed", path] => changed(path),
        ["init-races", scope, seed, configured, named @ ..] => {
            init_races(*scope == "external", seed, configured, named);
        }
        ["fixture"] => fixture(),
        other => panic!("no such scenario: {other:?}"),
    }
}

/// Prints what the environment says.
fn environment() {
    println!("{}", serde_json::to_string(&Config::from_env()).expect("a configuration is plain data"));
}

/// Prints which file an external lock has, or why it has none.
fn take() {
    tell(lockutils::lock("x").external().acquire());
}

fn tell(taken: Result<LockGuard, Error>) {
    match taken {
        Ok(guard) => println!("{} {}", guard.name(), guard.path().map_or("-".into(), Path::to_string_lossy)),
        Err(error) => println!("error: {error}"),
    }
}

fn told(result: Result<(), Error>) {
    match result {
        Ok(()) => println!("ok"),
        Err(error) => println!("{}: {error}", if error.is_already_initialized() { "late" } else { "error" }),
    }
}

/// A registry of the environment's configuration; the process-wide one, for an internal lock; and one for
/// which code says what the environment could not.
fn new() {
    told(Locks::new(Config::from_env()).map(drop));
    let internal = lockutils::lock("x").acquire();
    println!("{}", if internal.is_err_and(|error| error.is_config()) { "config" } else { "taken" });
    told(Locks::new(Config::from_env().disable_process_locking(false)).map(drop));
}

/// Code comes before the environment.
fn init(path: &str, prefix: &str) {
    told(lockutils::init(Config::new().lock_path(path).lock_file_prefix(prefix)));
    take();
}

/// Prints what the file of a lock begins with, too.
fn init_without_directory() {
    told(lockutils::init(Config::new().timeout(std::time::Duration::from_secs(1))));
    match lockutils::lock("x").external().acquire() {
        Ok(guard) => {
            let content = std::fs::read_to_string(guard.path().expect("an external lock")).expect("text");
            println!("{}", if content.starts_with("lockutils 1 held") { "kernel" } else { "pid" });
        }
        Err(error) => println!("error: {error}"),
    }
}

fn init_twice(path: &str) {
    told(lockutils::init(Config::new().lock_file_mode(0)));
    told(lockutils::init(Config::new().lock_path(path)));
    told(lockutils::init(Config::new().lock_path(path)));
    take();
}

/// An internal lock does not settle the directory; with the same prefix it stays the lock it was.
fn internal_then_init(path: &str, prefix: &str) {
    let held = lockutils::lock("x").acquire();
    told(lockutils::init(Config::new().lock_path(path).lock_file_prefix(prefix)));
    let busy = lockutils::lock("x").external().try_acquire();
    println!("{}", if busy.is_ok_and(|taken| taken.is_none()) { "busy" } else { "not the same lock" });
    drop(held);
    take();
}

fn external_then_init(path: &str) {
    take();
    told(lockutils::init(Config::new().lock_path(path)));
    take();
}

/// The directory is in use under the name that a call gave it, held by a guard.
fn named_then_init(named: &str, configured: &str) {
    let held = lockutils::lock("x").external().lock_path(named).acquire();
    told(lockutils::init(Config::new().lock_path(configured)));
    let busy = lockutils::lock("x").lock_path(configured).try_acquire();
    println!("{}", if busy.is_ok_and(|taken| taken.is_none()) { "busy" } else { "not the same lock" });
    drop(held);
}

#[synchronized("x", external)]
fn annotated() -> Result<bool, Error> {
    lockutils::lock("x").try_acquire().map(|taken| taken.is_none())
}

/// Annotated long before, called after: it follows the configuration.
fn attribute_then_init(path: &str) {
    told(lockutils::init(Config::new().lock_path(path).lock_file_prefix("late")));
    println!("{:?}", annotated().ok());
    println!("{}", Path::new(path).join("late-x").is_file());
}

static NOVA: lockutils::Locks = lockutils::with_prefix("nova");

/// A prefix that a registry says for itself does not depend on the configuration, but its locks were taken
/// under one.
fn prefix_then_init(path: &str) {
    drop(NOVA.lock("x").acquire());
    told(lockutils::init(Config::new().lock_path(path)));
    tell(NOVA.lock("x").external().acquire());
}

/// Questions, and locks whose prefix does not depend on it, are not too early for a configuration.
fn asked_then_init(path: &str) {
    let _ = lockutils::locks().lock_path();
    let _ = format!("{:?}", lockutils::locks());
    drop(NOVA.lock("x").acquire());
    drop(lockutils::lock("x").prefix("cinder").acquire());
    told(lockutils::init(Config::new().lock_path(path).lock_file_prefix("late")));
    take();
}

/// A directory that is named on a call is resolved by that call.
fn named_relative(elsewhere: &str) {
    let lock = lockutils::lock("x").external().lock_path("locks");
    tell(lock.acquire());
    env::set_current_dir(elsewhere).expect("it is there");
    tell(lock.acquire());
    tell(lock.clone().acquire());
}

/// A relative directory is resolved once.
fn relative(elsewhere: &str) {
    take();
    env::set_current_dir(elsewhere).expect("it is there");
    take();
}

/// The environment is read once.
fn changed(path: &str) {
    take();
    // SAFETY: this process has one thread.
    unsafe { env::set_var("LOCKUTILS_LOCK_PATH", path) };
    take();
}

/// Configures `configured` while others take a lock in the directories `named` and keep it; `-` names none. Prints
/// whether that was configured, and then for each who has the lock the directory that was named, and the file.
fn init_races(external: bool, seed: &str, configured: &str, named: &[&str]) {
    let lock = || if external { lockutils::lock("x").external() } else { lockutils::lock("x") };
    let lock_in = |path: &str| if path == "-" { lock() } else { lock().lock_path(path) };
    let takers: Vec<_> = named.iter().map(|path| (*path, lock_in(path))).collect();
    let (start, seed) = (Barrier::new(takers.len() + 1), seed.parse().expect("a number"));
    let mut random = StdRng::seed_from_u64(seed);
    let mut begins = || {
        let (start, pause) = (&start, random.random_range(0..4_000));
        move || {
            start.wait();
            (0..pause).for_each(|_| std::hint::spin_loop());
        }
    };
    thread::scope(|scope| {
        let (begin, config) = (begins(), Config::new().lock_path(configured));
        let init = scope.spawn(move || {
            begin();
            lockutils::init(config)
        });
        let takers = takers.iter().map(|(path, lock)| {
            let begin = begins();
            let taker = scope.spawn(move || {
                begin();
                lock.try_acquire().expect("busy is no error")
            });
            (path, taker)
        });
        let takers: Vec<_> = takers.collect();
        told(init.join().expect("it does not panic"));
        let taken = takers.into_iter().map(|(path, taker)| (path, taker.join().expect("it does not panic")));
        let taken: Vec<_> = taken.collect();
        for (path, guard) in &taken {
            if let Some(guard) = guard {
                println!("{path} {}", guard.path().map_or("-".into(), Path::to_string_lossy));
            }
        }
    });
}

/// What tests use: a temporary directory for the whole process, which can be asked for again and again.
fn fixture() {
    let path = lockutils::testing::temp_lock_path().expect("nothing is configured");
    let again = lockutils::testing::temp_lock_path().expect("the same");
    let fixture = lockutils::testing::LockFixture::new("x").expect("free");
    println!("{}", path == again && fixture.guard().path() == Some(&*path.join("x")));
    println!("{}", lockutils::lock("x").try_acquire().is_ok_and(|taken| taken.is_none()));
    drop(fixture);
    println!("{}", lockutils::lock("x").external().try_acquire().is_ok_and(|taken| taken.is_some()));
}
