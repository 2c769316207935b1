//! One that takes the lock again and again.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use futures_lite::future::yield_now;
use rand::Rng;
use rand::rngs::StdRng;

use crate::job::Job;
use crate::ledger::Ledger;
use crate::life::Doing;
use crate::oracle::{Stay, Visitor};
use crate::protocol::Protocol;
use crate::way::{Held, Way};

/// The longest stay inside.
const INSIDE: Duration = Duration::from_micros(80);
/// The longest time elsewhere where there is a cleaner: it gets its turn when nobody has the file open.
const ELSEWHERE: Duration = Duration::from_millis(4);
/// The same where there are Python libraries, which look for the lock every 10 ms and more.
const FAR: Duration = Duration::from_millis(16);

/// One that takes the lock again and again.
pub(crate) struct Worker {
    protocol: Protocol,
    visitor: Visitor,
    way: Way,
    random: StdRng,
}

impl Worker {
    /// The first one of a job.
    pub(crate) fn new(job: &Job, ledger: Ledger) -> io::Result<Self> {
        let mut random = job.random(job.incarnation);
        let way = Way::new(job.protocol, &job.directory, &mut random)?;
        Ok(Self {
            protocol: job.protocol,
            visitor: Visitor::new(ledger, job.incarnation, job.role.rooms(job.protocol))?,
            way,
            random,
        })
    }

    /// Another one, in the same process.
    pub(crate) fn another(&self, job: &Job, ledger: Ledger, incarnation: u64) -> io::Result<Self> {
        let mut random = job.random(incarnation);
        let way = self.way.another(&mut random);
        Ok(Self {
            protocol: self.protocol,
            visitor: Visitor::new(ledger, incarnation, job.role.rooms(job.protocol))?,
            way,
            random,
        })
    }

    /// Takes the lock again and again.
    pub(crate) fn run(&mut self) -> io::Result<Infallible> {
        loop {
            self.turn()?;
        }
    }

    /// The same as a task, that lets others run while it is inside.
    pub(crate) async fn run_async(&mut self) -> io::Result<Infallible> {
        loop {
            self.turn_async().await?;
        }
    }

    /// Takes the lock and lets go of it.
    fn turn(&mut self) -> io::Result<()> {
        self.visitor.life().begins(Doing::Taking);
        let held = self.way.take(self.visitor.life(), &mut self.random)?;
        self.has(held)?;
        gap(self.protocol, &mut self.random);
        Ok(())
    }

    async fn turn_async(&mut self) -> io::Result<()> {
        self.visitor.life().begins(Doing::Taking);
        let held = self.way.take_async(self.visitor.life(), &mut self.random).await?;
        if self.random.random() {
            yield_now().await;
        }
        self.has(held)?;
        yield_now().await;
        Ok(())
    }

    /// Has the lock.
    fn has(&mut self, held: Held) -> io::Result<()> {
        let life = self.visitor.life();
        life.waited();
        let held = visit(&self.visitor, self.protocol, held, &mut self.random)?;
        life.times.fetch_add(1, SeqCst);
        life.begins(Doing::Leaving);
        self.way.release(held)?;
        life.begins(Doing::Outside);
        Ok(())
    }
}

/// Is inside with what it holds. Who was alone may then share with others.
fn visit(visitor: &Visitor, protocol: Protocol, held: Held, random: &mut StdRng) -> io::Result<Held> {
    if held.is_shared() {
        return visitor.read(None, stay(random)).map(|()| held);
    }
    let counted = visitor.write(held.token(), stay(random))?;
    if !protocol.has_readers() || !random.random_ratio(1, 4) {
        return Ok(held);
    }
    let held = held.downgrade()?;
    if held.is_shared() {
        visitor.read(Some(counted), stay(random))?;
    }
    Ok(held)
}

/// How long one stays this time.
pub(crate) fn stay(random: &mut StdRng) -> Stay {
    Stay { length: INSIDE.mul_f64(random.random()), yields: random.random_ratio(1, 16) }
}

/// Is elsewhere for a while, where the protocol needs it.
pub(crate) fn gap(protocol: Protocol, random: &mut StdRng) {
    let longest = match protocol {
        Protocol::Mixed => FAR,
        Protocol::Cleaned => ELSEWHERE,
        _ => return,
    };
    thread::sleep(longest.mul_f64(random.random()));
}
