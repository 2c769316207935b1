//! A process that forks while it holds a lock or others wait.

use std::future::Future;
use std::io::{self, Read, Write, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use lockutils::{Config, LockGuard, Locks};
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::request::{Request, outcome};
use crate::{say, wait_for_end};

/// The child drops the guard that it has inherited, and tries the lock; then the parent goes on holding it.
pub(crate) fn child_drops(name: &str) {
    let guard = hold(name);
    match forked() {
        ForkResult::Child => {
            drop(guard);
            say(outcome(&Request::new(name, &[]).attempt()));
            end_child();
        }
        ForkResult::Parent { child } => {
            end_of(child);
            say("held");
            wait_for_end();
        }
    }
}

/// The child reads beside its parent, by a lock of its own, and goes on when the parent has let go.
pub(crate) fn child_joins(name: &str) {
    let guard = Request::new(name, &["read"]).wait().expect("the lock");
    let (mut child_has_it, mut says_so) = pipe().expect("a pipe");
    match forked() {
        ForkResult::Child => {
            let own = Request::new(name, &["read"]).attempt();
            say(outcome(&own));
            says_so.write_all(b"!").expect("the parent reads");
            wait_for_end();
            end_child();
        }
        ForkResult::Parent { child } => {
            child_has_it.read_exact(&mut [0]).expect("the child writes");
            drop(guard);
            say("released");
            end_of(child);
        }
    }
}

/// The child makes a read lock of the guard that it has inherited; then the parent goes on writing.
pub(crate) fn child_downgrades(name: &str) {
    let guard = hold(name);
    match forked() {
        ForkResult::Child => {
            drop(guard.downgrade());
            end_child();
        }
        ForkResult::Parent { child } => {
            end_of(child);
            say("held");
            wait_for_end();
        }
    }
}

/// The child has the inherited guard and ends by itself; then the parent goes on holding it.
pub(crate) fn child_exits(name: &str) {
    let _guard = hold(name);
    match forked() {
        ForkResult::Child => std::process::exit(0),
        ForkResult::Parent { child } => {
            end_of(child);
            say("held");
            wait_for_end();
        }
    }
}

/// The parent holds and the child does nothing with the guard that it has inherited, until the input ends.
pub(crate) fn both_live(name: &str) {
    let _guard = hold(name);
    match forked() {
        ForkResult::Child => {
            wait_for_end();
            end_child();
        }
        ForkResult::Parent { child } => {
            say("forked");
            end_of(child);
        }
    }
}

/// The child has inherited a handle whose file is open and free. It takes the lock by it; then the parent
/// tries.
pub(crate) fn child_inherits_an_idle_lock(name: &str) {
    let lock = lockutils::lock(name).external();
    (0..2).for_each(|_| drop(lock.acquire().expect("the lock")));
    let (mut child_has_it, mut says_so) = pipe().expect("a pipe");
    match forked() {
        ForkResult::Child => {
            let _guard = lock.acquire().expect("the lock");
            says_so.write_all(b"!").expect("the parent reads");
            wait_for_end();
            end_child();
        }
        ForkResult::Parent { child } => {
            child_has_it.read_exact(&mut [0]).expect("the child writes");
            say(outcome(&lock.try_acquire()));
            end_of(child);
        }
    }
}

/// The parent lets go while the child, which has inherited the guard and does nothing with it, lives.
pub(crate) fn parent_lets_go(name: &str) {
    let guard = hold(name);
    match forked() {
        ForkResult::Child => {
            wait_for_end();
            end_child();
        }
        ForkResult::Parent { child } => {
            drop(guard);
            say("released");
            end_of(child);
        }
    }
}

/// A child that is forked after its parent has waited with a limit, on a thread that it does not inherit,
/// waits with a limit too.
pub(crate) fn child_waits(name: &str) {
    say(outcome(&Request::new(name, &["timeout=10"]).wait().map(Some)));
    match forked() {
        ForkResult::Child => {
            let taken = Request::new(name, &["timeout=20000"]).wait().map(Some);
            say(outcome(&taken));
            end_child();
        }
        ForkResult::Parent { child } => end_of(child),
    }
}

fn hold(name: &str) -> LockGuard {
    Request::new(name, &[]).wait().expect("the lock")
}

/// The child has inherited a task that waits, and drops it; then the parent's waits on. `unseen`: the file has come to
/// the task already, which has not looked.
pub(crate) fn child_drops_a_wait(name: &str, unseen: bool) {
    let lock = lockutils::lock(name).external();
    let mut waiting = Box::pin(lock.acquire_async());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "the lock was free");
    say("waits");
    io::stdin().read_line(&mut String::new()).expect("the test speaks");
    if unseen {
        lockutils_tests::eventually("the lock comes", || woken.0.load(SeqCst));
    }
    match forked() {
        ForkResult::Child => {
            drop(waiting);
            end_child();
        }
        ForkResult::Parent { child } => {
            end_of(child);
            say("forked");
            let _guard = futures_lite::future::block_on(waiting).expect("the lock");
            say("held");
            wait_for_end();
        }
    }
}

/// The child asks after the guard of a distributed lock that it has inherited, and drops it. It asks for the lock by a session of
/// its own; then the parent goes on holding it.
pub(crate) fn child_of_a_session(url: &str, name: &str) {
    let locks = Locks::new(Config::new().backend_url(url)).expect("a registry");
    let lock = locks.lock(name).distributed();
    let guard = lock.acquire().expect("free");
    match forked() {
        ForkResult::Child => {
            for asked in [guard.check(), guard.extend(Duration::from_secs(60))] {
                say(asked.map_or_else(|error| error.to_string(), |()| "answered".to_owned()));
            }
            drop(guard);
            say(match lock.try_acquire() {
                Ok(None) => "busy".to_owned(),
                Ok(Some(_)) => "held".to_owned(),
                Err(error) => error.to_string(),
            });
            drop((lock, locks));
            end_child();
        }
        ForkResult::Parent { child } => {
            end_of(child);
            guard.check().expect("it is the parent's");
            say("held");
            wait_for_end();
            guard.release().expect("it is the parent's");
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

pub(crate) fn forked() -> ForkResult {
    // SAFETY: where this program has other threads, the child does no more than drop guards and waits that only the
    // calling thread knows, read, and end: it needs no lock that one of those threads may have at this moment.
    unsafe { fork() }.expect("a child")
}

/// Ends the child as a service's worker does: without running anything of the parent's.
pub(crate) fn end_child() -> ! {
    // SAFETY: `_exit` takes a number and does not return.
    unsafe { libc::_exit(0) }
}

pub(crate) fn end_of(child: Pid) {
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "the child ends well");
}
