//! What the lock guards.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use lockutils::Fence;

/// A number for each name, for all processes of the host. It is 0 at first.
///
/// | told | does | answers |
/// |---|---|---|
/// | `enter NAME TOKEN` | lets nobody in from now on whose token is smaller | `value N`, `fenced` |
/// | `write NAME TOKEN N` | the same, and changes the number | `wrote`, `fenced` |
/// | `look NAME` | nothing | `value N` |
pub struct Resource {
    port: u16,
    closes: Arc<AtomicBool>,
    door: Option<JoinHandle<()>>,
}

/// What all connections share.
struct Shelf {
    is_fenced: bool,
    registers: Mutex<HashMap<String, Register>>,
}

#[derive(Default)]
struct Register {
    value: u64,
    fence: Fence,
}

impl Resource {
    /// One that looks at tokens.
    pub fn fenced() -> Self {
        Self::start(true)
    }

    /// One that lets everybody in.
    pub fn unfenced() -> Self {
        Self::start(false)
    }

    fn start(is_fenced: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let closes = Arc::<AtomicBool>::default();
        let (is_over, shelf) =
            (Arc::clone(&closes), Arc::new(Shelf { is_fenced, registers: Mutex::default() }));
        let door = thread::spawn(move || {
            let visitors = listener.incoming().take_while(|_| !is_over.load(SeqCst));
            for visitor in visitors.flatten() {
                let shelf = Arc::clone(&shelf);
                thread::spawn(move || shelf.serve(&visitor));
            }
        });
        Self { port, closes, door: Some(door) }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.closes.store(true, SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.door.take().map(JoinHandle::join);
    }
}

impl Shelf {
    fn serve(&self, stream: &TcpStream) {
        let mut answers = stream;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let answer = self.answer(&line).unwrap_or_else(|| panic!("not known: {line:?}"));
            // In one piece. Who has gone does not want it.
            let _ = answers.write_all(format!("{answer}\n").as_bytes());
        }
    }

    /// To look at the token and to use the number is one step, under the mutex.
    fn answer(&self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let mut registers = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        let register = registers.entry((*words.get(1)?).to_owned()).or_default();
        let is_refused = |register: &Register, token: &str| {
            let checked = register.fence.check(token.parse().expect("a number"));
            self.is_fenced && checked.is_err()
        };
        Some(match *words {
            ["enter" | "write", _, token, ..] if is_refused(register, token) => "fenced".to_owned(),
            ["look", _] | ["enter", _, _] => format!("value {}", register.value),
            ["write", _, _, value] => {
                register.value = value.parse().ok()?;
                "wrote".to_owned()
            }
            _ => return None,
        })
    }
}

/// The way of a client to a resource.
pub(super) struct Door(BufReader<TcpStream>);

impl Door {
    pub(super) fn to(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the resource is there");
        stream.set_nodelay(true).expect("it is a socket");
        Self(BufReader::new(stream))
    }

    pub(super) fn ask(&mut self, question: &str) -> String {
        self.0.get_ref().write_all(format!("{question}\n").as_bytes()).expect("the resource is there");
        let mut answer = String::new();
        self.0.read_line(&mut answer).expect("the resource answers");
        answer.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_a_newer_token(resource: &Resource) -> [String; 4] {
        let (mut old, mut new) = (Door::to(resource.port()), Door::to(resource.port()));
        assert_eq!(old.ask("enter a 1"), "value 0");
        assert_eq!(new.ask("enter a 2"), "value 0");
        [old.ask("write a 1 7"), new.ask("write a 2 8"), old.ask("enter a 1"), old.ask("look a")]
    }

    #[test]
    fn an_old_token_is_refused() {
        assert_eq!(after_a_newer_token(&Resource::fenced()), ["fenced", "wrote", "fenced", "value 8"]);
    }

    #[test]
    fn where_nobody_looks_it_is_not() {
        assert_eq!(after_a_newer_token(&Resource::unfenced()), ["wrote", "wrote", "value 8", "value 8"]);
    }
}
