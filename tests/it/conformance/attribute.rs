//! The ways that the attribute offers.

use std::path::PathBuf;

use lockutils::{Error, Locks, synchronized};

use super::support::{LONG, TINY, block_on};
use super::ways::{Ask, PERMITS, ran};

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
    ran(match (ask.external, ask.patient) {
        (false, true) => {
            unlimited(&ask.locks, &ask.name, body);
            Ok(())
        }
        (false, false) => now(&ask.locks, &ask.name, body),
        (true, true) => file(&ask.locks, &ask.name, body),
        (true, false) => file_for_a_moment(&ask.locks, &ask.name, body),
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
            ran(if ask.external { between(ask, body) } else { inside(ask, body) })
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
    ran(block_on(async { if ask.external { between(ask, body).await } else { inside(ask, body).await } }))
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
    ran(if ask.external { between(ask, body) } else { inside(ask, body) })
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
    let (prefix, name) = ask.name.split_once('-').expect("the names of this suite have a hyphen");
    ran(if ask.external { between(ask, prefix, name, body) } else { inside(ask, prefix, name, body) })
}

/// A directory belongs to an external lock only.
pub(super) fn lock_path(ask: &Ask, body: Body<'_>) -> Result<bool, Error> {
    #[synchronized("{ask.name}", locks = ask.locks, timeout = limit(ask), external, lock_path = directory(ask),
        on_error = Err, crate = ::lockutils)]
    fn between(ask: &Ask, body: Body<'_>) -> Result<(), Error> {
        body();
        Ok(())
    }
    if ask.external { ran(between(ask, body)) } else { function(ask, body) }
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
    ran(if ask.external { between(ask, body) } else { inside(ask, body) })
}

fn limit(ask: &Ask) -> std::time::Duration {
    if ask.patient { LONG } else { TINY }
}

fn directory(ask: &Ask) -> PathBuf {
    ask.locks.lock_path().expect("the registries of this suite have a directory")
}
