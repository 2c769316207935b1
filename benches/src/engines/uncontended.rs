//! One who takes a lock that is free and lets it go.

use std::time::Instant;

use crate::ours::{cycle, cycle_async, locks};
use crate::peer::Peer;
use crate::shown::{Measured, table};
use crate::{Engine, Result, Servers, raw};

/// What a round is made of: measured once more, so often.
type Batch<'a> = Box<dyn FnMut(usize) -> Result<Vec<f64>> + 'a>;

/// Measures all ways in turns, engine by engine.
pub(crate) fn show(servers: &Servers, rounds: usize) -> Result<()> {
    for engine in Engine::ALL {
        let measured = measure(engine, &servers.url(engine), rounds)?;
        let title = format!("{}, acquire and release, µs", engine.name());
        table(&title, &[("q1", 0.25), ("median", 0.5), ("q3", 0.75)], 1.3, &measured);
    }
    Ok(())
}

fn measure(engine: Engine, url: &str, rounds: usize) -> Result<Vec<Measured>> {
    // A round of one way takes some ten milliseconds.
    let times = if engine == Engine::Redis { 200 } else { 40 };
    let mut raw = raw::connect(engine, url)?;
    let (kept, in_tasks) =
        (locks(url)?.lock("bench").distributed(), locks(url)?.lock("bench-async").distributed());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut ways: Vec<(Measured, Batch<'_>)> = vec![
        (
            Measured::new("raw client"),
            Box::new(move |times| timed(times, || raw.take().and_then(|()| raw.free()))),
        ),
        (Measured::new("lockutils"), Box::new(|times| timed(times, || cycle(&kept)))),
        (
            Measured::new("lockutils, tokio"),
            Box::new(|times| timed(times, || runtime.block_on(cycle_async(&in_tasks)))),
        ),
    ];
    if let Some((name, mut peer)) = Peer::of(engine, url) {
        ways.push((Measured::new(name), Box::new(move |times| peer.cycles(times))));
    }
    for round in 0..=rounds {
        for (measured, batch) in &mut ways {
            let times = batch(times)?;
            // In the first one all connect.
            if round > 0 {
                measured.rounds.push(times);
            }
        }
    }
    Ok(ways.into_iter().map(|(measured, _)| measured).collect())
}

fn timed(times: usize, mut operation: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let once = |_| {
        let start = Instant::now();
        operation()?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    };
    (0..times).map(once).collect()
}
