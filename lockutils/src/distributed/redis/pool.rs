//! The connections of one client.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use redis::{Connection, RedisError, RedisResult};

use super::connect::{Connector, left, limit};

/// One that was not used for so long may have been forgotten on the way, and is not used again.
const FRESH: Duration = Duration::from_secs(60);

/// Connections that are not used now, the last used ones last. There are at most so many, used or not.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Arc<Connector>,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    used: usize,
    /// Those who wait for one, in the order in which they came. Who is called has one of those that may be used.
    waiting: VecDeque<Arc<Turn>>,
    /// Those that were lent before are not taken back: the server is another one, or was started anew.
    generation: u64,
}

/// The turn of one who waits for a connection.
#[derive(Default)]
struct Turn {
    /// Looked at under the lock of the pool.
    has_come: AtomicBool,
    comes: Condvar,
}

struct Idle {
    connection: Connection,
    limit: Duration,
    since: Instant,
}

/// A connection that is used. It is closed when this is dropped, unless it is [kept](Self::keep).
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    idle: Option<Idle>,
    generation: u64,
    /// Whether it was made for this.
    pub(super) is_new: bool,
}

impl Pool {
    pub(super) fn new(connector: &Arc<Connector>, most: usize) -> Self {
        Self { connector: Arc::clone(connector), most, state: Mutex::default() }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// One whose requests take no longer than until then.
    pub(super) fn take(&self, by: Instant) -> RedisResult<Lent<'_>> {
        let mut state = self.state.lock();
        state.idle.retain(|idle| idle.since.elapsed() < FRESH);
        if state.used < self.most {
            state.used += 1;
        } else if !wait(&mut state, by) {
            return Err(self.busy());
        }
        let (idle, generation) = (state.idle.pop(), state.generation);
        drop(state);
        // From here on, it is given back whatever happens.
        let mut lent = Lent { pool: self, idle, generation, is_new: false };
        lent.prepare(by)?;
        Ok(lent)
    }

    /// The server may be well: it is this client that has more to ask than it has connections.
    fn busy(&self) -> RedisError {
        let text = format!(
            "none of the {} connections of this client has come free in time (`connections`)",
            self.most
        );
        std::io::Error::new(std::io::ErrorKind::TimedOut, text).into()
    }

    /// None that there is now is used again.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock();
        state.generation += 1;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }
}

/// Waits until one may be used. Who comes first has one first: nobody comes in between.
fn wait(state: &mut MutexGuard<'_, State>, by: Instant) -> bool {
    let turn = Arc::<Turn>::default();
    state.waiting.push_back(Arc::clone(&turn));
    while !turn.has_come.load(Relaxed) {
        if turn.comes.wait_until(state, by).timed_out() && !turn.has_come.load(Relaxed) {
            state.waiting.retain(|other| !Arc::ptr_eq(other, &turn));
            return false;
        }
    }
    true
}

impl State {
    /// One is not used any more: the next one may use it.
    fn returned(&mut self) {
        let Some(next) = self.waiting.pop_front() else {
            self.used -= 1;
            return;
        };
        next.has_come.store(true, Relaxed);
        next.comes.notify_one();
    }
}

impl Lent<'_> {
    fn prepare(&mut self, by: Instant) -> RedisResult<()> {
        let Some(idle) = &mut self.idle else {
            let connection = self.pool.connector.connect(by)?;
            self.idle = Some(Idle { connection, limit: Duration::ZERO, since: Instant::now() });
            self.is_new = true;
            return self.prepare(by);
        };
        // Nearly as long as the last time is good enough: it saves two calls of the system.
        let length = left(by);
        if idle.limit < length || idle.limit > length + length / 8 {
            limit(&idle.connection, length)?;
            idle.limit = length;
        }
        Ok(())
    }

    /// It is in order, and may be used again.
    pub(super) fn keep(mut self) {
        let Some(mut idle) = self.idle.take() else { return };
        idle.since = Instant::now();
        let mut state = self.pool.state.lock();
        if state.generation == self.generation {
            state.idle.push(idle);
        }
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.idle.as_ref().expect("it is there until it is kept").connection
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.idle.as_mut().expect("it is there until it is kept").connection
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let idle = self.idle.take();
        self.pool.state.lock().returned();
        drop(idle);
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("idle", &self.idle.len())
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Who comes first has one first, and who gives up is not waited for.
    #[test]
    fn turns_come_in_the_order_of_arrival() {
        let state = Mutex::new(State { used: 1, ..State::default() });
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for number in 0..5 {
                let (state, order) = (&state, &order);
                scope.spawn(move || {
                    let soon = if number == 2 { Duration::from_millis(1) } else { Duration::from_secs(60) };
                    let mut state = state.lock();
                    let has_come = wait(&mut state, Instant::now() + soon);
                    order.lock().push((number, has_come));
                    if has_come {
                        state.returned();
                    }
                });
                // It stands there, or has given up.
                let is_settled = || match number {
                    2 => !order.lock().is_empty(),
                    _ => state.lock().waiting.len() == number + usize::from(number < 2),
                };
                while !is_settled() {
                    thread::yield_now();
                }
            }
            state.lock().returned();
        });
        assert_eq!(*order.lock(), [(2, false), (0, true), (1, true), (3, true), (4, true)]);
        let state = state.into_inner();
        assert_eq!((state.used, state.waiting.len()), (0, 0));
    }
}
