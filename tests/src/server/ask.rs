//! One question to a port, and everything that is answered.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Who is asked before it is ready may leave one hanging: it is asked again soon.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a server answers before it closes the connection; `None` if it does not, soon.
pub(super) fn ask(port: u16, question: &str) -> Option<String> {
    ask_for(port, question, PATIENCE)
}

/// The same with more patience.
pub(super) fn ask_for(port: u16, question: &str, patience: Duration) -> Option<String> {
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(question.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
