//! A client of the service.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;

use lockutils_tests::{BOUND, eventually};
use serde_json::Value;

/// One that knows where the service listens.
pub(crate) struct Client {
    pub(crate) address: String,
}

impl Client {
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        Answer::of(client().get(self.url(path)).call())
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str) -> Answer {
        Answer::of(client().post(self.url(path)).send_empty())
    }

    /// Makes a volume larger, or makes it.
    #[track_caller]
    pub(crate) fn grow(&self, id: &str, gib: u64) -> Answer {
        let request =
            client().post(self.url(&format!("/volumes/{id}/grow"))).content_type("application/json");
        Answer::of(request.send(format!("{{\"gib\": {gib}}}")))
    }

    /// A request whose lock is held for as long as the test likes: a backup of this volume, which is made.
    #[track_caller]
    pub(crate) fn hold(&self, id: &str) -> Request {
        let written = encoded(id);
        assert_eq!(self.grow(&written, 1).status, 200);
        let held = self.begin(&format!("POST /volumes/{written}/backup?seconds=3600"), 0);
        self.eventually(id, |lock| lock["mode"] == "write" && lock["has_file"] == true);
        held
    }

    /// Sends the head of a request.
    #[track_caller]
    pub(crate) fn begin(&self, line: &str, length: usize) -> Request {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(BOUND)).expect("a limit");
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
            self.address
        )
        .expect("it reads");
        Request(stream)
    }

    /// A request of another client that waits for a volume.
    #[track_caller]
    pub(crate) fn wait_for(&self, id: &str) -> Request {
        let body = b"{\"gib\": 1}";
        let mut request = self.begin(&format!("POST /volumes/{id}/grow"), body.len());
        request.send(body);
        request
    }

    /// What `/locks.json` says of the lock of a volume, or of another lock by its name; `null` if it is not in use.
    #[track_caller]
    pub(crate) fn lock(&self, id: &str) -> Value {
        let locks: Vec<Value> = serde_json::from_str(&self.get("/locks.json").text).expect("JSON");
        let is_it = |lock: &Value| lock["name"] == id || lock["name"] == format!("vol-{id}");
        locks.into_iter().find(is_it).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn eventually(&self, id: &str, mut holds: impl FnMut(&Value) -> bool) {
        eventually(&format!("the lock of {id}"), || holds(&self.lock(id)));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// As it is written in an address.
fn encoded(id: &str) -> String {
    let mut written = String::new();
    for byte in id.bytes() {
        write!(written, "%{byte:02X}").expect("a string takes it");
    }
    written
}

fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(2 * BOUND))
        .proxy(None)
        .build()
        .into()
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    fn of(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Self {
        let mut answer = answer.expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        Self { status: answer.status().as_u16(), head: answer.headers().clone(), text }
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name)?.to_str().ok()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }
}

/// A request that is not yet answered. The client leaves with the value.
pub(crate) struct Request(TcpStream);

impl Request {
    #[track_caller]
    pub(crate) fn send(&mut self, body: &[u8]) {
        self.0.write_all(body).expect("it reads");
    }

    /// Waits for the whole answer.
    #[track_caller]
    pub(crate) fn answer(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("an answer");
        text
    }
}
