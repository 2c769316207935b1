//! The connections of a proxy, and what is done to them.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::proxy::Way;
use super::proxy_counts::Counts;

/// The connections.
#[derive(Default)]
pub(super) struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_open: bool,
    lines: HashMap<u64, Line>,
    last_number: u64,
    held: Vec<Way>,
    /// What must be in a request that is to come late.
    delays: Option<Vec<u8>>,
    /// What must be in a request whose answer is to be lost.
    loses: Option<Vec<u8>>,
    counts: Counts,
}

/// One connection; it is there until both ways have ended or it is cut.
struct Line {
    client: TcpStream,
    server: TcpStream,
    ways: u8,
    last: Option<Way>,
    loses: bool,
    /// Its request comes late.
    is_delayed: bool,
}

impl Lines {
    pub(super) fn open_door(&self) {
        self.state().is_open = true;
    }

    pub(super) fn close_door(&self) {
        self.state().is_open = false;
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().is_open
    }

    pub(super) fn len(&self) -> usize {
        self.state().lines.len()
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// A connection more, and its number; `None` if there are to be no more.
    pub(super) fn add(&self, client: TcpStream, server: TcpStream) -> Option<u64> {
        let mut state = self.state();
        if !state.is_open {
            return None;
        }
        state.last_number += 1;
        state.counts.connections += 1;
        let number = state.last_number;
        state
            .lines
            .insert(number, Line { client, server, ways: 2, last: None, loses: false, is_delayed: false });
        Some(number)
    }

    pub(super) fn cut_all(&self) {
        self.state().lines.drain().for_each(|(_, line)| line.cut());
        self.changed.notify_all();
    }

    pub(super) fn hold(&self, way: Way) {
        self.state().held.push(way);
    }

    pub(super) fn let_all_pass(&self) {
        let mut state = self.state();
        state.held.clear();
        (state.loses, state.delays) = (None, None);
        state.lines.values_mut().for_each(|line| (line.loses, line.is_delayed) = (false, false));
        self.changed.notify_all();
    }

    pub(super) fn lose_answer_to(&self, bytes: &[u8]) {
        self.state().loses = Some(bytes.to_owned());
    }

    pub(super) fn delay_request_with(&self, bytes: &[u8]) {
        self.state().delays = Some(bytes.to_owned());
    }

    /// Whether a request is kept back on its own.
    pub(super) fn delays(&self) -> bool {
        self.state().lines.values().any(|line| line.is_delayed)
    }

    /// Whether an answer is still to be lost.
    pub(super) fn loses(&self) -> bool {
        let state = self.state();
        state.loses.is_some() || state.lines.values().any(|line| line.loses)
    }

    /// Waits as long as the way is held, and says whether a piece is to be passed on.
    pub(super) fn passes(&self, number: u64, way: Way, piece: &[u8]) -> bool {
        if way == Way::ToServer {
            self.delay(number, piece);
        }
        let mut state = self.waits(number, way);
        let State { lines, loses, counts, .. } = &mut *state;
        let Some(line) = lines.get_mut(&number) else { return false };
        counts.add(line.last.replace(way), way, piece.len());
        match way {
            Way::ToServer => line.loses |= loses.take_if(|bytes| is_in(bytes, piece)).is_some(),
            Way::ToClient if line.loses => {
                line.cut();
                lines.remove(&number);
                return false;
            }
            Way::ToClient => {}
        }
        true
    }

    /// Waits as long as the way is held, and says whether the connection is still there.
    pub(super) fn waits_to_end(&self, number: u64, way: Way) -> bool {
        self.waits(number, way).lines.contains_key(&number)
    }

    /// One of the two ways of a connection has ended.
    pub(super) fn end_way(&self, number: u64) {
        let mut state = self.state();
        if let Some(line) = state.lines.get_mut(&number) {
            line.ways -= 1;
            if line.ways == 0 {
                state.lines.remove(&number);
            }
        }
    }

    fn delay(&self, number: u64, piece: &[u8]) {
        let State { lines, delays, .. } = &mut *self.state();
        if let Some(line) = lines.get_mut(&number) {
            line.is_delayed |= delays.take_if(|bytes| is_in(bytes, piece)).is_some();
        }
    }

    fn waits(&self, number: u64, way: Way) -> MutexGuard<'_, State> {
        let is_held = |state: &mut State| {
            let held = state.held.contains(&way);
            state.lines.get(&number).is_some_and(|line| held || (way == Way::ToServer && line.is_delayed))
        };
        self.changed.wait_while(self.state(), is_held).unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn is_in(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.is_empty() || piece.windows(bytes.len()).any(|window| window == bytes)
}
