//! The tests of oslo.concurrency's lockutils, one for one and by their names: `test_lockutils.py`, and at the
//! end `test_lockutils_eventlet.py`, whose green threads are tasks on one thread here.
//!
//! Three are left out, `main`, `return_value_maintained` and `direct_call_explodes`: they test the program
//! `lockutils-wrapper`, which this crate does not have.

use std::any::type_name_of_val;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use lockutils::testing::{LockFixture, temp_lock_path};
use lockutils::{Config, Error, Lock, Locks, Removal, synchronized};
use lockutils_tests::{Child, Place, asleep, within};
use nix::unistd::gettid;
use tokio::runtime;
use tokio::sync::Barrier;

/// A registry of its own, without a directory.
fn internal_locks() -> Locks {
    Locks::new(Config::new()).expect("a registry")
}

fn is_free(lock: &Lock) -> bool {
    lock.try_acquire().expect("a lock that can be tried").is_some()
}

/// Fifty processes that lock fifty files each while they have the lock `external`, whose directory is
/// `locks`: none meets another one's locks.
pub(crate) fn fifty_processes_do_not_collide(place: &Place, locks: &Path) {
    let files = place.file("files").display().to_string();
    let start =
        || Child::spawn(place.command(&["collide", "external", &files]).env("LOCKUTILS_LOCK_PATH", locks));
    let children: Vec<Child> = (0..50).map(|_| start()).collect();
    for mut child in children {
        child.expect("alone");
        child.finish();
    }
    assert!(locks.join("external").exists());
}

/// The attribute keeps the function's name and signature.
#[test]
fn synchronized_wrapped_function_metadata() {
    #[synchronized("whatever", external, locks = locks)]
    fn wrapped_function(locks: &Locks) -> u32 {
        7
    }

    let place = Place::new("synchronized_wrapped_function_metadata");
    let function: fn(&Locks) -> u32 = wrapped_function;
    assert_eq!(function(place.locks()), 7);
    assert!(type_name_of_val(&wrapped_function).ends_with("::wrapped_function"));
}

/// The same name in two registries is two internal locks.
#[test]
fn lock_internally_different_collections() {
    let (one, other) = (internal_locks(), internal_locks());
    let _held = one.lock("lock").acquire().expect("a free lock");
    assert!(is_free(&other.lock("lock")));
    assert!(!is_free(&one.lock("lock")));
}

/// Ten threads that append ten times each never interleave, and the registry is as empty as before.
#[test]
fn lock_internally() {
    let (locks, seen) = (internal_locks(), Mutex::new(Vec::new()));
    let append = |thread| {
        let _guard = locks.lock("testlock2").acquire().expect("the lock");
        for _ in 0..10 {
            seen.lock().expect("no panic").push(thread);
            thread::yield_now();
        }
    };
    thread::scope(|scope| (0..10).for_each(|thread| drop(scope.spawn(move || append(thread)))));
    let seen = seen.into_inner().expect("no panic");
    assert_eq!(seen.len(), 100);
    assert!(seen.chunks(10).all(|ten| ten.iter().all(|thread| *thread == ten[0])), "{seen:?}");
    assert_eq!(locks.len(), 0);
}

/// Ten threads that wait one after the other get the lock in that order.
#[test]
fn lock_internal_fair() {
    let (locks, order) = (internal_locks(), Mutex::new(Vec::new()));
    let guard = locks.lock("testlock3").fair().acquire().expect("a free lock");
    let wait = |number, started: mpsc::Sender<_>| {
        started.send(gettid()).expect("the test listens");
        let _guard = locks.lock("testlock3").fair().acquire().expect("the lock");
        order.lock().expect("no panic").push(number);
    };
    thread::scope(|scope| {
        for number in 0..10 {
            let (started, thread) = mpsc::channel();
            scope.spawn(move || wait(number, started));
            asleep(thread.recv().expect("it starts"));
        }
        drop(guard);
    });
    assert_eq!(order.into_inner().expect("no panic"), (0..10).collect::<Vec<_>>());
}

/// Upstream refuses a fair lock of another collection; here each registry has fair locks, and fair
/// semaphores.
#[test]
fn fair_lock_with_semaphore() {
    let locks = internal_locks();
    let _held = locks.lock("lock").fair().acquire().expect("a free lock");
    assert!(is_free(&internal_locks().lock("lock").fair()));
    let permit = || locks.semaphore("permits", 2).fair();
    let _two = (permit().acquire().expect("one of two"), permit().acquire().expect("the other"));
    assert!(!is_free(&permit()));
}

/// Upstream refuses a fair lock that does not wait; here it is tried.
#[test]
fn fair_lock_with_nonblocking() {
    let locks = internal_locks();
    let lock = locks.lock("lock").fair();
    let held = lock.try_acquire().expect("no error").expect("a free lock");
    assert!(!is_free(&lock));
    drop(held);
    assert!(is_free(&lock));
}

/// Two external locks nest, and the value comes through.
#[test]
fn nested_synchronized_external_works() {
    #[synchronized("testlock1", prefix = "test-", external, locks = locks)]
    fn outer(locks: &Locks) -> u32 {
        inner(locks)
    }

    #[synchronized("testlock2", prefix = "test-", external, locks = locks)]
    fn inner(locks: &Locks) -> u32 {
        assert!(!is_free(&locks.lock("testlock1").prefix("test-").external()));
        assert!(!is_free(&locks.lock("testlock2").prefix("test-").external()));
        42
    }

    let place = Place::new("nested_synchronized_external_works");
    assert_eq!(outer(place.locks()), 42);
    assert!(place.file("test-testlock1").exists() && place.file("test-testlock2").exists());
}

/// Fifty processes hold the lock one at a time.
#[test]
fn lock_externally() {
    let place = Place::new("lock_externally");
    fifty_processes_do_not_collide(&place, place.path());
}

/// The same with a directory that one of them has to make.
#[test]
fn lock_externally_lock_dir_not_exist() {
    let place = Place::new("lock_externally_lock_dir_not_exist");
    fifty_processes_do_not_collide(&place, &place.file("not/there"));
}

/// A registry with a prefix that ends in a hyphen.
#[test]
fn lock_with_prefix() {
    let place = Place::new("lock_with_prefix");
    let prefixed = place.locks().with_prefix("mypfix-");
    let guard = prefixed.lock("mylock").external().acquire().expect("a free lock");
    assert_eq!(guard.path(), Some(&*place.file("mypfix-mylock")));
    assert!(place.file("mypfix-mylock").exists());
}

/// A function that was annotated before the directory was configured finds it when it is called.
#[test]
fn synchronized_with_prefix() {
    static PREFIXED: Locks = lockutils::with_prefix("mypfix-");

    #[synchronized("mylock", external, locks = PREFIXED)]
    fn bar(file: &Path) -> bool {
        file.exists()
    }

    let directory = temp_lock_path().expect("no other configuration");
    assert!(bar(&directory.join("mypfix-mylock")));
}

#[test]
fn synchronized_without_prefix() {
    #[synchronized("lock", external, locks = place.locks())]
    fn test_without_prefix(place: &Place) -> bool {
        place.file("lock").exists()
    }

    assert!(test_without_prefix(&Place::new("synchronized_without_prefix")));
}

/// A prefix without a hyphen gets one.
#[test]
fn synchronized_prefix_without_hypen() {
    #[synchronized("lock", prefix = "hypen", external, locks = place.locks())]
    fn test_without_hypen(place: &Place) -> bool {
        place.file("hypen-lock").exists()
    }

    assert!(test_without_hypen(&Place::new("synchronized_prefix_without_hypen")));
}

/// The guard of an internal lock has no file; that of an external one has.
#[test]
fn contextlock() {
    let place = Place::new("contextlock");
    let internal = place.locks().lock("test").acquire().expect("a free lock");
    assert_eq!(internal.path(), None);
    let external = place.lock("test2").acquire().expect("a free lock");
    assert!(external.path().expect("a file").exists());
}

/// The lock is free after the scope, and one name is one lock as long as somebody uses it.
#[test]
fn contextlock_unlocks() {
    let place = Place::new("contextlock_unlocks");
    let (one, other) = (place.locks().lock("testlock"), place.locks().lock("testlock"));
    {
        let _guard = one.acquire().expect("a free lock");
        assert_eq!(place.locks().len(), 1);
        assert!(!is_free(&other));
    }
    assert!(is_free(&other));
    let lock = place.lock("testlock2");
    drop(lock.acquire().expect("a free lock"));
    assert!(place.actor("testlock2", &[]).try_take(), "free for other processes too");
}

/// The path is that of name, prefix and directory; the file is removed once.
#[test]
fn remove_lock_external_file_exists() {
    let place = Place::new("remove_lock_external_file_exists");
    let elsewhere = place.file("elsewhere");
    let lock = internal_locks().lock("testlock").prefix("testpfx").lock_path(&elsewhere).external();
    drop(lock.acquire().expect("a free lock"));
    assert!(elsewhere.join("testpfx-testlock").exists());
    assert_eq!(lock.remove_file().expect("no error"), Removal::Removed);
    assert!(!elsewhere.join("testpfx-testlock").exists());
    assert_eq!(lock.remove_file().expect("no error"), Removal::Missing);
}

/// Without a prefix and a directory on the call, the configured ones are meant.
#[test]
fn remove_lock_external_file_exists_no_args() {
    let place =
        Place::with("remove_lock_external_file_exists_no_args", |config| config.lock_file_prefix("pfx"));
    drop(place.try_acquire("testlock").expect("a free lock"));
    assert!(place.file("pfx-testlock").exists());
    assert_eq!(place.lock("testlock").remove_file().expect("no error"), Removal::Removed);
    assert!(!place.file("pfx-testlock").exists());
}

/// That there is no file is no error.
#[test]
fn remove_lock_external_file_doesnt_exists() {
    let place = Place::new("remove_lock_external_file_doesnt_exists");
    assert_eq!(place.lock("testlock").remove_file().expect("no error"), Removal::Missing);
}

/// What may not be removed stays, and the caller is told why.
#[test]
fn remove_lock_external_file_permission_error() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new("remove_lock_external_file_permission_error");
    let allow =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    fs::write(place.file("testlock"), "").expect("a file");
    allow(&place.file("testlock"), 0o666);
    allow(place.path(), 0o555);
    let told = place.helper(&["as-nobody", "remove", "testlock"]).line();
    allow(place.path(), 0o755);
    assert!(told.starts_with("Refused(") || told.starts_with("error cannot remove"), "{told}");
    assert!(place.file("testlock").exists());
}

/// A name that was once made from base 64, which has slashes.
#[test]
fn no_slash_in_b64() {
    let place = Place::new("no_slash_in_b64");
    drop(place.try_acquire("foobar").expect("a free lock"));
    let guard = place.try_acquire("foo/bar+baz==").expect("a free lock");
    assert_eq!(guard.path(), Some(&*place.file("foo_bar+baz==")));
}

/// The file is there while the lock is held.
#[test]
fn lock_file_exists() {
    #[synchronized("lock-test", external, locks = place.locks())]
    fn foo(place: &Place) -> bool {
        place.file("lock-test").exists()
    }

    assert!(foo(&Place::new("lock_file_exists")));
}

/// What a child holds is busy for its parent.
#[test]
fn interprocess_lock() {
    let place = Place::new("interprocess_lock");
    let child = place.holder("foo");
    assert!(place.try_acquire("foo").is_none());
    child.finish();
    assert!(place.try_acquire("foo").is_some());
}

#[synchronized("foo", external, blocking = false, locks = locks)]
fn external_body(locks: &Locks, ran: &AtomicU32) -> Result<(), Error> {
    ran.fetch_add(1, SeqCst);
    // While the body runs, nobody else can run it.
    let refused = locks.lock("foo").external().try_acquire()?.is_none();
    assert!(refused);
    Ok(())
}

/// The body does not run while another process has the lock, and the caller is told.
#[test]
fn interprocess_nonblocking_external_lock() {
    let place = Place::new("interprocess_nonblocking_external_lock");
    let (child, ran) = (place.holder("foo"), AtomicU32::new(0));
    assert!(external_body(place.locks(), &ran).expect_err("the child has it").is_busy());
    assert_eq!(ran.load(SeqCst), 0);
    child.finish();
    external_body(place.locks(), &ran).expect("a free lock");
    assert_eq!(ran.load(SeqCst), 1);
}

/// Two threads of a process that take one external lock are inside one after the other.
#[test]
fn interthread_external_lock() {
    let place = Place::new("interthread_external_lock");
    let (inside, entries) = (AtomicBool::new(false), AtomicU32::new(0));
    let enter = || {
        for _ in 0..50 {
            let _guard = place.lock("foo").acquire().expect("the lock");
            assert!(!inside.swap(true, SeqCst), "somebody is inside");
            thread::yield_now();
            inside.store(false, SeqCst);
            entries.fetch_add(1, SeqCst);
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(enter))));
    assert_eq!(entries.load(SeqCst), 100);
}

/// The body does not run while another thread has the external lock.
#[test]
fn interthread_nonblocking_external_lock() {
    let place = Place::new("interthread_nonblocking_external_lock");
    let ran = AtomicU32::new(0);
    let guard = place.try_acquire("foo").expect("a free lock");
    let refused =
        thread::scope(|scope| scope.spawn(|| external_body(place.locks(), &ran)).join().expect("no panic"));
    assert!(refused.expect_err("this thread has it").is_busy());
    drop(guard);
    external_body(place.locks(), &ran).expect("a free lock");
    assert_eq!(ran.load(SeqCst), 1);
}

/// The body does not run while another thread has the internal lock.
#[test]
fn interthread_nonblocking_internal_lock() {
    #[synchronized("foo", blocking = false, locks = locks)]
    fn body(locks: &Locks, ran: &AtomicU32) -> Result<(), Error> {
        ran.fetch_add(1, SeqCst);
        Ok(())
    }

    let (locks, ran) = (internal_locks(), AtomicU32::new(0));
    let guard = locks.lock("foo").acquire().expect("a free lock");
    let refused = thread::scope(|scope| scope.spawn(|| body(&locks, &ran)).join().expect("no panic"));
    assert!(refused.expect_err("this thread has it").is_busy());
    assert_eq!(ran.load(SeqCst), 0);
    drop(guard);
    body(&locks, &ran).expect("a free lock");
    assert_eq!(ran.load(SeqCst), 1);
}

/// What stands in the file stays, and opening and closing it in the holder does not take the lock away (which
/// is what happens to oslo's own).
#[test]
fn non_destructive() {
    let place = Place::new("non_destructive");
    fs::write(place.file("not-destroyed"), "test").expect("a file");
    let guard = place.try_acquire("not-destroyed").expect("a free lock");
    assert_eq!(fs::read_to_string(place.file("not-destroyed")).expect("a file"), "test");
    drop(fs::File::options().read(true).write(true).open(place.file("not-destroyed")).expect("a file"));
    for peer in lockutils_tests::Peer::ALL {
        assert!(!peer.actor(&place.file("not-destroyed")).try_take(), "{peer:?} has it beside us");
    }
    assert!(!place.actor("not-destroyed", &[]).try_take(), "we hold it");
    drop(guard);
    assert_eq!(fs::read_to_string(place.file("not-destroyed")).expect("a file"), "test");
}

/// What is torn down after the body of a test still runs under its fixture's lock.
#[test]
fn lock_fixture() {
    struct TearDown;

    impl Drop for TearDown {
        fn drop(&mut self) {
            assert!(!is_free(&lockutils::lock("lock_fixture").external()), "the fixture has it");
        }
    }

    temp_lock_path().expect("no other configuration");
    {
        let fixture = LockFixture::new("lock_fixture").expect("a free lock");
        let _tear_down = TearDown;
        assert!(fixture.guard().path().expect("a file").exists());
    }
    assert!(is_free(&lockutils::lock("lock_fixture").external()));
}

/// The configured directory is told.
#[test]
fn get_default() {
    let locks = Locks::new(Config::new().lock_path("/the/default")).expect("a registry");
    assert_eq!(locks.lock_path().as_deref(), Some(Path::new("/the/default")));
    assert_eq!(internal_locks().lock_path(), None);
}

/// What is said on the call comes before what is configured.
#[test]
fn get_override() {
    let place = Place::new("get_override");
    let guard = place.lock("x").lock_path(place.file("override")).acquire().expect("a free lock");
    assert_eq!(guard.path(), Some(&*place.file("override/x")));
    assert!(!place.file("x").exists());
}

/// Runs tasks on one thread.
fn on_one_thread(test: &'static str, tasks: impl AsyncFnOnce(Arc<Place>) + Send + 'static) {
    within(test, move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(tasks(Arc::new(Place::new(test))));
    });
}

/// Two tasks with two files are inside together.
#[test]
fn concurrent_green_lock_succeeds() {
    on_one_thread("concurrent_green_lock_succeeds", async |place| {
        let both_inside = Arc::new(Barrier::new(2));
        let spawn = |name: &'static str| {
            let (place, both_inside) = (Arc::clone(&place), Arc::clone(&both_inside));
            tokio::spawn(async move {
                let _guard = place.lock(name).acquire_async().await.expect("the lock");
                both_inside.wait().await;
            })
        };
        let (one, other) = (spawn("one"), spawn("other"));
        one.await.expect("a task that ends");
        other.await.expect("a task that ends");
    });
}

/// A task that has the lock, and others of the same thread that want it too: they come in after it, in turn.
async fn second_task_waits(lock: Lock, join: bool) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let note = |events: &Mutex<Vec<_>>, event| events.lock().expect("no panic").push(event);
    let guard = lock.acquire_async().await.expect("a free lock");
    let (done, ended) = tokio::sync::oneshot::channel();
    let second = {
        let (lock, events) = (lock.clone(), Arc::clone(&events));
        tokio::spawn(async move {
            note(&events, "second wants it");
            let _guard = lock.acquire_async().await.expect("the lock");
            note(&events, "second has it");
            let _ = done.send(());
        })
    };
    while events.lock().expect("no panic").is_empty() {
        tokio::task::yield_now().await;
    }
    pause().await;
    note(&events, "first lets go");
    drop(guard);
    if join {
        second.await.expect("a task that ends");
    } else {
        drop(second); // Nobody holds the task's handle, as with `spawn_n`.
        ended.await.expect("a task that ends");
    }
    assert_eq!(*events.lock().expect("no panic"), ["second wants it", "first lets go", "second has it"]);
}

/// Time enough for a task that is let in by mistake to come in.
fn pause() -> impl Future<Output = ()> {
    tokio::time::sleep(Duration::from_millis(20))
}

#[test]
fn lock_with_spawn() {
    on_one_thread("lock_with_spawn", async |place| second_task_waits(place.lock("lock"), true).await);
}

#[test]
fn lock_with_spawn_n() {
    on_one_thread("lock_with_spawn_n", async |place| second_task_waits(place.lock("lock"), false).await);
}

#[test]
fn fair_lock_with_spawn() {
    on_one_thread("fair_lock_with_spawn", async |place| {
        second_task_waits(place.lock("lock").fair(), true).await;
    });
}

#[test]
fn fair_lock_with_spawn_n() {
    on_one_thread("fair_lock_with_spawn_n", async |place| {
        second_task_waits(place.lock("lock").fair(), false).await;
    });
}
