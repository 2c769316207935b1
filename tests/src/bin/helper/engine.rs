//! Takes a lock of an engine, without what the library has around that.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::distributed::{self, Backend, BackendUrl, Caller, Entered, Failure, Grant, Request, Share};

use crate::say;

/// Does what the lines of the input say, with a session that lasts so many milliseconds.
pub(crate) fn act(url: &str, ttl: &str, name: &str) {
    let url = BackendUrl::parse(url).expect("a URL");
    let ttl = Duration::from_millis(ttl.parse().expect("a number"));
    let backend = distributed::connect(&url, ttl).expect("an engine of this build");
    let mut held = None;
    for line in io::stdin().lines().map_while(Result::ok) {
        match line.as_str() {
            "try" => held = entered(&*backend, Request::new(name, Share::Write)),
            "wait" => {
                held = entered(&*backend, Request::new(name, Share::Write).waiting().identified("helper"));
            }
            told => say(answer(&*backend, told, held.as_ref().expect("it is held"))),
        }
    }
}

fn entered(backend: &dyn Backend, request: Request) -> Option<Arc<Grant>> {
    let grant = match block_on(backend.enter(request)).expect("it can be asked for") {
        Entered::Held(grant) => Some(grant),
        Entered::Busy => None,
        Entered::Queued(wait) => {
            say("queued");
            Some(block_on(wait).expect("its turn"))
        }
    };
    say(if grant.is_some() { "held" } else { "busy" });
    grant.map(Arc::new)
}

fn answer(backend: &dyn Backend, told: &str, held: &Arc<Grant>) -> String {
    let said = |what: Result<(), Failure>, well: &str| match what {
        Ok(()) => well.to_owned(),
        Err(Failure::Lost(why)) => format!("lost {why:?}"),
        Err(failure) => format!("error {failure}"),
    };
    match told {
        "release" => said(block_on(backend.release(Arc::clone(held), Caller::Task)), "released"),
        "verify" => said(block_on(backend.verify(Arc::clone(held), Caller::Task)), "held"),
        "token" => held.token().to_string(),
        "lease" => held.lease().loss().map_or_else(|| "held".to_owned(), |why| format!("lost {why:?}")),
        _ => panic!("not known: {told:?}"),
    }
}
