//! A crate that has its own name for `lockutils`: there is no `::lockutils` here.

#![deny(warnings, clippy::all, clippy::pedantic)]

use nl::synchronized;

fn held(name: &str) -> bool {
    nl::lock(name).try_acquire().expect("a lock that can be tried").is_none()
}

#[synchronized("renamed-{n}", crate = nl)]
fn plain(n: u8) -> bool {
    held(&format!("renamed-{n}"))
}

#[synchronized("renamed-reentrant", reentrant = 2, crate = nl)]
fn reentrant() -> Result<bool, nl::Error> {
    Ok(held("renamed-reentrant"))
}

#[synchronized("renamed-kept", "renamed-all", crate = ::nl)]
fn kept() -> bool {
    held("renamed-kept") && held("renamed-all")
}

#[synchronized("renamed-async", "renamed-{n}", timeout = "1s", semaphore = 2, crate = "nl")]
async fn fallible(n: u8) -> Result<bool, nl::Error> {
    tokio::task::yield_now().await;
    Ok(n == 2)
}

#[test]
fn a_renamed_dependency() {
    assert!(plain(1));
    assert!(kept());
    assert_eq!(reentrant().ok(), Some(true));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime.expect("a runtime").block_on(fallible(2));
    assert_eq!(answer.ok(), Some(true));
}
