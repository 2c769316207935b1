//! Threads whose time is nearly over.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use lockutils::distributed::{Caller, Share};
use lockutils_tests::server::{Proxy, Redis};

use super::{client, client_with, is_held};
use crate::contract::bench::By;

const MILLI: Duration = Duration::from_millis(1);

/// Who talks to the server in lines.
struct Raw(BufReader<TcpStream>);

impl Raw {
    fn to(redis: &Redis) -> Self {
        Self(BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).expect("it is there")))
    }

    fn say(&mut self, lines: &str) {
        self.0.get_ref().write_all(lines.as_bytes()).expect("it can be written to");
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it answers");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The first one in the queue, if there is one.
    fn first(&mut self) -> Option<String> {
        self.say("ZRANGE {job}/queue 0 0\r\n");
        if self.hear() == "*0" {
            return None;
        }
        self.hear();
        Some(self.hear())
    }
}

/// It looks, and before the answer is there it is called again, when it would not look itself any more: what it is told twice is
/// held once, and not given back.
#[test]
fn what_is_granted_at_the_last_moment_is_kept() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let comer = client_with(&(proxy.url("redis") + "?retry=200ms"), Duration::from_secs(60), By::Thread);
    let other = client(&redis.url());
    let mut raw = Raw::to(&redis);
    for round in 0..60 {
        raw.say("SET job another\r\n");
        assert_eq!(raw.hear(), "+OK");
        let start = Instant::now();
        let until = start + 80 * MILLI;
        // It is not given the lock, but called.
        let request = comer.request("job", Share::Write).expiring(Duration::from_secs(60));
        let wait = comer.queue_request(request.called_by(Caller::Thread { until: Some(until) }));
        let entry = raw.first().expect("it waits");
        let client = entry.split(' ').nth(2).expect("it says whose it is").to_owned();
        let call = format!("PUBLISH lockutils:wake:{client} \"job\\n\\n{entry}\"\r\n");
        proxy.delay_request_with("EVALSHA");
        raw.say(&format!("DEL job\r\n{call}"));
        assert_eq!([raw.hear(), raw.hear()], [":1", ":1"]);
        proxy.wait_until_delayed();
        // Less than 8 ms before its time is over it is not blocked any more.
        spin_until(start + 73 * MILLI);
        raw.say(&call);
        spin_until(start + (75 + round % 4) * MILLI);
        proxy.heal();
        assert_eq!(raw.hear(), ":1");
        let grant = wait.grant();
        // What is given back goes in the background.
        thread::sleep(10 * MILLI);
        is_held(&comer, &grant);
        assert!(other.try_take("job", Share::Write).is_none(), "two hold it");
        comer.release(&grant).expect("it is held");
    }
}

fn spin_until(end: Instant) {
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
