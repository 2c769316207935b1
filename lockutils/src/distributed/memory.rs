//! An engine in the memory of this process, for tests: all clients of one URL share its locks. It keeps every promise that can
//! be kept without a network, and is how the others are meant to behave.

mod place;
mod queue;
mod space;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use self::place::Place;
use self::space::{Asked, Space};
use super::open::{REQUEST_TIMEOUT, Settings, wrong};
use super::{
    Answer, Backend, Caller, Contender, Entered, Failure, Grant, Lease, Loss, Moment, Promise, Promises,
    Request,
};
use crate::error::Error;

/// One client.
#[derive(Debug)]
struct Memory {
    space: Arc<Space>,
    session: u64,
    location: String,
}

pub(super) fn open(settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    static SESSIONS: AtomicU64 = AtomicU64::new(1);
    let url = &settings.url;
    if !url.hosts().is_empty() {
        return Err(wrong("`memory:` has no hosts; write `memory:` or `memory:name`"));
    }
    url.expect_keys(&[REQUEST_TIMEOUT])?;
    let session = SESSIONS.fetch_add(1, Relaxed);
    Ok(Arc::new(Memory { space: Space::named(url.path()), session, location: url.to_string() }))
}

impl Backend for Memory {
    fn promises(&self) -> Promises {
        Promises::of(&Promise::ALL)
    }

    fn location(&self) -> &str {
        &self.location
    }

    fn enter(&self, request: Request) -> Answer<Entered> {
        if let Err(failure) = request.without_patterns() {
            return done(Err(failure));
        }
        let lease = lease(&request);
        done(self.space.enter(Asked { request, session: self.session, lease }))
    }

    fn release(&self, grant: Arc<Grant>, _: Caller) -> Answer<()> {
        let held = check(&grant);
        if let Some(place) = grant.place::<Place>() {
            place.leave();
        }
        done(held)
    }

    fn verify(&self, grant: Arc<Grant>, _: Caller) -> Answer<()> {
        if !grant.place::<Place>().is_some_and(Place::holds) {
            grant.lease().lose(Loss::Removed);
        }
        done(check(&grant))
    }

    fn extend(&self, grant: Arc<Grant>, length: Duration, _: Caller) -> Answer<()> {
        let expires = grant.place::<Place>().is_some_and(|place| place.expires);
        done(match check(&grant) {
            Ok(()) if !expires => Err(KEPT_ALIVE),
            Ok(()) if !grant.lease().reset(Moment::now(), length) => check(&grant),
            held => held,
        })
    }

    fn contenders(&self, request: Request) -> Answer<Vec<Contender>> {
        done(Ok(self.space.contenders(&request.name)))
    }

    fn destroy(&self, request: Request) -> Answer<()> {
        self.space.destroy(&request.name);
        done(Ok(()))
    }

    fn cluster(&self, _: Caller) -> Answer<String> {
        done(Ok(self.location.clone()))
    }

    fn close(&self) {
        self.space.close(self.session);
    }
}

/// It goes with the process, which nobody outlives here.
fn lease(request: &Request) -> Arc<Lease> {
    request.expires.map_or_else(Lease::endless, |length| Lease::for_a_time(Moment::now(), length))
}

fn check(grant: &Grant) -> Result<(), Failure> {
    grant.lease().loss().map_or(Ok(()), |loss| Err(Failure::Lost(loss)))
}

/// What [`extend`](Backend::extend) says of a lock that does not expire.
pub(super) const KEPT_ALIVE: Failure = Failure::Unsupported {
    what: "the lease of this lock is kept alive, so there is nothing to extend",
    instead: "take it with `expires` to decide yourself how long it lasts",
};

fn done<T: Send + 'static>(result: Result<T, Failure>) -> Answer<T> {
    Box::pin(std::future::ready(result))
}
