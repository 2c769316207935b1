//! What has passed a proxy.

use std::ops::Sub;

use super::proxy::Way;

/// What has passed a proxy. The difference of two is what has passed in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were taken.
    pub connections: u64,
    /// How often a client began to talk: at first, or after the server had said something. What is sent in a row is one
    /// request, however many the server takes it for.
    pub requests: u64,
    /// How often the server began to talk after a client had: what a client waits for.
    pub round_trips: u64,
    /// What the server said unasked, or in more than one piece.
    pub more_answers: u64,
    /// Bytes of the clients.
    pub bytes_to_server: u64,
    /// Bytes of the server.
    pub bytes_to_client: u64,
}

impl Counts {
    /// Counts a piece; `last` is who talked last on its connection.
    pub(super) fn add(&mut self, last: Option<Way>, way: Way, length: usize) {
        let length = length as u64;
        match way {
            Way::ToServer => {
                self.requests += u64::from(last != Some(Way::ToServer));
                self.bytes_to_server += length;
            }
            Way::ToClient => {
                let answers = last == Some(Way::ToServer);
                self.round_trips += u64::from(answers);
                self.more_answers += u64::from(!answers);
                self.bytes_to_client += length;
            }
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            connections: self.connections - before.connections,
            requests: self.requests - before.requests,
            round_trips: self.round_trips - before.round_trips,
            more_answers: self.more_answers - before.more_answers,
            bytes_to_server: self.bytes_to_server - before.bytes_to_server,
            bytes_to_client: self.bytes_to_client - before.bytes_to_client,
        }
    }
}
