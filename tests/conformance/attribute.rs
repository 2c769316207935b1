//! The ways that the attribute offers.

use std::path::PathBuf;

use lockutils::{Error, Locks, synchronized};

use super::support::{LONG, block_on};
use super::ways::{Ask, PERMITS, Scope, ran};

type Body<'a> = &'a mut dyn FnMut();

pub(super) fn function(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{name}", locks = locks, internal)]
    fn unlimited(locks: &Locks, name: &str, body: Body<'_>) {
        body();
    }
    #[synchronized("{name}", locks = locks, blocking = false)]
    fn now(locks: &Locks, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{name}", locks = locks, external)]
    fn file(locks: &Locks, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{name}", locks = locks, external, timeout = "3ms")]
    fn file_for_a_moment(locks: &Locks, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{name}", locks = locks, distributed)]
    fn engine(locks: &Locks, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{name}", locks = locks, distributed, blocking = false)]
    fn engine_now(locks: &Locks, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    ran(match (ask.scope, ask.patient) {
        (Scope::Internal, true) => {
            unlimited(&ask.locks, &ask.name, body);
            Ok(())
        }
        (Scope::Internal, false) => now(&ask.locks, &ask.name, body),
        (Scope::External, true) => file(&ask.locks, &ask.name, body),
        (Scope::External, false) => file_for_a_moment(&ask.locks, &ask.name, body),
        (Scope::Distributed, true) => engine(&ask.locks, &ask.name, body),
        (Scope::Distributed, false) => engine_now(&ask.locks, &ask.name, body),
    })
}

/// Makes a way of functions with and without a file and with a time-out.
macro_rules! timed {
    ($way:ident: $($option:tt)*) => {
        pub(super) fn $way(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
            #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), $($option)*)]
            fn inside(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
                body();
                Ok(())
            }
            #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), external, $($option)*)]
            fn between(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
                body();
                Ok(())
            }
            #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), distributed, $($option)*)]
            fn beyond(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
                body();
                Ok(())
            }
            ran(match ask.scope {
                Scope::Internal => inside(ask, body),
                Scope::External => between(ask, body),
                Scope::Distributed => beyond(ask, body),
            })
        }
    };
}

timed!(fair: fair);
timed!(read: read);
timed!(write: write);
timed!(reentrant: reentrant = 3);

pub(super) fn task(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask))]
    async fn inside(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), external)]
    async fn between(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), distributed)]
    async fn beyond(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    ran(block_on(async {
        match ask.scope {
            Scope::Internal => inside(ask, body).await,
            Scope::External => between(ask, body).await,
            Scope::Distributed => beyond(ask, body).await,
        }
    }))
}

/// A task that does not wait; where it may, the one above.
pub(super) fn task_now(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{ask.name}", locks = ask.locks, blocking = false)]
    async fn inside(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", locks = ask.locks, blocking = false, external)]
    async fn between(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", locks = ask.locks, blocking = false, distributed)]
    async fn beyond(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    if ask.patient {
        return task(ask, body);
    }
    ran(block_on(async {
        match ask.scope {
            Scope::Internal => inside(ask, body).await,
            Scope::External => between(ask, body).await,
            Scope::Distributed => beyond(ask, body).await,
        }
    }))
}

/// What only an engine has.
pub(super) fn expires(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), distributed, expires = "60s",
        identifier = "who", require = Leased)]
    fn beyond(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    if ask.scope == Scope::Distributed { ran(beyond(ask, body)) } else { function(ask, body) }
}

pub(super) fn semaphore(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{ask.name}", locks = ask.locks, semaphore = PERMITS, timeout = limit(ask))]
    fn inside(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", locks = ask.locks, semaphore = PERMITS, timeout = limit(ask), external)]
    fn between(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", locks = ask.locks, semaphore = PERMITS, timeout = limit(ask), distributed)]
    fn beyond(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    ran(match ask.scope {
        Scope::Internal => inside(ask, body),
        Scope::External => between(ask, body),
        Scope::Distributed => beyond(ask, body),
    })
}

pub(super) fn prefix(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{name}", locks = ask.locks, timeout = limit(ask), prefix = prefix)]
    fn inside(ask: &Ask, prefix: &str, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{name}", locks = ask.locks, timeout = limit(ask), prefix = prefix, external)]
    fn between(ask: &Ask, prefix: &str, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{name}", locks = ask.locks, timeout = limit(ask), prefix = prefix, distributed)]
    fn beyond(ask: &Ask, prefix: &str, name: &str, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    let (prefix, name) = ask.name.split_once('-').expect("the names of this suite have a hyphen");
    ran(match ask.scope {
        Scope::Internal => inside(ask, prefix, name, body),
        Scope::External => between(ask, prefix, name, body),
        Scope::Distributed => beyond(ask, prefix, name, body),
    })
}

/// A directory belongs to an external lock only.
pub(super) fn lock_path(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), external, lock_path = directory(ask),
        on_error = Err, crate = ::lockutils)]
    fn between(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    if ask.scope == Scope::External { ran(between(ask, body)) } else { function(ask, body) }
}

pub(super) fn two_names(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{ask.name}", "a-{ask.name}", locks = ask.locks, timeout = limit(ask))]
    fn inside(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", "a-{ask.name}", locks = ask.locks, timeout = limit(ask), external)]
    fn between(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    #[synchronized("{ask.name}", "a-{ask.name}", locks = ask.locks, timeout = limit(ask), distributed)]
    fn beyond(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    ran(match ask.scope {
        Scope::Internal => inside(ask, body),
        Scope::External => between(ask, body),
        Scope::Distributed => beyond(ask, body),
    })
}

fn limit(ask: &Ask) -> std::time::Duration {
    if ask.patient { LONG } else { ask.moment }
}

fn directory(ask: &Ask) -> PathBuf {
    ask.locks.lock_path().expect("the registries of this suite have a directory")
}
