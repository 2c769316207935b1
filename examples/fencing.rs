//! A holder that is paused while somebody removes its lock file, and what keeps it from doing harm:
//! `cargo run --example fencing`.
//!
//! A worker takes the lock and is stopped, as by a debugger, a suspended machine or a long swap. Somebody believes it
//! dead and removes its file, and the next one takes the lock and writes. Then the worker goes on. Its lock is
//! worth nothing now, and it does not know; but its fencing token is smaller than the one that the store has
//! seen.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lockutils::{Config, Fence, Locks};

/// What the lock protects. It takes the token with each write.
#[derive(Default)]
struct Store {
    fence: Fence,
    value: String,
}

impl Store {
    fn write(&mut self, token: u64, value: &str) {
        match self.fence.check(token) {
            Ok(()) => {
                value.clone_into(&mut self.value);
                println!("store:   {value:?} written with token {token}");
            }
            Err(error) => println!("store:   {value:?} refused: {error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(directory) => work(Path::new(&directory)),
        None => tell(),
    }
}

fn locks(directory: &Path) -> Result<Locks, lockutils::Error> {
    Locks::new(Config::new().lock_path(directory))
}

/// The worker: takes the lock, says its token, and what it knows of its lock whenever it is asked.
fn work(directory: &Path) -> Result<(), Box<dyn Error>> {
    let guard = locks(directory)?.lock("store").external().acquire()?;
    println!("{}", guard.fencing_token());
    for _line in std::io::stdin().lines() {
        match guard.check() {
            Ok(()) => println!("I have the lock"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

fn tell() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let mut store = Store::default();

    let mut worker = Command::new(env::current_exe()?)
        .arg(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(worker.stdout.take().expect("it was asked for")).lines();
    let old: u64 = lines.next().ok_or("the worker has ended")??.parse()?;
    store.write(old, "from the worker");

    signal(&worker, "-STOP")?;
    let lock = locks(directory.path())?.lock("store").external();
    println!("someone: the lock is held by {}", lock.holder()?.ok_or("nobody has it")?);
    println!("someone: it does not move, so it must be dead; I remove its file");
    fs::remove_file(directory.path().join("store"))?;
    let next = lock.acquire()?;
    store.write(next.fencing_token(), "from the next one");

    signal(&worker, "-CONT")?;
    store.write(old, "from the worker again");
    writeln!(worker.stdin.as_mut().expect("it was asked for"), "do you have the lock?")?;
    println!("worker:  {}", lines.next().ok_or("the worker has ended")??);

    drop(worker.stdin.take());
    worker.wait()?;
    println!("store:   the value is {:?}", store.value);
    Ok(())
}

fn signal(worker: &Child, signal: &str) -> Result<(), Box<dyn Error>> {
    let sent = Command::new("kill").arg(signal).arg(worker.id().to_string()).status()?;
    if sent.success() { Ok(()) } else { Err("kill(1) has failed".into()) }
}
