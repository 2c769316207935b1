//! The verbs and options of a lock, each in a few lines: `cargo run --example verbs`.

use std::error::Error;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Config, Locks};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let locks = Locks::new(Config::new().lock_path(directory.path()).lock_file_prefix("demo"))?;

    let guard = locks.lock("volumes").external().acquire()?;
    println!("{} holds {}", guard.name(), guard.path().expect("external").display());

    let busy = locks.lock("volumes").external().try_acquire()?;
    println!("a second try: {busy:?}");

    let error = locks.lock("volumes").timeout(Duration::from_millis(20)).acquire().expect_err("it is held");
    println!("a limit:      {error}");
    drop(guard);

    let (one, two) = (locks.lock("table").read().acquire()?, locks.lock("table").read().acquire()?);
    println!("two readers:  {} and {}", one.name(), two.name());
    drop((one, two));

    let both = locks.lock_all(["source", "target", "source"]).acquire()?;
    println!("several:      {:?}", both.names().collect::<Vec<_>>());
    drop(both);

    let permit = locks.semaphore("uploads", 2).acquire()?;
    println!("semaphore:    {permit:?}");
    drop(permit);

    let walk = locks.lock("tree").reentrant(2);
    walk.run(|| walk.run(|| println!("re-entrant:   twice by one thread")))??;

    block_on(async {
        let guard = locks.lock("volumes").external().acquire_async().await?;
        println!("in a task:    {guard:?}");
        Ok::<_, lockutils::Error>(())
    })?;

    println!("cleaned up:   {:?}", locks.clean("*", Duration::ZERO)?.removed);
    Ok(())
}
