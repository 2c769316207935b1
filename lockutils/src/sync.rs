//! What the in-process half is built from, so that loom can run it: kinds import from here, never from
//! `std::sync`.

#[cfg(loom)]
pub(crate) use self::model::{Condvar, Mutex};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::atomic::Ordering;

/// Tells loom that something is in use, so that it finds a use that may come after the end. Nothing
/// otherwise.
#[derive(Default)]
pub(crate) struct Lifetime(#[cfg(loom)] loom::cell::UnsafeCell<()>);

#[cfg(loom)]
// SAFETY: there is nothing in it; loom checks the order of the accesses.
unsafe impl Sync for Lifetime {}

impl Lifetime {
    /// It is in use now.
    #[inline]
    #[cfg_attr(not(loom), expect(clippy::unused_self, reason = "only loom looks"))]
    pub(crate) fn used(&self) {
        #[cfg(loom)]
        self.0.with(|_| ());
    }

    /// It ends now: every use has come before.
    #[inline]
    #[cfg_attr(not(loom), expect(clippy::unused_self, reason = "only loom looks"))]
    pub(crate) fn ends(&self) {
        #[cfg(loom)]
        self.0.with_mut(|_| ());
    }
}

/// Lets another thread run, between two looks at the word.
pub(crate) fn relax(round: u32) {
    #[cfg(loom)]
    {
        let _ = round;
        loom::thread::yield_now();
    }
    #[cfg(not(loom))]
    if round <= 3 {
        (0..1_u32 << round).for_each(|_| std::hint::spin_loop());
    } else {
        std::thread::yield_now();
    }
}

/// loom's mutex and condition variable with the signatures of `parking_lot`.
#[cfg(loom)]
mod model {
    use std::time::Duration;

    use loom::sync::MutexGuard;

    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("a model that panics has failed already")
        }
    }

    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            replace(guard, |guard| self.0.wait(guard).expect("a model that panics has failed already"));
        }

        /// loom knows no time: the limit never comes.
        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _limit: Duration) {
            self.wait(guard);
        }
    }

    fn replace<G>(guard: &mut G, wait: impl FnOnce(G) -> G) {
        // SAFETY: the guard is read once and written back once. loom's `wait` unwinds only when the model
        // has failed, and that ends the process of the test.
        unsafe { std::ptr::write(guard, wait(std::ptr::read(guard))) }
    }
}
