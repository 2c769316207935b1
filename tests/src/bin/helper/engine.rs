//! Takes a lock of an engine, as that gives it: without a queue of this process in front.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::distributed::{self, Backend, BackendUrl, Entered, Failure, Grant, Request, Share};

use crate::say;

/// Does what the lines of the input say: `try`, `wait`, `release`, `verify`, `lost`, `token`. The session lasts for `ttl`
/// milliseconds.
pub(crate) fn act(url: &str, ttl: &str, name: &str) {
    let ttl = Duration::from_millis(ttl.parse().expect("milliseconds"));
    let url = BackendUrl::parse(url).expect("a URL");
    let mut actor = Actor { backend: distributed::connect(&url, ttl).expect("an engine"), grant: None };
    for line in io::stdin().lines().map_while(Result::ok) {
        let answer = actor.answer(name, &line);
        say(answer.unwrap_or_else(|failure| format!("error {failure}")));
    }
    actor.backend.close();
}

struct Actor {
    backend: Arc<dyn Backend>,
    grant: Option<Arc<Grant>>,
}

impl Actor {
    fn answer(&mut self, name: &str, line: &str) -> Result<String, Failure> {
        let request = Request::new(name, Share::Write);
        let held = || self.grant.clone().expect("it has the lock");
        match line {
            "try" => self.take(request),
            "wait" => self.take(request.waiting()),
            "release" => {
                let released = self.backend.release(held(), distributed::Caller::Task);
                block_on(released).map(|()| "released".to_owned())
            }
            "verify" => {
                let verified = self.backend.verify(held(), distributed::Caller::Task);
                block_on(verified).map(|()| "held".to_owned())
            }
            "lost" => Ok(held().lease().loss().map_or("no".to_owned(), |loss| format!("{loss:?}"))),
            "token" => Ok(held().token().to_string()),
            other => panic!("not known: {other}"),
        }
    }

    fn take(&mut self, request: Request) -> Result<String, Failure> {
        let grant = match block_on(self.backend.enter(request))? {
            Entered::Busy => return Ok("busy".to_owned()),
            Entered::Held(grant) => grant,
            Entered::Queued(wait) => block_on(wait)?,
        };
        self.grant = Some(Arc::new(grant));
        Ok("held".to_owned())
    }
}
