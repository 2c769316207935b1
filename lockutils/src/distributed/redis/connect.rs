//! New connections: to the server that the URL names, or to the one that Sentinel names now.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use redis::{Client, Connection, ErrorKind, RedisError, RedisResult, Value};

use super::address::Address;

/// No request is given less time: the kernel counts in steps of some milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// Makes connections. Each of them has time-outs.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) address: Address,
    /// The Sentinel that has answered last.
    last: AtomicUsize,
}

impl Connector {
    pub(super) fn new(address: Address) -> Self {
        Self { address, last: AtomicUsize::new(0) }
    }

    /// Connects until then.
    pub(super) fn connect(&self, by: Instant) -> RedisResult<Connection> {
        let Some(name) = &self.address.master else {
            let (host, port) = &self.address.servers()[0];
            return self.open(&self.address.client(host, *port)?, by);
        };
        let (host, port) = self.master(name, by)?;
        let mut connection = self.open(&self.address.client(&host, port)?, by)?;
        // Sentinel may not know yet that another one has taken over.
        let role: Vec<Value> = redis::cmd("ROLE").query(&mut connection)?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(connection),
            _ => Err(passing("the server that Sentinel names is no master")),
        }
    }

    /// Where the master is, by the first Sentinel that says so.
    fn master(&self, name: &str, by: Instant) -> RedisResult<(String, u16)> {
        let (number, first) = (self.address.servers().len(), self.last.load(Relaxed));
        let mut last = passing("no Sentinel answers");
        for tried in 0..number {
            let at = (first + tried) % number;
            // One that does not answer leaves time for the others.
            let share = left(by) / u32::try_from(number - tried).unwrap_or(u32::MAX);
            match self.ask(at, name, Instant::now() + share) {
                Ok(master) => {
                    self.last.store(at, Relaxed);
                    return Ok(master);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn ask(&self, sentinel: usize, name: &str, by: Instant) -> RedisResult<(String, u16)> {
        let (host, port) = &self.address.servers()[sentinel];
        let mut connection = self.open(&self.address.sentinel(host, *port)?, by)?;
        let mut command = redis::cmd("SENTINEL");
        let master: Option<_> = command.arg("GET-MASTER-ADDR-BY-NAME").arg(name).query(&mut connection)?;
        master.ok_or_else(|| passing("Sentinel knows no master of this name"))
    }

    fn open(&self, client: &Client, by: Instant) -> RedisResult<Connection> {
        open(client, by).map_err(|error| {
            if error.is_timeout() && self.address.is_secret() {
                (ErrorKind::Io, NO_TLS).into()
            } else {
                error
            }
        })
    }
}

/// What a port that is none of TLS says to TLS: it waits for more.
const NO_TLS: &str = "there was no answer in time; does this port speak TLS?";

fn passing(why: &'static str) -> RedisError {
    (ErrorKind::MasterNameNotFoundBySentinel, why).into()
}

/// How long it is until then.
pub(super) fn left(by: Instant) -> Duration {
    by.saturating_duration_since(Instant::now()).max(SHORTEST)
}

fn open(client: &Client, by: Instant) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(left(by))?;
    limit(&connection, left(by))?;
    Ok(connection)
}

/// What is sent and what is waited for takes no longer.
pub(super) fn limit(connection: &Connection, length: Duration) -> RedisResult<()> {
    connection.set_read_timeout(Some(length))?;
    connection.set_write_timeout(Some(length))
}
