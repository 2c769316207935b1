//! One client: what it asks the server, and what it makes of the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Connection, ConnectionLike as _, RedisError, RedisResult, ServerErrorKind, Value};

use super::address::Address;
use super::connect::Connector;
use super::entry::{Asked, Entries, Life};
use super::failure::{ends_connection, failure, is_stale};
use super::keeper::Keeper;
use super::line::Line;
use super::place::Place;
use super::pool::Pool;
use super::script::Call;
use super::workers::Workers;
use crate::distributed::{Caller, Failure, Grant, Lease, Loss, Moment};

/// For less time than this a thread is not blocked.
const SHORTEST_BLOCK: Duration = Duration::from_millis(8);

#[derive(Debug)]
pub(super) struct Client {
    pub(super) entries: Entries,
    pub(super) pool: Pool,
    /// What the keeper asks by: whoever holds a lock must not lose it since others ask for much.
    keepers: Pool,
    pub(super) workers: Arc<Workers>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) line: Arc<Line>,
    /// How often the server could not be reached, one time after the other, and when it is tried again in the background.
    rest: Mutex<(u32, Option<Instant>)>,
}

/// An answer.
pub(super) struct Told {
    /// When the request was sent.
    pub(super) sent: Moment,
    pub(super) value: Value,
    /// Whether the same request was sent before, and may have been done.
    pub(super) is_second: bool,
}

/// There was no answer.
pub(super) struct Untold {
    pub(super) failure: Failure,
    /// Whether the request may have been done, or may still be.
    pub(super) may_be_done: bool,
}

impl From<Untold> for Failure {
    fn from(untold: Untold) -> Self {
        untold.failure
    }
}

/// What came of asking for the lock.
pub(super) enum Came {
    Held(Grant),
    Busy,
    Queued(Stand),
}

/// A place in the queue, as a look has found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    pub(super) rank: u32,
    /// After this time something may change by itself.
    pub(super) pause: Option<Duration>,
    /// Its number, which no other place of this lock has or had.
    pub(super) place: u64,
    /// When the look was sent. It did not have the lock then.
    pub(super) sent: Moment,
}

impl Client {
    pub(super) fn new(address: Address) -> Self {
        let (entries, most) = (Entries::new(&address.prefix), address.connections);
        let connector = Arc::new(Connector::new(address));
        Self {
            entries,
            pool: Pool::new(&connector, most),
            keepers: Pool::new(&connector, 1),
            workers: Arc::default(),
            keeper: Arc::default(),
            line: Arc::default(),
            rest: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.pool.connector().address
    }

    /// Until when this caller may be blocked, if it is worth it: the kernel counts in steps of some milliseconds.
    pub(super) fn blocks_until(&self, caller: Caller) -> Option<Instant> {
        let Caller::Thread { until } = caller else { return None };
        let now = Instant::now();
        let until = until.unwrap_or_else(|| now + self.address().request_timeout);
        (until >= now + SHORTEST_BLOCK).then_some(until)
    }

    /// Has a script run. When the connection turns out to be closed, as after a restart, it is asked again on a new one: every
    /// script may be run twice.
    pub(super) fn ask(&self, call: &Call<'_>, by: Instant) -> Result<Told, Untold> {
        self.ask_with(by, |connection| call.run(connection)).map_err(|untold| match untold.failure {
            Failure::Foreign(what) => Untold { failure: call.foreign(&what), ..untold },
            _ => untold,
        })
    }

    pub(super) fn ask_with(
        &self,
        by: Instant,
        work: impl FnMut(&mut Connection) -> RedisResult<Value>,
    ) -> Result<Told, Untold> {
        self.ask_by(&self.pool, by, work)
    }

    fn ask_by(
        &self,
        pool: &Pool,
        by: Instant,
        mut work: impl FnMut(&mut Connection) -> RedisResult<Value>,
    ) -> Result<Told, Untold> {
        let mut is_second = false;
        loop {
            let mut lent = match pool.take(by) {
                Ok(lent) => lent,
                Err(error) => return Err(self.untold(&error, is_second)),
            };
            let sent = Moment::now();
            match work(&mut lent) {
                Ok(value) => {
                    lent.keep();
                    self.reached();
                    return Ok(Told { sent, value, is_second });
                }
                Err(error) if is_stale(&error) && !is_second && Instant::now() < by => {
                    drop(lent);
                    pool.forget();
                    is_second = true;
                }
                Err(error) => {
                    if !ends_connection(&error) {
                        lent.keep();
                    }
                    return Err(self.untold(&error, true));
                }
            }
        }
    }

    fn untold(&self, error: &RedisError, may_be_done: bool) -> Untold {
        let failure = failure(error);
        if failure.may_pass() {
            self.missed();
        }
        Untold { failure, may_be_done }
    }

    /// Has a script run for many, in one trip, on the connection of the keeper. `None` for those that the server has refused.
    pub(super) fn ask_all(
        &self,
        calls: &[Call<'_>],
        by: Instant,
    ) -> Result<(Moment, Vec<Option<Value>>), Failure> {
        let told = self.ask_by(&self.keepers, by, |connection| {
            let mut values = run_all(connection, &calls.iter().map(Call::by_hash).collect::<Vec<_>>())?;
            if values.first().is_some_and(is_unknown) {
                // It is known from the first one on.
                let again = calls
                    .iter()
                    .enumerate()
                    .map(|(at, call)| if at == 0 { call.by_code() } else { call.by_hash() });
                values = run_all(connection, &again.collect::<Vec<_>>())?;
            }
            Ok(Value::Array(values))
        })?;
        let Value::Array(values) = told.value else { return Err(misunderstood(&told.value)) };
        Ok((told.sent, values.into_iter().map(|value| value.extract_error().ok()).collect()))
    }

    /// Asks for the lock, or for its place in the queue.
    pub(super) fn come(
        self: &Arc<Self>,
        asked: &Arc<Asked>,
        queues: bool,
        by: Instant,
    ) -> Result<Came, Untold> {
        let valid = queues.then(|| millis(self.address().ttl));
        let told = self.ask(&Call::enter(asked, self.length(asked.life), valid), by);
        if told.as_ref().map_or_else(|untold| untold.may_be_done, |told| told.is_second) {
            asked.doubt();
        }
        let told = told?;
        let untold = |failure| Untold { failure, may_be_done: true };
        if let Some(fence) = fence(&told.value) {
            return self.granted(asked, told.sent, fence).map(Came::Held).map_err(untold);
        }
        match numbers(&told.value).map_err(untold)?[..] {
            [0] => Ok(Came::Busy),
            [2, rank, pause, place] => {
                let pause = u64::try_from(pause).ok().filter(|pause| *pause > 0).map(Duration::from_millis);
                let (rank, place) = (u32::try_from(rank).unwrap_or(u32::MAX), place.unsigned_abs());
                Ok(Came::Queued(Stand { rank, pause, place, sent: told.sent }))
            }
            [3, agreed] => {
                let agreed = u32::try_from(agreed).unwrap_or(u32::MAX);
                Err(Untold { failure: Failure::Mismatch { agreed }, may_be_done: false })
            }
            _ => Err(untold(misunderstood(&told.value))),
        }
    }

    fn granted(self: &Arc<Self>, asked: &Arc<Asked>, sent: Moment, fence: u64) -> Result<Grant, Failure> {
        let lease = match asked.life {
            Life::Kept => Lease::begin(sent, self.address().ttl),
            Life::Expires(length) => Lease::for_a_time(sent, length),
            Life::Stays => Lease::endless(),
        };
        if lease.is_lost() {
            return Err(Failure::unreachable("its answer has come too late"));
        }
        let lease = self.keeper.keep(self, asked, lease, self.address().ttl / 3);
        Ok(Grant::new(fence, lease, Place::new(self, asked)))
    }

    /// Somebody has let go and given it the lock, after a look that was sent at `looked` and did not find that yet: it lasts for
    /// as long as the place would have, which is a session from then on. `None`: that is too long ago, or it is to last
    /// otherwise. Then one has to ask.
    pub(super) fn given(self: &Arc<Self>, asked: &Arc<Asked>, looked: Moment, fence: u64) -> Option<Grant> {
        let ttl = self.address().ttl;
        let left = looked.after(ttl).since(Moment::now());
        if asked.life != Life::Kept || left < ttl / 2 {
            return None;
        }
        let lease = self.keeper.keep(self, asked, Lease::begin(looked, ttl), left / 3);
        Some(Grant::new(fence, lease, Place::new(self, asked)))
    }

    /// Lets go what is held. A request that was sent twice finds nothing if the first one was done.
    pub(super) fn leave(&self, asked: &Asked, by: Instant, is_second: bool) -> Result<(), Failure> {
        let told = self.ask(&Call::leave(asked, self.remember(asked), false), by)?;
        match number(&told.value)? {
            1 => Ok(()),
            _ if told.is_second || is_second => Ok(()),
            2 => Err(Failure::Lost(Loss::Taken)),
            _ => Err(Failure::Lost(Loss::Removed)),
        }
    }

    /// Lets it last for so long from when this is sent; `None` only looks. Says when that was.
    pub(super) fn renew(
        &self,
        asked: &Asked,
        length: Option<Duration>,
        by: Instant,
    ) -> Result<Moment, Failure> {
        let told = self.ask(&Call::renew(asked, length.map_or(0, millis), self.remember(asked)), by)?;
        match number(&told.value)? {
            1 => Ok(told.sent),
            2 => Err(Failure::Lost(Loss::Taken)),
            _ => Err(Failure::Lost(Loss::Removed)),
        }
    }

    /// The session ends. Who holds a lock knows that before anybody else can have it.
    pub(super) fn close(self: &Arc<Self>) {
        self.keeper.close(self);
        self.line.close();
    }

    /// In milliseconds; 0 is for ever.
    pub(super) fn length(&self, life: Life) -> u64 {
        match life {
            Life::Kept => millis(self.address().ttl),
            Life::Expires(length) => millis(length),
            Life::Stays => 0,
        }
    }

    /// For how many milliseconds the server remembers not to grant it any more: a request that comes too late must neither take
    /// it nor set how long it lasts. What is kept alive goes by itself.
    pub(super) fn remember(&self, asked: &Asked) -> u64 {
        if asked.life != Life::Kept && asked.is_in_doubt() { millis(self.address().ttl) * 2 } else { 0 }
    }

    /// How long those in the background should leave the server alone.
    pub(super) fn rest(&self) -> Option<Duration> {
        let until = self.rest.lock().1?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn reached(&self) {
        *self.rest.lock() = (0, None);
    }

    /// Each time twice as long, up to 2 s.
    fn missed(&self) {
        let mut rest = self.rest.lock();
        let (times, pause) = (rest.0.min(6), Duration::from_millis(32));
        *rest = (rest.0.saturating_add(1), Some(Instant::now() + self.spread(pause * 2_u32.pow(times))));
    }

    /// So long, and up to a quarter longer, so that not all come at once.
    pub(super) fn spread(&self, length: Duration) -> Duration {
        length + length.mul_f64(self.entries.chance() / 4.0)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.keeper.end();
    }
}

/// In one trip. An error that ends the connection is one of all.
fn run_all(connection: &mut Connection, commands: &[Vec<u8>]) -> RedisResult<Vec<Value>> {
    let values = connection.req_packed_commands(&commands.concat(), 0, commands.len())?;
    match values.iter().find_map(|value| value.clone().extract_error().err().filter(ends_connection)) {
        Some(error) => Err(error),
        None => Ok(values),
    }
}

fn is_unknown(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// Whole ones: the server must not count less than the lease.
pub(super) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).clamp(1, 1 << 42)
}

/// What says that the lock is held.
fn fence(value: &Value) -> Option<u64> {
    let Value::BulkString(digits) = value else { return None };
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn numbers(value: &Value) -> Result<Vec<i64>, Failure> {
    let Value::Array(values) = value else { return Err(misunderstood(value)) };
    values.iter().map(number).collect()
}

pub(super) fn number(value: &Value) -> Result<i64, Failure> {
    if let Value::Int(number) = value { Ok(*number) } else { Err(misunderstood(value)) }
}

pub(super) fn misunderstood(value: &Value) -> Failure {
    Failure::other(format!("its answer cannot be understood: {value:?}"))
}
