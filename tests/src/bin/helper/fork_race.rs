//! A process that forks in the moment in which a lock goes from one thread to another, again and again.

use std::io::{PipeWriter, Read, pipe};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use lockutils::{Config, Lock, LockGuard, Locks, Mechanism};
use lockutils_tests::{BOUND, asleep};
use nix::unistd::{ForkResult, Pid, gettid};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::fork::{end_child, end_of, forked};
use crate::say;

/// Waiters of one process.
pub(crate) fn inside(times: &str, seed: &str) {
    let locks = registry();
    rounds(times, seed, |random, name| {
        let guard = locks.lock(name).acquire().expect("free");
        let waiters = [(); 2].map(|()| Waiter::any(&locks, name, random));
        race(random, guard, &waiters, None);
        drop(locks.lock(name).try_acquire().expect("a valid name").expect("nobody is left"));
        assert!(locks.is_empty(), "a name stays");
    });
}

/// A holder and two waiters with a registry each, as in three processes; a fourth one looks whether the file is held.
pub(crate) fn outside(times: &str, seed: &str) {
    let [holder, one, other, observer] = [(); 4].map(|()| registry());
    rounds(times, seed, |random, name| {
        let guard = holder.lock(name).external().acquire().expect("free");
        let waiters = [&one, &other].map(|locks| Waiter::any(locks, name, random).external());
        let observer = observer.lock(name).external();
        race(random, guard, &waiters, Some(&observer));
        assert!([&holder, &one, &other].into_iter().all(Locks::is_empty), "a name stays");
    });
}

fn registry() -> Locks {
    Locks::new(Config::from_env()).expect("the test has set it")
}

fn rounds(times: &str, seed: &str, mut round: impl FnMut(&mut StdRng, &str)) {
    let mut random = StdRng::seed_from_u64(seed.parse().expect("a number"));
    for number in 0..times.parse().expect("a number") {
        round(&mut random, &format!("round-{number}"));
        say(number);
    }
}

/// Somebody who waits for the lock.
struct Waiter {
    lock: Lock,
    in_a_task: bool,
    is_writer: bool,
    is_patient: bool,
}

impl Waiter {
    fn any(locks: &Locks, name: &str, random: &mut StdRng) -> Self {
        let (lock, mechanism) = (locks.lock(name), Config::from_env().mechanism);
        // The last one is to read, which pid files do not have.
        let kind = random.random_range(if mechanism == Mechanism::Pid { 0..5 } else { 0..6 });
        let lock = match kind {
            0 => lock,
            1 | 2 => lock.fair(),
            3 => lock.timeout(BOUND / 2),
            // Its time may be over before the lock is let go, or after.
            4 => lock.timeout(Duration::from_millis(random.random_range(0..15))),
            _ => lock.read(),
        };
        Self { lock, in_a_task: random.random(), is_writer: kind != 5, is_patient: kind != 4 }
    }

    fn external(self) -> Self {
        Self { lock: self.lock.external(), ..self }
    }

    /// `None`: its time was over, and it was short.
    fn wait(&self) -> Option<LockGuard> {
        let taken = if self.in_a_task {
            futures_lite::future::block_on(self.lock.acquire_async())
        } else {
            self.lock.acquire()
        };
        match taken {
            Ok(guard) => Some(guard),
            Err(error) if error.is_timeout() && !self.is_patient => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Is alone, as long as it writes. Stays until the child has ended, if that is about to.
    fn visit(&self, inside: &AtomicBool, may_leave: &AtomicBool, observer: Option<&Lock>) {
        let Some(_guard) = self.wait() else { return };
        assert!(!self.is_writer || !inside.swap(true, SeqCst), "two have the lock");
        let look = || {
            let found = observer.map(|observer| observer.try_acquire().expect("busy is no error"));
            assert!(!matches!(found, Some(Some(_))), "the file of the holder is free");
        };
        look();
        while !may_leave.load(SeqCst) {
            thread::yield_now();
        }
        look();
        if self.is_writer {
            inside.store(false, SeqCst);
        }
    }
}

/// Lets go while the waiters sleep and another thread forks. Each waiter gets the lock, and nothing stays locked, also
/// while the child lives.
fn race(random: &mut StdRng, guard: LockGuard, waiters: &[Waiter], observer: Option<&Lock>) {
    let (start, child_stays) = (Barrier::new(2), random.random());
    let [before_fork, before_release] = [(); 2].map(|()| random.random_range(0..3_000));
    let (inside, may_leave) = (AtomicBool::new(false), AtomicBool::new(child_stays));
    let pause = |turns: u32| {
        start.wait();
        (0..turns).for_each(|_| std::hint::spin_loop());
    };
    let (inside, may_leave, pause) = (&inside, &may_leave, &pause);
    thread::scope(|scope| {
        let (tell, ids) = mpsc::channel();
        let visits = waiters.iter().map(|waiter| {
            let tell = tell.clone();
            scope.spawn(move || {
                tell.send((gettid(), waiter.is_patient)).expect("it is listened to");
                waiter.visit(inside, may_leave, observer);
            })
        });
        let visits: Vec<_> = visits.collect();
        // The impatient may not be there for long enough to be seen asleep.
        let patient = ids.iter().take(waiters.len()).filter(|(_, is_patient)| *is_patient);
        patient.for_each(|(thread, _)| asleep(thread));
        let forks = scope.spawn(move || {
            pause(before_fork);
            let child = fork_child(child_stays);
            if let Child::Ended = child {
                may_leave.store(true, SeqCst);
            }
            child
        });
        pause(before_release);
        drop(guard);
        let child = forks.join().expect("it does not panic");
        for visit in visits {
            visit.join().expect("it does not panic");
        }
        // The child that stays has copies of all descriptors, and keeps nothing by them.
        if let Some(observer) = observer {
            drop(observer.clone().timeout(BOUND / 2).acquire().expect("nobody is left"));
        }
        child.end();
    });
}

enum Child {
    Ended,
    Lives(Pid, PipeWriter),
}

/// A child that ends at once, or does nothing until it is told to end.
fn fork_child(stays: bool) -> Child {
    let (mut told, tell) = pipe().expect("a pipe");
    match forked() {
        ForkResult::Child => {
            drop(tell);
            if stays {
                let _ = told.read(&mut [0]);
            }
            end_child();
        }
        ForkResult::Parent { child } if stays => Child::Lives(child, tell),
        ForkResult::Parent { child } => {
            end_of(child);
            Child::Ended
        }
    }
}

impl Child {
    fn end(self) {
        if let Self::Lives(child, tell) = self {
            drop(tell);
            end_of(child);
        }
    }
}
