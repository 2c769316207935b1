//! The connections of one client.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redis::{Connection, ErrorKind, RedisError, RedisResult};

use super::connect::{Connector, left, limit};

/// One that was not used for so long may have been forgotten on the way, and is not used again.
const FRESH: Duration = Duration::from_secs(60);

/// Connections that are not used now, the last used ones last. There are at most so many as the URL says, used or not.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    used: usize,
    /// Those that were lent before are not taken back: the server is another one, or was started anew.
    generation: u64,
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
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, state: Mutex::default(), returned: Condvar::new() }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// One whose requests take no longer than until then.
    pub(super) fn take(&self, by: Instant) -> RedisResult<Lent<'_>> {
        let mut state = self.state.lock();
        state.idle.retain(|idle| idle.since.elapsed() < FRESH);
        while state.used >= self.connector.address.connections {
            if self.returned.wait_until(&mut state, by).timed_out() {
                return Err(busy());
            }
        }
        state.used += 1;
        let (idle, generation) = (state.idle.pop(), state.generation);
        drop(state);
        // From here on, it is given back whatever happens.
        let mut lent = Lent { pool: self, idle, generation, is_new: false };
        lent.prepare(by)?;
        Ok(lent)
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

fn busy() -> RedisError {
    (ErrorKind::Io, "all connections are in use").into()
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
        self.pool.state.lock().used -= 1;
        self.pool.returned.notify_one();
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
