//! A client whose steps are written down.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use lockutils_tests::linear::{Client, Event, Way, wander};

use crate::{say, wait_for_end};

/// `URL TTL RESOURCE NUMBER`
type Words<'a> = [&'a str; 4];

/// Does as chance has it until the input ends.
pub(crate) fn at_random(words: Words<'_>, names: &str, seed: &str) {
    let (mut client, ttl) = client(words);
    let names: Vec<&str> = names.split(',').collect();
    let stop = Arc::<AtomicBool>::default();
    let stopped = Arc::clone(&stop);
    thread::spawn(move || {
        wait_for_end();
        stop.store(true, SeqCst);
    });
    wander(&mut client, &names, ttl, seed.parse().expect("a number"), || stopped.load(SeqCst));
}

/// Does what the lines of the input say: `ask NAME`, `enter`, `write`, `free`.
pub(crate) fn by_hand(words: Words<'_>) {
    let (mut client, ttl) = client(words);
    for line in io::stdin().lines().map_while(Result::ok) {
        match line.split_once(' ') {
            Some(("ask", name)) => drop(client.ask(name, Way::Wait(ttl * 20))),
            None if line == "enter" => drop(client.enter()),
            None if line == "write" => {
                client.looks();
                client.write();
            }
            None if line == "free" => client.free(false),
            _ => panic!("not known: {line}"),
        }
    }
}

fn client([url, ttl, resource, number]: Words<'_>) -> (Client<impl FnMut(Event)>, Duration) {
    let ttl = Duration::from_millis(ttl.parse().expect("milliseconds"));
    let (resource, number) = (resource.parse().expect("a port"), number.parse().expect("a number"));
    (Client::new(number, url, ttl, resource, say), ttl)
}
