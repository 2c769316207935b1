//! One who takes locks and uses the resource, step by step.

use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Config, Error, LockGuard, Locks};

use super::event::{Event, What};
use super::resource::Door;

/// How a lock is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Without a wait.
    Try,
    /// For so long, on this thread.
    Wait(Duration),
    /// For so long, in a task.
    Task(Duration),
}

/// A client with a session of its own, and a connection to the resource that no fault of the network meets.
pub struct Client<T> {
    number: u64,
    locks: Locks,
    door: Door,
    tell: T,
    writes: u64,
    held: Option<Held>,
}

struct Held {
    guard: LockGuard,
    name: String,
}

/// Numbers that clients write are theirs alone: this many for each.
const WRITES: u64 = 1_000_000;

impl<T: FnMut(Event)> Client<T> {
    /// One of this number, above 0, on an engine. It tells what it does before it does it, and what came of it after.
    ///
    /// # Panics
    ///
    /// When there is no resource on that port.
    pub fn new(number: u64, url: &str, ttl: Duration, resource: u16, tell: T) -> Self {
        let config = Config::new().backend_url(url).session_ttl(ttl);
        let locks = Locks::new(config).expect("a configuration that can be used");
        Self { number, locks, door: Door::to(resource), tell, writes: 0, held: None }
    }

    /// Takes a lock. An update that does not get it is over.
    pub fn ask(&mut self, name: &str, way: Way) -> bool {
        self.tell(What::Ask(name.to_owned()));
        match self.take(name, way) {
            Ok(Some(guard)) => {
                self.tell(What::Got(guard.fencing_token()));
                self.held = Some(Held { guard, name: name.to_owned() });
                self.looks();
                return true;
            }
            Ok(None) => self.tell(What::End("busy".to_owned())),
            Err(error) => self.tell(What::End(error.to_string())),
        }
        false
    }

    fn take(&self, name: &str, way: Way) -> Result<Option<LockGuard>, Error> {
        let lock = self.locks.lock(name).distributed();
        match way {
            Way::Try => lock.try_acquire(),
            Way::Wait(limit) => lock.timeout(limit).acquire().map(Some),
            Way::Task(limit) => block_on(lock.timeout(limit).acquire_async()).map(Some),
        }
    }

    /// Says that its lock is not lost, if it is not. The time is one before it looked: what is not lost now was not lost then.
    ///
    /// # Panics
    ///
    /// When it has no lock.
    pub fn looks(&mut self) {
        let seen = Event::now(self.number, What::Held);
        if !self.held().guard.is_lost().expect("it is distributed") {
            (self.tell)(seen);
        }
    }

    /// Asks for the number.
    ///
    /// # Panics
    ///
    /// When it has no lock.
    pub fn enter(&mut self) -> bool {
        self.tell(What::Enter);
        let question = format!("enter {} {}", self.held().name, self.held().guard.fencing_token());
        let answer = self.door.ask(&question);
        self.hears(&answer)
    }

    /// Writes another number, whether its lock is lost or not: it is up to the resource to look.
    ///
    /// # Panics
    ///
    /// When it has no lock.
    pub fn write(&mut self) -> bool {
        self.writes += 1;
        let value = self.number * WRITES + self.writes;
        self.tell(What::Write(value));
        let question = format!("write {} {} {value}", self.held().name, self.held().guard.fencing_token());
        let answer = self.door.ask(&question);
        self.hears(&answer)
    }

    /// Lets the lock go, by dropping it or with an answer.
    pub fn free(&mut self, by_drop: bool) {
        let Some(held) = self.held.take() else { return };
        let how = if by_drop {
            drop(held);
            "dropped".to_owned()
        } else {
            held.guard.release().map_or_else(|error| error.to_string(), |()| "released".to_owned())
        };
        self.tell(What::End(how));
    }

    /// Asks for the number without a lock.
    pub fn look(&mut self, name: &str) {
        self.tell(What::Look(name.to_owned()));
        let answer = self.door.ask(&format!("look {name}"));
        self.hears(&answer);
    }

    fn hears(&mut self, answer: &str) -> bool {
        let what = match answer.split_once(' ') {
            Some(("value", value)) => What::Value(value.parse().expect("a number")),
            None if answer == "wrote" => What::Wrote,
            None if answer == "fenced" => What::Fenced,
            _ => panic!("the resource says {answer:?}"),
        };
        let is_good = what != What::Fenced;
        self.tell(what);
        is_good
    }

    fn held(&self) -> &Held {
        self.held.as_ref().expect("it has the lock")
    }

    fn tell(&mut self, what: What) {
        (self.tell)(Event::now(self.number, what));
    }
}
