//! Locks on a Redis server, one for all processes that use it: the page `docs/redis.md` has all of it.
//!
//! A lock is held by a key that a script sets, as redis-py does it, and is kept by prolonging the key. Those who wait stand in a
//! queue on the server; who lets go calls the next one by publishing to the channel of its process.
//!
//! ```text
//! redis.rs      Backend: what is asked for                      address.rs tls.rs   what the URL says
//!   client.rs   what is asked of the server, and its answers    connect.rs pool.rs  connections
//!   wait.rs     one who waits    line.rs  how it is called      script.rs words.rs lua/   what the server does
//!   keeper.rs   renewals, net    chore.rs what is given back    entry.rs keys.rs    what it has of a lock
//!   workers.rs  threads for tasks                               failure.rs          what its errors mean
//! ```

mod address;
mod chore;
mod client;
mod connect;
mod entry;
mod failure;
mod keeper;
mod keys;
mod line;
mod place;
mod pool;
mod script;
#[cfg_attr(not(feature = "tls"), path = "redis/no_tls.rs")]
mod tls;
mod wait;
mod words;
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::address::Address;
use self::client::{Came, Client, misunderstood};
use self::entry::{Asked, Life};
use self::place::Place;
use self::script::Call;
use self::wait::Waiting;
use super::memory::KEPT_ALIVE;
use super::open::{Settings, wrong};
use super::{
    Answer, Backend, Caller, Contender, Entered, Failure, Grant, Lease, Loss, Moment, Promise, Promises,
    Request,
};
use crate::error::Error;

/// One client.
#[derive(Debug)]
struct Redis(Arc<Client>);

pub(super) fn open(settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    let address = Address::new(settings)?;
    // What cannot be used of it is seen now.
    address.client("localhost", 0).map_err(wrong)?;
    Ok(Arc::new(Redis(Arc::new(Client::new(address)))))
}

/// There is one server at a time, whose memory may be lost, and whose clock may be set: so it is neither linearizable, nor do
/// tokens grow whatever happens, nor does a lock surely survive a failover.
const PROMISES: Promises = Promises::of(&[
    Promise::Leased,
    Promise::Wakes,
    Promise::Readers,
    Promise::Permits,
    Promise::Expires,
    Promise::Persists,
    Promise::ArrivalOrder,
    Promise::Contenders,
]);

/// One of the two times that something may be tried.
struct Turn {
    /// Until when it takes.
    by: Instant,
    is_second: bool,
}

impl Redis {
    fn answer<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl Fn(&Arc<Client>, Turn) -> Result<T, Failure> + Send + 'static,
    ) -> Answer<T> {
        self.answer_or(caller, work, |_, _| {})
    }

    /// Has it done on the thread that asks, or on one of ours for a task. When the time of the thread is over and there is no
    /// answer, it is asked again on one of ours. What is not done at last is seen to by `undone`.
    fn answer_or<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl Fn(&Arc<Client>, Turn) -> Result<T, Failure> + Send + 'static,
        undone: impl Fn(&Arc<Client>, &Failure) + Send + 'static,
    ) -> Answer<T> {
        let by = Instant::now() + self.0.address().request_timeout;
        let mut is_second = false;
        if let Some(until) = self.0.blocks_until(caller) {
            let done = work(&self.0, Turn { by: until.min(by), is_second });
            is_second = until < by && done.as_ref().is_err_and(Failure::may_pass) && Instant::now() >= until;
            if !is_second {
                return ready(done.inspect_err(|failure| undone(&self.0, failure)));
            }
        }
        let client = Arc::clone(&self.0);
        self.0.workers.answer(move || {
            let done = if Instant::now() > by && !is_second {
                Err(Failure::unreachable("earlier requests have taken too long"))
            } else {
                work(&client, Turn { by, is_second })
            };
            done.inspect_err(|failure| undone(&client, failure))
        })
    }
}

fn ready<T: Send + 'static>(result: Result<T, Failure>) -> Answer<T> {
    Box::pin(std::future::ready(result))
}

fn refused<T: Send + 'static>(failure: Failure) -> Answer<T> {
    ready(Err(failure))
}

impl Backend for Redis {
    fn promises(&self) -> Promises {
        PROMISES
    }

    fn location(&self) -> &str {
        &self.0.address().location
    }

    fn enter(&self, request: Request) -> Answer<Entered> {
        if let Err(failure) = request.without_patterns() {
            return refused(failure);
        }
        let asked = Arc::new(self.0.entries.asked(&request));
        let given_up = Arc::clone(&asked);
        self.answer_or(
            request.caller,
            move |client, turn| enter(client, &asked, request.waits, &turn),
            move |client, _| leave_in_doubt(client, &given_up),
        )
    }

    fn release(&self, grant: Arc<Grant>, caller: Caller) -> Answer<()> {
        let loss = grant.lease().loss();
        let Some(place) = grant.place::<Place>().filter(|place| place.end()) else {
            // It was released before.
            return ready(
                loss.filter(|loss| *loss == Loss::Closed).map_or(Ok(()), |loss| Err(Failure::Lost(loss))),
            );
        };
        if let Some(loss) = loss {
            self.0.keeper.leave(&self.0, &place.asked);
            return refused(Failure::Lost(loss));
        }
        let (asked, undone) = (Arc::clone(&place.asked), Arc::clone(&place.asked));
        self.answer_or(
            caller,
            move |client, turn| client.leave(&asked, turn.by, turn.is_second),
            move |client, failure| {
                if !matches!(failure, Failure::Lost(_)) {
                    client.keeper.leave(client, &undone);
                }
            },
        )
    }

    fn verify(&self, grant: Arc<Grant>, caller: Caller) -> Answer<()> {
        self.with_place(grant, caller, |client, place, _, by| {
            client.renew(&place.asked, None, by)?;
            Ok(())
        })
    }

    fn extend(&self, grant: Arc<Grant>, length: Duration, caller: Caller) -> Answer<()> {
        match grant.place::<Place>() {
            Some(place) if matches!(place.asked.life, Life::Expires(_)) => {
                self.prolong(grant, length, caller)
            }
            _ => refused(grant.lease().loss().map_or(KEPT_ALIVE, Failure::Lost)),
        }
    }

    fn contenders(&self, request: Request) -> Answer<Vec<Contender>> {
        let keys = self.0.entries.keys(&request.name, "");
        self.answer(request.caller, move |client, turn| {
            contenders(&client.ask(&Call::look(&keys), turn.by)?.value)
        })
    }

    fn destroy(&self, request: Request) -> Answer<()> {
        let keys = self.0.entries.keys(&request.name, "");
        self.answer(request.caller, move |client, turn| {
            client.ask(&Call::destroy(&keys), turn.by)?;
            Ok(())
        })
    }

    fn cluster(&self, caller: Caller) -> Answer<String> {
        self.answer(caller, |client, turn| {
            let told =
                client.ask_with(turn.by, |connection| redis::cmd("INFO").arg("server").query(connection))?;
            let text: String = redis::from_redis_value(told.value).map_err(Failure::other)?;
            let id = text.lines().find_map(|line| line.strip_prefix("run_id:"));
            id.map(str::to_owned).ok_or_else(|| Failure::other("it does not say its `run_id`"))
        })
    }

    fn close(&self) {
        self.0.close();
    }
}

impl Redis {
    /// Lets it last for so long from now on.
    fn prolong(&self, grant: Arc<Grant>, length: Duration, caller: Caller) -> Answer<()> {
        self.with_place(grant, caller, move |client, place, lease, by| {
            let _extends = place.extends(by)?;
            let now = Moment::now();
            if now.after(length) < lease.end() {
                // It ends earlier from the moment on at which the server knows, whether or not we hear of it.
                lease.reset(now, length);
            }
            let sent = client.renew(&place.asked, Some(length), by)?;
            lease.reset(sent, length);
            Ok(())
        })
    }

    /// Asks something of a lock that is held. What is lost by then is lost, whatever the answer is.
    fn with_place(
        &self,
        grant: Arc<Grant>,
        caller: Caller,
        work: impl Fn(&Client, &Place, &Arc<Lease>, Instant) -> Result<(), Failure> + Send + 'static,
    ) -> Answer<()> {
        if let Some(loss) = grant.lease().loss() {
            return refused(Failure::Lost(loss));
        }
        self.answer(caller, move |client, turn| {
            let Some(place) = grant.place::<Place>() else { return Err(Failure::Lost(Loss::Removed)) };
            let done = work(client, place, grant.lease(), turn.by);
            if let Err(Failure::Lost(loss)) = &done {
                grant.lease().lose(*loss);
            }
            done?;
            grant.lease().loss().map_or(Ok(()), |loss| Err(Failure::Lost(loss)))
        })
    }
}

fn enter(client: &Arc<Client>, asked: &Arc<Asked>, waits: bool, turn: &Turn) -> Result<Entered, Failure> {
    if !waits {
        if let Came::Held(grant) = client.come(asked, false, turn.by)? {
            return Ok(Entered::Held(grant));
        }
        leave_in_doubt(client, asked);
        return Ok(Entered::Busy);
    }
    let waiting = Waiting::new(client, asked);
    match line_up(client, asked, &waiting, turn) {
        Ok(Came::Queued(stand)) => {
            waiting.begins(&stand);
            Ok(Entered::Queued(Box::pin(waiting)))
        }
        Ok(Came::Held(grant)) => Ok(Entered::Held(grant)),
        Ok(Came::Busy) => Ok(Entered::Busy),
        Err(failure) => Err(failure),
    }
}

/// Takes the lock, or queues. Who queues can be called by then; who finds it free needs no line.
fn line_up(
    client: &Arc<Client>,
    asked: &Arc<Asked>,
    waiting: &Waiting,
    turn: &Turn,
) -> Result<Came, Failure> {
    let can_be_called = client.line.add(waiting.wait());
    match client.come(asked, can_be_called, turn.by)? {
        Came::Busy => {
            client.line.open(client, waiting.wait(), turn.by)?;
            Ok(client.come(asked, true, turn.by)?)
        }
        came => Ok(came),
    }
}

/// Gives up what may have been taken, or may still be, by a request that had no answer.
fn leave_in_doubt(client: &Arc<Client>, asked: &Arc<Asked>) {
    if asked.is_in_doubt() {
        client.keeper.leave(client, asked);
    }
}

/// The fence, the type of the key, those who hold the lock, and those who wait for it.
fn contenders(value: &redis::Value) -> Result<Vec<Contender>, Failure> {
    type Look = (u64, String, Vec<Vec<u8>>, Vec<Vec<u8>>);
    let (fence, kind, held, queue): Look =
        redis::from_redis_value_ref(value).map_err(|_| misunderstood(value))?;
    let mut all: Vec<_> = held.iter().map(|entry| entry::contender(entry, true, fence)).collect();
    // Their numbers begin with the time at which they came.
    all.sort_by(|one, other| one.place.cmp(&other.place));
    if !["none", "string", "zset"].contains(&&*kind) {
        all.push(Contender::new(format!("a {kind} of another program"), super::Share::Write, true));
    }
    all.extend(queue.iter().map(|entry| entry::contender(entry, false, 0)));
    Ok(all)
}
