//! A lock that is let go while somebody else waits for it, in another process.

use std::thread::sleep;
use std::time::Duration;

use lockutils::Lock;

use crate::peer::Peer;
use crate::raw::Raw;
use crate::shown::{Measured, table};
use crate::waiter::{LOCK, Waiter, now};
use crate::{Engine, Result, Servers, ours, raw};

/// So many in each round.
const TIMES: usize = 5;

/// How long one waits before the lock is let go: it sleeps by then.
const HOLD: Duration = Duration::from_millis(5);

/// Measures all ways in turns, engine by engine.
pub(crate) fn show(servers: &Servers, rounds: usize) -> Result<()> {
    for engine in Engine::ALL {
        let measured = measure(engine, &servers.url(engine), rounds)?;
        let title = format!("{}, released to acquired, µs", engine.name());
        table(&title, &[("p50", 0.5), ("p90", 0.9), ("max", 1.0)], 1.5, &measured);
    }
    Ok(())
}

/// A way to hand something over: says how many microseconds that took.
type HandOff<'a> = Box<dyn FnMut() -> Result<f64> + 'a>;

fn measure(engine: Engine, url: &str, rounds: usize) -> Result<Vec<Measured>> {
    let lock = ours::locks(url)?.lock(LOCK).distributed();
    let (mut raw, mut watcher) = (raw::connect(engine, url)?, Waiter::start("watch", url)?);
    let mut ways: Vec<(Measured, HandOff<'_>)> =
        vec![(Measured::new("watch of a raw client"), Box::new(move || told(&mut *raw, &mut watcher)))];
    for way in ["lockutils", "lockutils, tokio"] {
        let (lock, mut waiter) = (lock.clone(), Waiter::start(way, url)?);
        ways.push((Measured::new(way), Box::new(move || handed_over(&lock, &mut waiter))));
    }
    if let Some((name, mut peer)) = Peer::of(engine, url) {
        let (lock, mut phases) = (lock.clone(), (0..100).step_by(37).cycle());
        let mut phase = move || Duration::from_millis(phases.next().unwrap_or_default());
        ways.push((Measured::new(name), Box::new(move || handed_to_peer(&lock, &mut peer, phase()))));
    }
    for round in 0..=rounds {
        for (measured, hand_off) in &mut ways {
            let times = (0..TIMES).map(|_| hand_off()).collect::<Result<Vec<_>>>()?;
            // In the first one all connect.
            if round > 0 {
                measured.rounds.push(times);
            }
        }
    }
    Ok(ways.into_iter().map(|(measured, _)| measured).collect())
}

fn told(raw: &mut dyn Raw, watcher: &mut Waiter) -> Result<f64> {
    watcher.wait()?;
    sleep(HOLD);
    let start = now()?;
    raw.tell()?;
    since(start, watcher.got()?)
}

fn handed_over(lock: &Lock, waiter: &mut Waiter) -> Result<f64> {
    let guard = lock.acquire()?;
    waiter.wait()?;
    while lock.contenders()?.len() < 2 {
        sleep(Duration::from_millis(1));
    }
    sleep(HOLD);
    let start = now()?;
    guard.release()?;
    since(start, waiter.got()?)
}

/// One of the others waits for a lock of ours. It looks now and then, so it is let go now and then.
fn handed_to_peer(lock: &Lock, peer: &mut Peer, phase: Duration) -> Result<f64> {
    let guard = lock.acquire()?;
    peer.wait();
    sleep(HOLD * 4 + phase);
    let start = now()?;
    guard.release()?;
    since(start, peer.got()?)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn since(start: u64, got: u64) -> Result<f64> {
    let nanos = got.checked_sub(start).ok_or("it had it too early")?;
    Ok(nanos as f64 / 1e3)
}
