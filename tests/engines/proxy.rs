//! The proxy counts what passes, and loses what it is to lose.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use lockutils_tests::server::{Counts, Proxy, Redis, Way};
use lockutils_tests::{BOUND, eventually};

/// A client that talks to Redis in lines.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("it takes connections");
        let client = Self(BufReader::new(stream));
        client.limit(BOUND);
        client
    }

    fn say(&mut self, line: &str) {
        self.0.get_ref().write_all(format!("{line}\r\n").as_bytes()).expect("it can be written to");
    }

    /// The next line, or nothing if there is no connection any more.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => line.trim_end().to_owned(),
        }
    }

    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    fn hears_nothing(&mut self) {
        self.limit(Duration::from_millis(100));
        let error = self.0.fill_buf().expect_err("nothing is said");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        self.limit(BOUND);
    }

    fn limit(&self, limit: Duration) {
        self.0.get_ref().set_read_timeout(Some(limit)).expect("a limit can be set");
    }
}

fn redis_and_proxy() -> (Redis, Proxy) {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    (redis, proxy)
}

#[test]
fn it_counts_round_trips_and_bytes() {
    let (_redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    assert_eq!(client.ask("PING"), "+PONG");
    let before = proxy.counts();
    assert_eq!(client.ask("SET x 1"), "+OK");
    // Two commands in a row are one round trip.
    client.say("INCR x\r\nINCR x");
    assert_eq!((client.hear(), client.hear()), (":2".to_owned(), ":3".to_owned()));
    let passed = proxy.counts() - before;
    assert_eq!((passed.connections, passed.requests, passed.round_trips), (0, 2, 2));
    assert_eq!((passed.bytes_to_server, passed.bytes_to_client), (9 + 16, 5 + 8));
    assert_eq!(proxy.url("redis"), format!("redis://127.0.0.1:{}", proxy.port()));
}

#[test]
fn it_tells_what_is_said_unasked() {
    let (redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    client.say("SUBSCRIBE c");
    for line in ["*3", "$9", "subscribe", "$1", "c", ":1"] {
        assert_eq!(client.hear(), line);
    }
    let before = proxy.counts();
    redis.cli(&["PUBLISH", "c", "x"]);
    assert_eq!(client.hear(), "*3");
    let passed = proxy.counts() - before;
    assert_eq!((passed.requests, passed.round_trips, passed.more_answers), (0, 0, 1));
}

#[test]
fn nothing_passes_where_it_is_cut() {
    let (_redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    assert_eq!(client.ask("PING"), "+PONG");
    proxy.cut();
    assert_eq!(client.hear(), "");
    assert_eq!(proxy.connections(), 0);
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect_err("it is cut");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.cut();
    proxy.heal();
    proxy.heal();
    assert_eq!(Client::of(&proxy).ask("PING"), "+PONG");
}

#[test]
fn who_is_reset_may_come_again() {
    let (_redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    assert_eq!(client.ask("PING"), "+PONG");
    proxy.reset();
    assert_eq!(client.hear(), "");
    assert_eq!(Client::of(&proxy).ask("PING"), "+PONG");
}

#[test]
fn answers_are_kept_back_and_requests_are_not() {
    let (redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    proxy.hold_answers();
    client.say("SET x 1");
    eventually("the request reaches the server", || redis.cli(&["GET", "x"]) == "1");
    client.hears_nothing();
    proxy.heal();
    assert_eq!(client.hear(), "+OK");
}

#[test]
fn requests_are_kept_back() {
    let (redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    proxy.freeze_one_way(Way::ToServer);
    client.say("SET x 1");
    client.hears_nothing();
    assert_eq!(redis.cli(&["GET", "x"]), "");
    proxy.heal();
    assert_eq!(client.hear(), "+OK");
}

/// The only one: others overtake it, and it comes though nobody waits for the answer any more.
#[test]
fn a_certain_request_comes_late() {
    let (redis, proxy) = redis_and_proxy();
    let (mut client, mut other) = (Client::of(&proxy), Client::of(&proxy));
    proxy.delay_request_with("needle");
    assert_eq!(client.ask("SET x 1"), "+OK");
    client.say("SET needle 1");
    proxy.wait_until_delayed();
    assert_eq!(other.ask("SET needle 2"), "+OK");
    client.hears_nothing();
    drop(client);
    assert_eq!(redis.cli(&["GET", "needle"]), "2");
    proxy.heal();
    eventually("it comes", || redis.cli(&["GET", "needle"]) == "1");
}

/// What was kept back is lost by a cut: the surest way to lose an answer.
#[test]
fn what_was_kept_back_is_lost_by_a_cut() {
    let (redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    proxy.hold_answers();
    client.say("SET x 1");
    eventually("the request reaches the server", || redis.cli(&["GET", "x"]) == "1");
    proxy.cut();
    proxy.heal();
    assert_eq!(client.hear(), "");
    assert_eq!(Client::of(&proxy).ask("PING"), "+PONG");
}

#[test]
fn the_next_answer_is_lost_and_no_other() {
    let (redis, proxy) = redis_and_proxy();
    let mut client = Client::of(&proxy);
    assert_eq!(client.ask("SET x 1"), "+OK");
    proxy.drop_answers_and_cut();
    assert_eq!(client.ask("SET x 2"), "");
    proxy.wait_until_lost();
    assert_eq!(redis.cli(&["GET", "x"]), "2");
    assert_eq!(Client::of(&proxy).ask("SET x 3"), "+OK");
}

#[test]
fn the_answer_to_a_certain_request_is_lost() {
    let (redis, proxy) = redis_and_proxy();
    let (mut client, mut other) = (Client::of(&proxy), Client::of(&proxy));
    proxy.drop_answer_to("needle");
    assert_eq!(client.ask("SET x 1"), "+OK");
    assert_eq!(client.ask("SET needle 1"), "");
    assert_eq!(other.ask("SET needle 2"), "+OK");
    assert_eq!(redis.cli(&["GET", "needle"]), "2");
}

#[test]
fn where_there_is_no_server_connections_end() {
    let (redis, proxy) = redis_and_proxy();
    redis.kill();
    assert_eq!(Client::of(&proxy).hear(), "");
    redis.restart();
    assert_eq!(Client::of(&proxy).ask("PING"), "+PONG");
    eventually("no connection is kept for ever", || proxy.connections() == 0);
    assert_eq!(Counts { connections: 1, ..proxy.counts() }, proxy.counts());
}
