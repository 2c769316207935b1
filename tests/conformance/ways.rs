//! The table: every way to take a lock, one line each.

use std::time::{Duration, Instant};

use lockutils::distributed::Promise;
use lockutils::{Cancel, Error, Lock, LockAll, Locks};

use super::attribute;
use super::support::{LONG, TINY, block_on, single};

/// Who can be in together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Alone,
    Reader,
    Permit,
}

impl Kind {
    pub(crate) fn shares_with(self, other: Self) -> bool {
        self == other && self != Self::Alone
    }
}

/// How far a lock reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Internal,
    External,
    Distributed,
}

/// What is to be taken, and how long to wait for it.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) locks: Locks,
    pub(crate) name: String,
    pub(crate) scope: Scope,
    /// Waits as long as it takes; otherwise the way gives up at once or after a moment.
    pub(crate) patient: bool,
    /// That moment.
    pub(crate) moment: Duration,
}

impl Ask {
    fn lock(&self) -> Lock {
        self.scope(self.locks.lock(&self.name))
    }

    fn permit(&self) -> Lock {
        self.scope(self.locks.semaphore(&self.name, PERMITS))
    }

    fn scope(&self, lock: Lock) -> Lock {
        match self.scope {
            Scope::Internal => lock.internal(),
            Scope::External => lock.external(),
            Scope::Distributed => lock.distributed(),
        }
    }

    fn all<const N: usize>(&self, names: [&str; N]) -> LockAll {
        let all = self.locks.lock_all(names);
        match self.scope {
            Scope::Internal => all.internal(),
            Scope::External => all.external(),
            Scope::Distributed => all.distributed(),
        }
    }

    /// The lock alone, with how long to wait said by a time-out only where it has to be.
    fn limited(&self, lock: Lock) -> Lock {
        if self.patient { lock } else { lock.timeout(self.moment) }
    }

    fn limited_all(&self, all: LockAll) -> LockAll {
        if self.patient { all } else { all.timeout(self.moment) }
    }
}

pub(crate) const PERMITS: u32 = 2;

/// Takes what was asked for, runs the body while it is held, and lets go. `Ok(false)`: busy, and nothing has
/// run.
type Take = fn(&Ask, &mut dyn FnMut()) -> Result<bool, Error>;

/// One way to take a lock.
pub(crate) struct Way {
    /// What it uses of the public face, as `Type::function`; the first names it.
    pub(crate) uses: &'static [&'static str],
    /// As what it comes in.
    pub(crate) comes: Kind,
    /// As what it stays.
    pub(crate) stays: Kind,
    pub(crate) take: Take,
}

const fn alone(uses: &'static [&'static str], take: Take) -> Way {
    Way { uses, comes: Kind::Alone, stays: Kind::Alone, take }
}

const fn reader(uses: &'static [&'static str], take: Take) -> Way {
    Way { comes: Kind::Reader, stays: Kind::Reader, ..alone(uses, take) }
}

const fn permit(uses: &'static [&'static str], take: Take) -> Way {
    Way { comes: Kind::Permit, stays: Kind::Permit, ..alone(uses, take) }
}

/// Every way to take a lock.
pub(crate) const WAYS: &[Way] = &[
    alone(
        &["Lock::acquire", "Lock::external", "Lock::internal", "Lock::distributed", "Locks::lock"],
        |ask, body| done(ask.limited(ask.lock()).acquire(), body),
    ),
    alone(&["Lock::try_acquire"], |ask, body| tried(ask, || ask.lock().try_acquire(), body)),
    alone(&["Lock::try_acquire_async"], |ask, body| {
        tried(ask, || block_on(ask.lock().try_acquire_async()), body)
    }),
    alone(&["Lock::expires"], |ask, body| done(ask.limited(ask.lock()).expires(LONG).acquire(), body)),
    alone(&["Lock::ephemeral", "Lock::identifier", "Lock::require"], |ask, body| {
        let lock = ask.limited(ask.lock()).ephemeral(false).identifier("who").require(Promise::Leased);
        done(lock.acquire(), body)
    }),
    alone(&["Lock::acquire_async"], |ask, body| {
        done(block_on(ask.limited(ask.lock()).acquire_async()), body)
    }),
    alone(&["Lock::acquire_async", "tokio"], |ask, body| {
        done(single().block_on(ask.limited(ask.lock()).acquire_async()), body)
    }),
    alone(&["Lock::run"], |ask, body| ran(ask.limited(ask.lock()).run(body))),
    alone(&["Lock::fair"], |ask, body| done(ask.limited(ask.lock()).fair().acquire(), body)),
    alone(&["Lock::fair", "Lock::acquire_async"], |ask, body| {
        done(block_on(ask.limited(ask.lock()).fair().acquire_async()), body)
    }),
    alone(&["Lock::write"], |ask, body| done(ask.limited(ask.lock().read().write()).acquire(), body)),
    reader(&["Lock::read"], |ask, body| done(ask.limited(ask.lock()).read().acquire(), body)),
    reader(&["Lock::read", "Lock::try_acquire"], |ask, body| {
        tried(ask, || ask.lock().read().try_acquire(), body)
    }),
    reader(&["Lock::read", "Lock::acquire_async"], |ask, body| {
        done(block_on(ask.limited(ask.lock()).read().acquire_async()), body)
    }),
    reader(&["Lock::read", "Lock::run"], |ask, body| ran(ask.limited(ask.lock()).read().run(body))),
    Way {
        stays: Kind::Reader,
        ..alone(&["LockGuard::downgrade"], |ask, body| {
            done(ask.limited(ask.lock()).acquire().and_then(lockutils::LockGuard::downgrade), body)
        })
    },
    permit(&["Lock::acquire", "Locks::semaphore"], |ask, body| {
        done(ask.limited(ask.permit()).acquire(), body)
    }),
    permit(&["Lock::try_acquire", "Locks::semaphore"], |ask, body| {
        tried(ask, || ask.permit().try_acquire(), body)
    }),
    permit(&["Lock::acquire_async", "Locks::semaphore"], |ask, body| {
        done(block_on(ask.limited(ask.permit()).acquire_async()), body)
    }),
    alone(&["Lock::timeout"], |ask, body| {
        done(ask.lock().timeout(if ask.patient { LONG } else { ask.moment }).acquire(), body)
    }),
    alone(&["Lock::timeout", "Lock::acquire_async"], |ask, body| {
        done(block_on(ask.lock().timeout(if ask.patient { LONG } else { ask.moment }).acquire_async()), body)
    }),
    alone(&["Lock::deadline"], |ask, body| {
        done(
            ask.lock().deadline(Instant::now() + if ask.patient { LONG } else { ask.moment }).acquire(),
            body,
        )
    }),
    alone(&["Lock::cancel_on"], |ask, body| done(ask.lock().cancel_on(&cancel(ask)).acquire(), body)),
    alone(&["Lock::cancel_on", "Lock::acquire_async"], |ask, body| {
        done(block_on(ask.lock().cancel_on(&cancel(ask)).acquire_async()), body)
    }),
    alone(&["Lock::prefix"], |ask, body| {
        let (prefix, name) = ask.name.split_once('-').expect("the names of this suite have a hyphen");
        done(ask.limited(ask.scope(ask.locks.lock(name))).prefix(prefix).acquire(), body)
    }),
    alone(&["Lock::lock_path"], |ask, body| {
        let path = ask.locks.lock_path().expect("the registries of this suite have a directory");
        done(ask.limited(ask.lock()).lock_path(path).acquire(), body)
    }),
    alone(&["Lock::hashed"], |ask, body| done(ask.limited(ask.lock()).hashed().acquire(), body)),
    alone(&["Lock::timed"], |ask, body| done(ask.limited(ask.lock()).timed().acquire(), body)),
    alone(&["Lock::acquire", "kept"], |ask, body| {
        let lock = ask.limited(ask.lock());
        for _ in 0..3 {
            let _ = lock.try_acquire()?;
        }
        done(lock.acquire(), body)
    }),
    reader(&["Lock::read", "kept"], |ask, body| {
        let lock = ask.limited(ask.lock()).read();
        for _ in 0..3 {
            let _ = lock.try_acquire()?;
        }
        done(lock.acquire(), body)
    }),
    alone(&["Reentrant::acquire", "Lock::reentrant"], |ask, body| {
        done(ask.limited(ask.lock()).reentrant(3).acquire(), body)
    }),
    alone(&["Reentrant::try_acquire"], |ask, body| {
        tried(ask, || ask.lock().reentrant(3).try_acquire(), body)
    }),
    alone(&["Reentrant::run"], |ask, body| ran(ask.limited(ask.lock()).reentrant(3).run(body))),
    alone(&["Reentrant::acquire", "twice"], |ask, body| {
        let lock = ask.limited(ask.lock()).reentrant(3);
        let outer = match lock.acquire() {
            Ok(outer) => outer,
            Err(error) => return busy(error),
        };
        let inner = lock.acquire()?;
        drop(outer);
        done(Ok(inner), body)
    }),
    reader(&["Reentrant::acquire", "Lock::read"], |ask, body| {
        done(ask.limited(ask.lock()).read().reentrant(3).acquire(), body)
    }),
    alone(
        &[
            "LockAll::acquire",
            "Locks::lock_all",
            "LockAll::external",
            "LockAll::internal",
            "LockAll::distributed",
        ],
        |ask, body| done(ask.limited_all(ask.all([&ask.name])).acquire(), body),
    ),
    alone(&["LockAll::acquire", "two names"], |ask, body| {
        let first = format!("a-{}", ask.name);
        done(ask.limited_all(ask.all([&ask.name, &first, &ask.name])).acquire(), body)
    }),
    alone(&["LockAll::try_acquire"], |ask, body| tried(ask, || ask.all([&ask.name]).try_acquire(), body)),
    alone(&["LockAll::try_acquire_async"], |ask, body| {
        tried(ask, || block_on(ask.all([&ask.name]).try_acquire_async()), body)
    }),
    alone(
        &["LockAll::expires", "LockAll::ephemeral", "LockAll::identifier", "LockAll::require"],
        |ask, body| {
            let all = ask.limited_all(ask.all([&ask.name])).expires(LONG).ephemeral(true).identifier("who");
            done(all.require(Promise::Leased).acquire(), body)
        },
    ),
    alone(&["LockAll::acquire_async"], |ask, body| {
        done(block_on(ask.limited_all(ask.all([&ask.name])).acquire_async()), body)
    }),
    reader(&["LockAll::read"], |ask, body| {
        done(ask.limited_all(ask.all([&ask.name])).read().acquire(), body)
    }),
    alone(&["LockAll::write"], |ask, body| {
        done(ask.limited_all(ask.all([&ask.name]).read().write()).acquire(), body)
    }),
    alone(&["LockAll::fair"], |ask, body| done(ask.limited_all(ask.all([&ask.name])).fair().acquire(), body)),
    alone(&["LockAll::hashed"], |ask, body| {
        done(ask.limited_all(ask.all([&ask.name])).hashed().acquire(), body)
    }),
    alone(&["LockAll::timeout"], |ask, body| {
        done(ask.all([&ask.name]).timeout(if ask.patient { LONG } else { ask.moment }).acquire(), body)
    }),
    alone(&["LockAll::deadline"], |ask, body| {
        let end = Instant::now() + if ask.patient { LONG } else { ask.moment };
        done(ask.all([&ask.name]).deadline(end).acquire(), body)
    }),
    alone(&["LockAll::cancel_on"], |ask, body| {
        done(ask.all([&ask.name]).cancel_on(&cancel(ask)).acquire(), body)
    }),
    alone(&["LockAll::prefix"], |ask, body| {
        let (prefix, name) = ask.name.split_once('-').expect("the names of this suite have a hyphen");
        done(ask.limited_all(ask.all([name]).prefix(prefix)).acquire(), body)
    }),
    alone(&["LockAll::lock_path"], |ask, body| {
        let path = ask.locks.lock_path().expect("the registries of this suite have a directory");
        done(ask.limited_all(ask.all([&ask.name])).lock_path(path).acquire(), body)
    }),
    alone(&["Locks::with_prefix"], |ask, body| {
        let (prefix, name) = ask.name.split_once('-').expect("the names of this suite have a hyphen");
        done(ask.limited(ask.scope(ask.locks.with_prefix(prefix).lock(name))).acquire(), body)
    }),
    alone(
        &["synchronized", "#locks", "#external", "#distributed", "#internal", "#timeout", "#blocking"],
        attribute::function,
    ),
    alone(&["synchronized", "async"], attribute::task),
    alone(&["synchronized", "async", "#blocking"], attribute::task_now),
    alone(&["synchronized", "#expires", "#identifier", "#require"], attribute::expires),
    alone(&["synchronized", "#fair"], attribute::fair),
    reader(&["synchronized", "#read"], attribute::read),
    alone(&["synchronized", "#write"], attribute::write),
    alone(&["synchronized", "#reentrant"], attribute::reentrant),
    permit(&["synchronized", "#semaphore"], attribute::semaphore),
    alone(&["synchronized", "#prefix"], attribute::prefix),
    alone(&["synchronized", "#lock_path", "#on_error", "#crate"], attribute::lock_path),
    alone(&["synchronized", "two names"], attribute::two_names),
];

fn done<G>(taken: Result<G, Error>, body: &mut dyn FnMut()) -> Result<bool, Error> {
    match taken {
        Ok(guard) => {
            body();
            drop(guard);
            Ok(true)
        }
        Err(error) => busy(error),
    }
}

/// Tries once, or again and again.
fn tried<G>(
    ask: &Ask,
    take: impl Fn() -> Result<Option<G>, Error>,
    body: &mut dyn FnMut(),
) -> Result<bool, Error> {
    loop {
        match take()? {
            Some(guard) => return done(Ok(guard), body),
            None if ask.patient => std::thread::sleep(TINY),
            None => return Ok(false),
        }
    }
}

/// The outcome of something that runs the body itself.
pub(super) fn ran(ran: Result<(), Error>) -> Result<bool, Error> {
    ran.map_or_else(busy, |()| Ok(true))
}

/// Busy is an answer; everything else is a mistake.
fn busy(error: Error) -> Result<bool, Error> {
    if error.is_timeout() || error.is_busy() || error.is_cancelled() { Ok(false) } else { Err(error) }
}

/// Cancelled already for those who do not wait.
fn cancel(ask: &Ask) -> Cancel {
    let cancel = Cancel::new();
    if !ask.patient {
        cancel.cancel();
    }
    cancel
}
