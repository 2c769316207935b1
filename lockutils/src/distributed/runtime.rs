//! The runtime of the engines whose clients need one: a thread of ours, started when the first of them is used.

use std::io;

use tokio::runtime::{Builder, Handle};

use crate::process::PerProcess;
use crate::thread;

/// Where the work of engines is done. It lasts as long as the process, and is not that of a forked child.
///
/// # Errors
///
/// When the thread cannot be started.
pub(super) fn runtime() -> io::Result<&'static Handle> {
    static RUNTIME: PerProcess<Handle> = PerProcess::new();
    RUNTIME.try_get(start)
}

fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::start_large("lockutils-engines", move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
