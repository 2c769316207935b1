//! One who waits for the lock in another process, and says when it had it.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use lockutils::Lock;
use nix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

use crate::{Engine, Result, ours, raw};

/// The name of the lock that is handed over.
pub(crate) const LOCK: &str = "bench-hand-off";

/// What it is told, and what it answers when it is about to wait.
const WAIT: u8 = b'w';

/// Nanoseconds on a clock that all processes share.
pub(crate) fn now() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u64::try_from(std::time::Duration::from(now).as_nanos())?)
}

/// The process, as its parent has it.
pub(crate) struct Waiter(Child);

impl Waiter {
    pub(crate) fn start(way: &str, url: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["waiter", way, url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    /// Has it wait: it is about to when this is over.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.0.stdin.as_mut().ok_or("it is closed")?.write_all(&[WAIT])?;
        self.read::<1>().map(drop)
    }

    /// When it had it.
    pub(crate) fn got(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.read()?))
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.stdout.as_mut().ok_or("it is closed")?.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The process itself.
pub(crate) fn run(way: &str, url: &str) -> Result<()> {
    match way {
        "watch" => watch(url),
        "lockutils" => wait(url, |lock| {
            let guard = lock.acquire()?;
            let got = now()?;
            guard.release()?;
            Ok(got)
        }),
        "lockutils, tokio" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            wait(url, |lock| wait_in_task(&runtime, lock))
        }
        _ => Err(format!("nobody waits like {way}").into()),
    }
}

fn wait_in_task(runtime: &Runtime, lock: &Lock) -> Result<u64> {
    runtime.block_on(async {
        let guard = lock.acquire_async().await?;
        let got = now()?;
        guard.release_async().await?;
        Ok(got)
    })
}

fn wait(url: &str, mut wait: impl FnMut(&Lock) -> Result<u64>) -> Result<()> {
    let lock = ours::locks(url)?.lock(LOCK).distributed();
    while is_told()? {
        answer(&[WAIT])?;
        answer(&wait(&lock)?.to_le_bytes())?;
    }
    Ok(())
}

fn watch(url: &str) -> Result<()> {
    let mut raw = raw::connect(Engine::of(url)?, url)?;
    while is_told()? {
        let next = raw.watch()?;
        answer(&[WAIT])?;
        next()?;
        answer(&now()?.to_le_bytes())?;
    }
    Ok(())
}

fn is_told() -> io::Result<bool> {
    Ok(io::stdin().read(&mut [0])? > 0)
}

fn answer(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
