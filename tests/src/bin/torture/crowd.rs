//! All who take the lock in one process: a thread, or several threads and tasks.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::runtime::Builder;

use crate::job::Job;
use crate::ledger::Ledger;
use crate::worker::Worker;

/// How often of 4 times all in a process share a registry; otherwise only the file keeps them apart.
const SHARES: u32 = 3;

/// Takes the lock again and again. This ends only by an error or a kill.
pub(crate) fn work(job: &Job, ledger: Ledger) -> io::Result<()> {
    let mut threads = workers(job, ledger)?;
    if let [alone] = &mut threads[..] {
        return alone.run().map(|_| ());
    }
    let tasks = if job.protocol.is_ours() { threads.split_off(threads.len() / 2) } else { Vec::new() };
    let (failed, failure) = channel();
    for mut worker in threads {
        let failed = failed.clone();
        thread::spawn(move || worker.run().map_err(|error| failed.send(error)));
    }
    run_tasks(tasks, &failed, &failure)
}

/// On a runtime with fewer threads than tasks, until somebody fails.
fn run_tasks(
    tasks: Vec<Worker>,
    failed: &Sender<io::Error>,
    failure: &Receiver<io::Error>,
) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    for mut worker in tasks {
        let failed = failed.clone();
        runtime.spawn(async move { worker.run_async().await.map_err(|error| failed.send(error)) });
    }
    Err(failure.recv().unwrap_or_else(io::Error::other))
}

fn workers(job: &Job, ledger: Ledger) -> io::Result<Vec<Worker>> {
    let mut workers = vec![Worker::new(job, ledger)?];
    let shares = rand::Rng::random_ratio(&mut job.random(job.incarnation), SHARES, 4);
    for incarnation in job.lives().skip(1) {
        let worker = if shares {
            workers[0].another(job, ledger, incarnation)?
        } else {
            Worker::new(&Job { incarnation, ..job.clone() }, ledger)?
        };
        workers.push(worker);
    }
    Ok(workers)
}
