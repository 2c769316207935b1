//! Ports that are free.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use rand::random_range;

/// Below the ports that the kernel gives to outgoing connections: so a server that is dead for a while finds its port free
/// when it is started again.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A port that nobody listens on, and that this process has not been given before. Another process may still be faster.
pub(super) fn free() -> u16 {
    loop {
        let port = random_range(PORTS);
        if is_new(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn is_new(port: u16) -> bool {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    given.get_or_insert_default().insert(port)
}
