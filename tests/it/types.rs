//! What may cross threads, and what must not.

use std::collections::BTreeSet;
use std::path::Path;

use lockutils::testing::{LockFixture, TempLocks};
use lockutils::{
    Cancel, Cleaned, Cleaner, Config, Error, Evidence, Fence, FileState, FileStatus, Files, Holder, Lock,
    LockAll, LockAllGuard, LockGuard, LockState, Locks, Mechanism, Mode, NetworkFileSystem, Policy,
    Reentrant, ReentrantGuard, Removal, synchronized,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

/// Makes the assertions and a list of the names, for the test that nothing is missing.
macro_rules! table {
    ($($kind:ty: $($is:ident)+ $(, not $($not:ident)+)?;)*) => {
        $(assert_impl_all!($kind: $($is),+); $(assert_not_impl_any!($kind: $($not),+);)?)*
        const TABLE: &[&str] = &[$(stringify!($kind)),*];
    };
}

table! {
    Cancel: Send Sync Unpin Clone, not Copy;
    Cleaned: Send Sync Unpin Clone;
    Cleaner: Send Sync Unpin Clone;
    Config: Send Sync Unpin Clone;
    Error: Send Sync Unpin, not Clone;
    Evidence: Send Sync Unpin Copy;
    Fence: Send Sync Unpin, not Clone;
    Files: Send Sync Unpin, not Clone;
    FileState: Send Sync Unpin Copy;
    FileStatus: Send Sync Unpin Clone, not Copy;
    Holder: Send Sync Unpin Clone, not Copy;
    Lock: Send Sync Unpin Clone, not Copy;
    LockAll: Send Sync Unpin Clone;
    LockAllGuard: Send Sync Unpin, not Clone Copy;
    LockFixture: Send Sync Unpin, not Clone Copy;
    LockState: Send Sync Unpin Clone;
    Mode: Send Sync Unpin Copy;
    LockGuard: Send Sync Unpin, not Clone Copy;
    Locks: Send Sync Unpin Clone;
    NetworkFileSystem: Send Sync Unpin Copy;
    Policy: Send Sync Unpin Copy;
    Mechanism: Send Sync Unpin Copy;
    Reentrant: Send Sync Unpin Clone;
    ReentrantGuard: Unpin, not Send Sync Clone Copy;
    Removal: Send Sync Unpin Copy;
    TempLocks: Send Sync Unpin;
}

assert_impl_all!(Error: std::error::Error);
assert_impl_all!(std::io::Error: From<Error>);
assert_impl_all!(Box<dyn std::error::Error + Send + Sync>: From<Error>);
assert_not_impl_any!(lockutils::__private::Pinned: Send, Sync, Clone);
assert_not_impl_any!(lockutils::__private::PinnedAll: Send, Sync, Clone);

#[test]
fn every_public_type_has_its_line() {
    let exported = exported();
    let missing: Vec<_> = exported.iter().filter(|kind| !TABLE.contains(&kind.as_str())).collect();
    assert!(exported.len() > 10, "the exports are not where they were: {exported:?}");
    assert!(missing.is_empty(), "give these a line in the table: {missing:?}");
}

/// The types that `lib.rs` exports, and those of the module for tests.
fn exported() -> BTreeSet<String> {
    let exports = source("lib.rs");
    let exports = exports.lines().filter(|line| line.starts_with("pub use "));
    let words = exports.flat_map(|line| line.split([':', '{', '}', ',', ';', ' '])).map(str::to_owned);
    let testing = source("testing.rs");
    let structs = testing.lines().filter_map(|line| line.strip_prefix("pub struct "));
    let structs = structs.filter_map(|line| line.split([' ', '(', '<']).next()).map(str::to_owned);
    words.chain(structs).filter(|word| word.starts_with(char::is_uppercase)).collect()
}

fn source(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lockutils/src").join(file);
    std::fs::read_to_string(path).expect("the library's sources are beside the tests")
}

/// Compiles when a future may be polled by one thread after another.
fn is_send<T: Send>(future: T) -> T {
    future
}

#[synchronized("types-{name}")]
async fn annotated(name: &str) -> usize {
    tokio::task::yield_now().await;
    name.len()
}

#[synchronized("types-{name}", "types-other-{name}", timeout = "1m")]
async fn annotated_with_several(name: &str) -> Result<usize, Error> {
    tokio::task::yield_now().await;
    Ok(name.len())
}

#[test]
fn futures_are_send() {
    let all = lockutils::lock_all(["types-a", "types-b"]).timeout(std::time::Duration::from_secs(60));
    let lock = lockutils::lock("types").cancel_on(&Cancel::new()).timeout(std::time::Duration::from_secs(60));
    crate::conformance::support::block_on(async {
        drop(is_send(lock.acquire_async()).await.expect("free"));
        drop(is_send(all.acquire_async()).await.expect("free"));
        assert_eq!(is_send(annotated("x")).await, 1);
        assert_eq!(is_send(annotated_with_several("x")).await.expect("free"), 1);
    });
}

/// Guards are owned: they outlive the handle and the registry that they came from.
#[test]
fn guards_are_static() {
    fn is_static<T: 'static>(value: T) -> T {
        value
    }
    let guard = {
        let locks = Locks::new(Config::new()).expect("nothing is configured");
        is_static(locks.lock("x").acquire().expect("free"))
    };
    assert_eq!(guard.name(), "x");
    drop(guard);
}

/// They are passed around and stand in structs by the thousand.
#[test]
fn guards_are_small() {
    assert!(size_of::<LockGuard>() <= 48, "{}", size_of::<LockGuard>());
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}
