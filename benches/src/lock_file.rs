//! A lock file that nobody else wants, beside the system calls that this takes:
//! `cargo run --release -p lockutils-benches --bin lock-file [rounds] [case]`.
//!
//! The bare calls are those that `strace` shows for the line below them, with the same arguments and nothing else.

use std::hint::black_box;
use std::io;

use fs4::FileExt;
use lockutils::{Config, Locks};
use lockutils_benches::{Bare, Counting, Table, open};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(31);
    let directory = tempfile::tempdir()?;
    let locks = Locks::new(Config::new().lock_path(directory.path()))?;
    let fail = |error: io::Error| panic!("{error}");

    let flocked = open(&directory.path().join("flocked"))?;
    let path = directory.path().join("flocked");
    let bare = Bare::new(directory.path().join("bare").as_path())?;
    let kept = locks.lock("kept").external();
    let kept_read = locks.lock("read").external().read();

    let mut table = Table::default();
    table.add("flock(2), file kept open", || {
        FileExt::lock(&flocked).and_then(|()| FileExt::unlock(&flocked)).unwrap_or_else(fail);
    });
    table.add("flock(2), opened each time", || {
        open(&path).and_then(|file| FileExt::lock(&file)).unwrap_or_else(fail);
    });
    table.add("the calls of a kept handle", || bare.kept().unwrap_or_else(fail));
    table.add("kept handle", || drop(black_box(kept.acquire().expect("free"))));
    table.add("kept handle, read", || drop(black_box(kept_read.acquire().expect("free"))));
    table.add("the calls of a lock that is opened each time", || bare.opened().unwrap_or_else(fail));
    table.add("lock(name).external()", || {
        drop(black_box(locks.lock("opened").external().acquire().expect("free")));
    });
    table.run(rounds, arguments.get(1).map(String::as_str));
    Ok(())
}
