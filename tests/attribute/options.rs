//! Options: each does what it says.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use lockutils::{Config, Error, Locks, synchronized};
use tempfile::TempDir;

use crate::support::{held, hold, locks, run, taken};

fn temp() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

struct Service {
    locks: Locks,
    limit: Duration,
    name: String,
}

impl Service {
    #[synchronized("options-own-{self.name}", locks = self.locks)]
    fn own_registry(&self) -> bool {
        taken(&self.locks.lock("options-own-x")) && !held("options-own-x")
    }

    #[synchronized("options-file-{self.name}", external, locks = self.locks, timeout = self.limit)]
    fn own_file(&self) -> Result<bool, Error> {
        Ok(taken(&self.locks.lock("options-file-x").external()))
    }

    #[synchronized("options-a", "options-b", external, fair, locks = self.locks, timeout = self.limit, prefix = self.name.as_str())]
    async fn several_files(&self) -> Result<bool, Error> {
        tokio::task::yield_now().await;
        let lock = |name| self.locks.lock(name).external().prefix("x");
        Ok(taken(&lock("options-a")) && taken(&lock("options-b")))
    }
}

static LOCKS: LazyLock<Locks> = LazyLock::new(|| Locks::new(Config::new()).expect("a registry"));

#[synchronized("options-static", locks = LOCKS)]
fn static_registry() -> bool {
    taken(&LOCKS.lock("options-static")) && !held("options-static")
}

#[test]
fn own_registries() -> Result<(), Error> {
    let dir = temp();
    let service =
        Service { locks: locks(dir.path()), limit: Duration::from_secs(5), name: String::from("x") };
    assert!(static_registry());
    assert!(service.own_registry());
    assert!(service.own_file()?);
    assert!(run(service.several_files())?);
    Ok(())
}

#[synchronized("options-path", external, lock_path = dir.path())]
fn own_path(dir: &TempDir) -> bool {
    dir.path().join("options-path").exists()
}

#[synchronized("options-path-{dir_name}", external, lock_path = dir)]
fn path_of_an_argument(dir: &Path, dir_name: u8) -> Result<bool, Error> {
    Ok(dir.is_dir() && dir_name == 1)
}

#[synchronized("options-literal-path", external = true, lock_path = "/nowhere/at/all\0", on_error = panic)]
fn literal_path() {}

#[test]
fn lock_paths() {
    let dir = temp();
    assert!(own_path(&dir));
    assert_eq!(path_of_an_argument(dir.path(), 1).ok(), Some(true));
    let text = crate::support::panic_text(literal_path);
    assert!(!text.is_empty());
}

#[synchronized("options-prefix", prefix = "nova")]
fn literal_prefix() -> bool {
    taken(&lockutils::lock("options-prefix").prefix("nova")) && !held("options-prefix")
}

#[synchronized("options-{n}", prefix = format!("nova{n}"))]
fn computed_prefix(n: u8) -> bool {
    taken(&lockutils::lock("options-1").prefix("nova1"))
}

#[test]
fn prefixes() {
    assert!(literal_prefix());
    assert!(computed_prefix(1));
}

#[synchronized("options-read", read)]
fn reader(inner: &dyn Fn() -> bool) -> bool {
    inner()
}

#[synchronized("options-read", write, external = false, internal)]
fn writer(inner: &dyn Fn() -> bool) -> bool {
    inner()
}

#[test]
fn readers_share() {
    let read = lockutils::lock("options-read").read();
    let write = lockutils::lock("options-read");
    assert!(reader(&|| reader(&|| true)));
    assert!(reader(&|| !taken(&lockutils::lock("options-read").read()) && taken(&write)));
    assert!(writer(&|| taken(&read)));
}

#[synchronized("options-semaphore", semaphore = 2)]
fn permit(inner: &dyn Fn() -> bool) -> Result<bool, Error> {
    Ok(inner())
}

#[synchronized("options-semaphore-{n}", semaphore = n, timeout = "0s")]
fn computed_permits(n: u32) -> Result<bool, Error> {
    Ok(taken(&lockutils::semaphore("options-semaphore-1", 1)))
}

#[test]
fn semaphores_count() -> Result<(), Error> {
    let semaphore = || taken(&lockutils::semaphore("options-semaphore", 2));
    assert!(permit(&|| !semaphore() && permit(&semaphore).is_ok_and(|full| full))?);
    assert!(!semaphore());
    assert!(computed_permits(1)?);
    Ok(())
}

#[synchronized("options-reentrant", reentrant)]
fn unlimited(depth: u8) -> u8 {
    if depth == 0 { 0 } else { 1 + unlimited(depth - 1) }
}

#[synchronized("options-limited", reentrant = 2)]
fn limited(depth: u8) -> Result<(), Error> {
    if depth == 0 { Ok(()) } else { limited(depth - 1) }
}

#[synchronized("options-read-again", reentrant = true, read, fair)]
fn read_again(depth: u8) -> u8 {
    if depth == 0 { 0 } else { 1 + read_again(depth - 1) }
}

#[test]
fn owners_come_in_again() {
    assert_eq!(unlimited(5), 5);
    assert!(limited(1).is_ok());
    assert!(limited(2).is_err_and(|error| error.is_limit_reached()));
    assert!(limited(1).is_ok());
    assert_eq!(read_again(3), 3);
}

#[synchronized("options-off", fair = false, read = false, reentrant = false, blocking = true)]
async fn all_off() -> bool {
    held("options-off")
}

#[test]
fn options_may_be_switched_off() {
    assert!(run(all_off()));
}

mod elsewhere {
    pub(super) mod inner {
        pub(in crate::options) use lockutils as locks;
    }
}

#[synchronized("options-crate", crate = elsewhere::inner::locks)]
fn renamed() -> bool {
    held("options-crate")
}

#[synchronized(
    "options-crate",
    "options-crate-{n}",
    crate = "crate::options::elsewhere::inner::locks",
    timeout = "1h"
)]
async fn renamed_as_text(n: u8) -> Result<bool, Error> {
    Ok(held("options-crate") && n == 1)
}

#[test]
fn the_crate_may_have_another_name() {
    assert!(renamed());
    assert_eq!(run(renamed_as_text(1)).ok(), Some(true));
}

#[synchronized("options-x", external, locks = locks, blocking = false)]
fn now(locks: &Locks) -> Result<bool, Error> {
    Ok(taken(&locks.lock("options-x").external()) && taken(&locks.lock("options-x")))
}

#[test]
fn external_excludes_external() -> Result<(), Error> {
    let dir = temp();
    let locks = locks(dir.path());
    let other = hold(&locks.lock("options-x").external());
    assert!(now(&locks).is_err_and(|error| error.is_busy()));
    drop(other);
    assert!(now(&locks)?);
    Ok(())
}

#[synchronized("options-panic", external, locks = locks)]
fn panics(locks: &Locks) -> Result<(), Error> {
    assert!(taken(&locks.lock("options-panic").external()));
    panic!("lost");
}

#[synchronized("options-cancel", external, locks = locks)]
async fn never_ends(locks: &Locks) -> Result<(), Error> {
    std::future::pending().await
}

#[test]
fn panics_and_cancellation_let_go_of_the_file() {
    let dir = temp();
    let locks = locks(dir.path());
    assert_eq!(crate::support::panic_text(|| panics(&locks)), "lost");
    assert!(!taken(&locks.lock("options-panic").external()));

    let lock = locks.lock("options-cancel").external();
    run(async {
        let body = tokio::time::timeout(Duration::from_millis(50), never_ends(&locks));
        assert!(body.await.is_err());
    });
    assert!(!taken(&lock));
}
