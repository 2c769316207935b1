//! `test_decorators.py`, `test_helpers.py` and `test_eventlet.py`.

use lockutils::{Config, Error, Lock, Locks, synchronized};
use lockutils_tests::within;
use tokio::runtime;

/// A type that has its registry, as the classes of upstream have their locks.
struct Locked {
    locks: Locks,
}

impl Locked {
    fn new() -> Self {
        Self { locks: Locks::new(Config::new()).expect("a registry") }
    }

    fn lock(&self, name: &str) -> Lock {
        self.locks.lock(name)
    }

    #[synchronized("lock", locks = self.locks)]
    fn i_am_locked(&self) -> bool {
        is_free(&self.lock("lock"))
    }

    #[synchronized("lock-1", "lock-2", "lock-3", locks = self.locks)]
    fn i_am_locked_thrice(&self) -> usize {
        ["lock-1", "lock-2", "lock-3"].iter().filter(|name| !is_free(&self.lock(name))).count()
    }

    #[synchronized("lock", read, locks = self.locks)]
    fn i_am_reading(&self) -> (bool, bool) {
        (is_free(&self.lock("lock").read()), is_free(&self.lock("lock")))
    }

    #[synchronized("lock", write, locks = self.locks)]
    fn i_am_writing(&self) -> (bool, bool) {
        (is_free(&self.lock("lock").read()), is_free(&self.lock("lock")))
    }
}

fn is_free(lock: &Lock) -> bool {
    lock.try_acquire().expect("no error").is_some()
}

/// A method runs under the lock, and lets go.
#[test]
fn locked() {
    let object = Locked::new();
    assert!(!object.i_am_locked());
    assert!(is_free(&object.lock("lock")));
}

/// All of several locks are held, and all are let go.
#[test]
fn many_locked() {
    let object = Locked::new();
    assert_eq!(object.i_am_locked_thrice(), 3);
    assert!(object.locks.is_empty());
}

/// A reading method lets readers in, a writing one nobody.
#[test]
fn read_write_locked() {
    let object = Locked::new();
    assert_eq!(object.i_am_reading(), (true, false));
    assert_eq!(object.i_am_writing(), (false, false));
    assert!(object.locks.is_empty());
}

/// A second try says so, and does not let go what the first one has.
#[test]
fn try_lock() {
    let lock = Locked::new().lock("lock");
    let first = lock.try_acquire().expect("no error");
    assert!(first.is_some());
    assert!(lock.try_acquire().expect("no error").is_none());
    assert!(lock.try_acquire().expect("no error").is_none(), "the second try has let nothing go");
    drop(first);
    assert!(is_free(&lock));
}

/// Two tasks of one thread are two: the second waits for the first, to write and to read.
#[test]
fn eventlet_spawn_n_bugfix() {
    within("both tasks end", || {
        let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(two_tasks(Locked::new().lock("lock"))).expect("the lock");
    });
}

async fn two_tasks(lock: Lock) -> Result<(), Error> {
    let guard = lock.acquire_async().await?;
    let second = {
        let lock = lock.clone().read();
        tokio::spawn(async move { lock.acquire_async().await.map(|guard| guard.is_shared()) })
    };
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished(), "both tasks are inside");
    drop(guard);
    assert!(second.await.expect("a task that ends")?);
    Ok(())
}
