//! The line on which the server calls those who wait: one subscription of one channel for all waits of a client.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redis::{Connection, RedisError, RedisResult};

use super::client::Client;
use super::entry::Asked;
use super::failure::failure;
use super::wait::Wait;
use crate::distributed::Failure;
use crate::thread;

/// How long it is kept when nobody waits.
const LINGERS: Duration = Duration::from_secs(5);

/// Who waits, and whether they can be called.
#[derive(Default)]
pub(super) struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By their entries.
    waits: HashMap<String, Weak<Wait>>,
    is_open: bool,
    is_running: bool,
    is_closed: bool,
    /// Since when nobody waits.
    idle: Option<Instant>,
    /// What ended it before it was open.
    failed: Option<Failure>,
}

/// What one who waits is told when it has the lock.
pub(super) struct Given {
    pub(super) fence: u64,
    /// The place that it had.
    pub(super) place: u64,
}

impl Given {
    fn read(text: &str) -> Option<Self> {
        let (fence, place) = text.split_once(' ')?;
        Some(Self { fence: fence.parse().ok()?, place: place.parse().ok()? })
    }
}

/// Why a line has ended.
enum End {
    Broken,
    Idle,
}

impl Line {
    /// Adds a wait, if it can be called. It is there before it stands in a queue, so that no call is missed.
    pub(super) fn add(&self, wait: &Arc<Wait>) -> bool {
        let mut state = self.state.lock();
        if state.is_open && !state.is_closed {
            state.waits.insert(wait.asked.entry.clone(), Arc::downgrade(wait));
            state.idle = None;
            return true;
        }
        false
    }

    pub(super) fn remove(&self, asked: &Asked) {
        let mut state = self.state.lock();
        let removed = state.waits.remove(&asked.entry);
        if state.waits.is_empty() {
            state.idle = Some(Instant::now());
        }
        drop(state);
        drop(removed);
    }

    /// Opens it, until then at most, and adds a wait.
    pub(super) fn open(
        self: &Arc<Self>,
        client: &Arc<Client>,
        wait: &Arc<Wait>,
        by: Instant,
    ) -> Result<(), Failure> {
        while !self.add(wait) {
            let mut state = self.state.lock();
            if state.is_closed {
                return Err(Failure::Lost(crate::distributed::Loss::Closed));
            }
            if !state.is_running {
                let (line, client) = (Arc::clone(self), Arc::downgrade(client));
                thread::start_large("lockutils-redis-line", move || line.run(&client))
                    .map_err(Failure::unreachable)?;
                state.is_running = true;
            }
            if state.is_open {
                continue;
            }
            let is_late = self.changed.wait_until(&mut state, by).timed_out();
            if let Some(failed) = state.failed.take() {
                return Err(failed);
            }
            if is_late {
                return Err(Failure::unreachable(
                    "the subscription that calls those who wait was not made in time",
                ));
            }
        }
        Ok(())
    }

    /// The session ends.
    pub(super) fn close(&self) {
        let waits = {
            let mut state = self.state.lock();
            state.is_closed = true;
            state.all()
        };
        self.changed.notify_all();
        waits.iter().for_each(Wait::close);
    }

    fn run(&self, client: &Weak<Client>) {
        loop {
            let Some(there) = client.upgrade() else { return self.ended() };
            let timeout = there.address().request_timeout;
            let connected = there.pool.connector().connect(Instant::now() + timeout);
            let channel = format!("lockutils:wake:{}", there.entries.client);
            drop(there);
            let ended = connected.and_then(|mut connection| self.listen(&mut connection, &channel, client));
            let is_over = match ended {
                Ok(End::Idle) => true,
                Ok(End::Broken) => false,
                Err(error) => self.failed(&error),
            };
            if is_over {
                return;
            }
            self.pause(client);
        }
    }

    /// Calls those who are called, until the line breaks.
    fn listen(&self, connection: &mut Connection, channel: &str, client: &Weak<Client>) -> RedisResult<End> {
        // The client's own way to subscribe does not tell that it was refused.
        connection.send_packed_command(&redis::cmd("SUBSCRIBE").arg(channel).get_packed_command())?;
        connection.recv_response()?.extract_error()?;
        let mut subscription = connection.as_pubsub();
        self.opened();
        let end = loop {
            match subscription.get_message() {
                Ok(message) => self.call(&String::from_utf8_lossy(message.get_payload_bytes()), client),
                Err(error) if error.is_timeout() => {
                    if self.is_idle() || client.strong_count() == 0 {
                        break End::Idle;
                    }
                    if subscription.ping::<redis::Value>().is_err() {
                        break End::Broken;
                    }
                }
                Err(_) => break End::Broken,
            }
        };
        self.state.lock().is_open = false;
        // It would say goodbye, and wait for an answer.
        let _ = subscription.set_read_timeout(Some(Duration::from_millis(1)));
        Ok(end)
    }

    /// Calls that came while it was not open are made up for.
    fn opened(&self) {
        let waits = {
            let mut state = self.state.lock();
            state.is_open = true;
            if state.waits.is_empty() {
                state.idle = Some(Instant::now());
            }
            state.all()
        };
        self.changed.notify_all();
        waits.iter().for_each(Wait::nudge);
    }

    fn call(&self, message: &str, client: &Weak<Client>) {
        let mut parts = message.splitn(3, '\n');
        let (Some(lock), Some(given), Some(entry)) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        let (given, wait) = (Given::read(given), self.state.lock().waits.get(entry).and_then(Weak::upgrade));
        match (wait, given, client.upgrade()) {
            (Some(wait), Some(given), _) => wait.given(&given),
            (Some(wait), None, _) => wait.nudge(),
            (None, given, Some(client)) => not_wanted(&client, lock, entry, given.is_some()),
            (None, _, None) => {}
        }
    }

    /// Whether it ends, for want of anybody who waits.
    fn is_idle(&self) -> bool {
        let mut state = self.state.lock();
        let is_idle = state.waits.is_empty() && state.idle.is_none_or(|since| since.elapsed() >= LINGERS);
        if is_idle || state.is_closed {
            (state.is_open, state.is_running) = (false, false);
            return true;
        }
        false
    }

    /// It could not be opened. Those who wait already go on to look; those who wanted to begin are told.
    fn failed(&self, error: &RedisError) -> bool {
        let mut state = self.state.lock();
        state.is_open = false;
        let is_over = state.waits.is_empty();
        if is_over {
            state.failed = Some(failure(error));
            state.is_running = false;
        }
        drop(state);
        self.changed.notify_all();
        is_over
    }

    fn ended(&self) {
        let mut state = self.state.lock();
        (state.is_open, state.is_running) = (false, false);
    }

    /// Leaves the server alone for a moment.
    fn pause(&self, client: &Weak<Client>) {
        let Some(length) = client.upgrade().map(|client| {
            let rest = client.rest().unwrap_or(Duration::from_millis(50));
            client.spread(rest)
        }) else {
            return;
        };
        let mut state = self.state.lock();
        if !state.is_closed {
            self.changed.wait_for(&mut state, length);
        }
    }
}

/// A request that came too late has queued one who does not wait any more; or who waited has it, and has seen that by itself.
fn not_wanted(client: &Arc<Client>, lock: &str, entry: &str, is_given: bool) {
    match client.entries.recalled(lock, entry) {
        Some(asked) if is_given => client.keeper.leave_unless_held(client, asked),
        Some(asked) => client.keeper.leave_the_queue(client, asked),
        None => {}
    }
}

impl State {
    fn all(&self) -> Vec<Arc<Wait>> {
        self.waits.values().filter_map(Weak::upgrade).collect()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Line")
            .field("waits", &state.waits.len())
            .field("is_open", &state.is_open)
            .finish_non_exhaustive()
    }
}
