//! The clients of a round.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lockutils_tests::linear::{Client, Event, Resource, What, wander};
use lockutils_tests::server::Proxy;
use lockutils_tests::{Child, helper};

use super::TTL;
use super::site::Site;

/// How many are processes of their own, which can be stopped and killed.
pub(super) const PROCESSES: usize = 3;
/// How many are threads of this process.
const THREADS: usize = 2;
/// All of them.
pub(super) const ALL: usize = PROCESSES + THREADS;

/// Clients that do as chance has it, each with a session and a network of its own, and what they have told.
pub(super) struct Fleet<'a> {
    site: &'a Site<'a>,
    resource: &'a Resource,
    names: [String; 2],
    seed: u64,
    networks: Vec<Vec<Proxy>>,
    processes: Vec<Process>,
    threads: Vec<Thread>,
    /// The number of the last one.
    number: u64,
    events: Vec<Event>,
}

struct Process {
    child: Child,
    said: Vec<Event>,
}

struct Thread {
    stop: Arc<AtomicBool>,
    runs: JoinHandle<Vec<Event>>,
}

impl<'a> Fleet<'a> {
    pub(super) fn start(site: &'a Site<'a>, resource: &'a Resource, round: u64, seed: u64) -> Self {
        let mut fleet = Self {
            site,
            resource,
            names: ["a", "b"].map(|name| format!("{name}{round}")),
            seed,
            networks: (0..ALL).map(|_| site.proxies()).collect(),
            processes: Vec::new(),
            threads: Vec::new(),
            number: 0,
            events: Vec::new(),
        };
        fleet.processes = (0..PROCESSES).map(|client| fleet.process(client)).collect();
        fleet.threads = (PROCESSES..ALL).map(|client| fleet.thread(client)).collect();
        fleet
    }

    fn next(&mut self, client: usize) -> (String, u64, u64) {
        self.number += 1;
        (self.site.url(&self.networks[client]), self.number, self.seed.wrapping_add(self.number))
    }

    fn process(&mut self, client: usize) -> Process {
        let (url, number, seed) = self.next(client);
        let numbers = [u64::from(self.resource.port()), number].map(|number| number.to_string());
        let ttl = TTL.as_millis().to_string();
        let mut command = Command::new(helper());
        command.args(["linear", &url, &ttl, &numbers[0], &numbers[1]]);
        let child = Child::spawn(command.args([self.names.join(","), seed.to_string()]));
        Process { child, said: Vec::new() }
    }

    fn thread(&mut self, client: usize) -> Thread {
        let (url, number, seed) = self.next(client);
        let (port, names) = (self.resource.port(), self.names.clone());
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let runs = thread::spawn(move || {
            let mut events = Vec::new();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut client = Client::new(number, &url, TTL, port, |event| events.push(event));
            wander(&mut client, &names, TTL, seed, || stopped.load(SeqCst));
            drop(client);
            events
        });
        Thread { stop, runs }
    }

    /// What a client has between it and the servers.
    pub(super) fn network(&self, client: usize) -> &[Proxy] {
        &self.networks[client]
    }

    /// A client that is a process.
    pub(super) fn at(&self, client: usize) -> &Child {
        &self.processes[client].child
    }

    /// A process that holds a lock for longer than a moment, if there is one soon.
    pub(super) fn holder(&mut self) -> Option<usize> {
        let begun = Instant::now();
        while begun.elapsed() < TTL / 2 {
            if let Some(holder) = self.processes.iter_mut().position(Process::holds) {
                return Some(holder);
            }
            thread::sleep(Duration::from_millis(1));
        }
        None
    }

    /// Kills a process and starts another in its place.
    pub(super) fn kill(&mut self, client: usize) {
        let next = self.process(client);
        let mut killed = std::mem::replace(&mut self.processes[client], next);
        killed.child.kill();
        killed.hear(Duration::from_secs(1));
        self.events.extend(killed.said);
    }

    /// Has all of them end, and returns what they have told.
    pub(super) fn finish(mut self) -> Vec<Event> {
        self.threads.iter().for_each(|thread| thread.stop.store(true, SeqCst));
        // All are to end before one is waited for: they may be in each other's way.
        self.processes.iter_mut().for_each(|process| process.child.close());
        for process in self.processes {
            self.events.extend(process.said);
            self.events.extend(process.child.finish().iter().map(|line| Event::of(line)));
        }
        for thread in self.threads {
            self.events.extend(thread.runs.join().expect("everything can be had in the end"));
        }
        self.events
    }
}

impl Process {
    /// Hears what it has said, and goes on until it has said nothing for so long.
    fn hear(&mut self, silence: Duration) {
        while let Some(line) = self.child.said_within(silence) {
            self.said.push(Event::of(&line));
        }
    }

    /// It says so again and again when it has looked.
    fn holds(&mut self) -> bool {
        self.hear(Duration::ZERO);
        self.said.last().is_some_and(|event| event.what == What::Held)
    }
}
