//! Takes a lock of an engine, as that gives it: without a queue of this process in front.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::distributed::{self, Backend, BackendUrl, Caller, Entered, Failure, Grant, Request, Share};

use crate::say;

/// Does what the lines of the input say, with a session that lasts so many milliseconds:
///
/// | told | answers |
/// |---|---|
/// | `try`, `wait` | `held`, `busy` |
/// | `queue` | `queued` if it has to wait, and then as `wait` |
/// | `release`, `check` | `released`, `held`, or why not |
/// | `lost` | `no`, or the reason |
/// | `token` | the number |
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
        let request = Request::new(name, Share::Write).identified("helper");
        let held = || self.grant.clone().expect("it has the lock");
        match line {
            "try" => self.take(request, false),
            "wait" => self.take(request.waiting(), false),
            "queue" => self.take(request.waiting(), true),
            "release" => {
                let released = self.backend.release(held(), Caller::Task);
                block_on(released).map(|()| "released".to_owned())
            }
            "check" => {
                let checked = self.backend.verify(held(), Caller::Task);
                block_on(checked).map(|()| "held".to_owned())
            }
            "lost" => Ok(held().lease().loss().map_or("no".to_owned(), |loss| format!("{loss:?}"))),
            "token" => Ok(held().token().to_string()),
            other => panic!("not known: {other}"),
        }
    }

    fn take(&mut self, request: Request, tells: bool) -> Result<String, Failure> {
        let grant = match block_on(self.backend.enter(request))? {
            Entered::Busy => return Ok("busy".to_owned()),
            Entered::Held(grant) => grant,
            Entered::Queued(wait) => {
                if tells {
                    say("queued");
                }
                block_on(wait)?
            }
        };
        self.grant = Some(Arc::new(grant));
        Ok("held".to_owned())
    }
}
