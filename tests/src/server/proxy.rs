//! A proxy between a client and a server, which counts what passes and does to it what networks do.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::proxy_counts::Counts;
use super::proxy_lines::Lines;
use crate::wait::eventually;

/// One of the two ways through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server: requests.
    ToServer,
    /// From the server to clients: answers, and what it says unasked.
    ToClient,
}

/// A proxy of TCP in front of a server on the loopback interface. It is cut when it is dropped.
pub struct Proxy {
    port: u16,
    target: u16,
    lines: Arc<Lines>,
    /// The thread that takes connections; none while it is cut.
    door: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// One to a server on this port.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    #[track_caller]
    pub fn to(port: u16) -> Self {
        // Another process may have been faster.
        let listener = (0..10).find_map(|_| listen(super::port::free())).expect("a port that is free");
        let own = listener.local_addr().expect("it is bound").port();
        let proxy = Self { port: own, target: port, lines: Arc::default(), door: Mutex::default() };
        proxy.open(listener);
        proxy
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `SCHEME://127.0.0.1:P`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.host())
    }

    /// `127.0.0.1:P`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What has passed since it was made.
    pub fn counts(&self) -> Counts {
        self.lines.counts()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.lines.len()
    }

    /// Closes all connections, with what it has kept back, and refuses new ones, until it is healed.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn cut(&self) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = door.take() {
            self.lines.close_door();
            // It looks at each connection, and this one is its last.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            let _ = thread.join();
        }
        self.lines.cut_all();
    }

    /// Closes all connections, with what it has kept back. New ones are welcome.
    pub fn reset(&self) {
        self.lines.cut_all();
    }

    /// Takes connections again, passes on what it has kept back, and spares the answers that were to be lost.
    ///
    /// # Panics
    ///
    /// When somebody else has got its port.
    #[track_caller]
    pub fn heal(&self) {
        self.lines.let_all_pass();
        if self.door.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            let mut listener = None;
            eventually("the port of the proxy is free again", || {
                listener = listen(self.port);
                listener.is_some()
            });
            self.open(listener.expect("it was bound"));
        }
    }

    /// Keeps back what goes one way, on every connection, until it is healed. Nobody is told: the connections stay open, and
    /// new ones are taken.
    pub fn freeze_one_way(&self, way: Way) {
        self.lines.hold(way);
    }

    /// Keeps answers back until it is healed. Requests reach the server.
    ///
    /// With [`cut`](Self::cut) or [`reset`](Self::reset) after the server has done what was asked, this loses an answer for
    /// sure, whatever else the server says meanwhile.
    pub fn hold_answers(&self) {
        self.lines.hold(Way::ToClient);
    }

    /// Keeps back the next request that has these bytes in one piece, and what follows on its connection, until it is healed.
    /// All others pass.
    pub fn delay_request_with(&self, bytes: impl AsRef<[u8]>) {
        self.lines.delay_request_with(bytes.as_ref());
    }

    /// Waits until a request is kept back.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    #[track_caller]
    pub fn wait_until_delayed(&self) {
        eventually("a request is kept back", || self.lines.delays());
    }

    /// Lets the next request reach the server, and cuts its connection when the answer comes, which is lost. New connections
    /// are welcome.
    pub fn drop_answers_and_cut(&self) {
        self.drop_answer_to("");
    }

    /// The same with the next request that has these bytes in one piece. What the server says first is taken for the answer.
    pub fn drop_answer_to(&self, bytes: impl AsRef<[u8]>) {
        self.lines.lose_answer_to(bytes.as_ref());
    }

    /// Waits until an answer was lost.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    #[track_caller]
    pub fn wait_until_lost(&self) {
        eventually("an answer is lost", || !self.lines.loses());
    }

    fn open(&self, listener: TcpListener) {
        self.lines.open_door();
        let (lines, target) = (Arc::clone(&self.lines), self.target);
        let door = thread::spawn(move || take_connections(&listener, target, &lines));
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = Some(door);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

fn take_connections(listener: &TcpListener, target: u16, lines: &Arc<Lines>) {
    for client in listener.incoming() {
        if !lines.is_open() {
            return;
        }
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target));
        // Where there is no server, there is none for the client.
        let (Ok(client), Ok(server)) = (client, server) else { continue };
        connect(&client, &server, lines);
    }
}

/// Passes on what comes, by a thread for each way. What cannot be done to a connection is done by its end.
fn connect(client: &TcpStream, server: &TcpStream, lines: &Arc<Lines>) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor can be had");
    for stream in [client, server] {
        let _ = stream.set_nodelay(true);
    }
    let Some(number) = lines.add(copy(client), copy(server)) else { return };
    for (way, from, to) in [(Way::ToServer, client, server), (Way::ToClient, server, client)] {
        let (lines, from, to) = (Arc::clone(lines), copy(from), copy(to));
        thread::spawn(move || {
            pump(&lines, number, way, &from, &to);
            lines.end_way(number);
        });
    }
}

fn pump(lines: &Lines, number: u64, way: Way, mut from: &TcpStream, mut to: &TcpStream) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        let piece = &piece[..length];
        if !lines.passes(number, way, piece) || to.write_all(piece).is_err() {
            return;
        }
    }
    // Who says no more may still hear the answer.
    if lines.waits_to_end(number, way) {
        let _ = to.shutdown(Shutdown::Write);
    }
}
