//! Several processes, each with threads and tasks, count in one file: once under a named lock, once without.
//!
//! `cargo run --example quickstart`

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, zip};
use lockutils::{Config, synchronized};

const PROCESSES: usize = 3;
const THREADS: usize = 2;
const TASKS: usize = 2;
const UPDATES: usize = 250;
const WORKERS: usize = THREADS + TASKS;

type Done = Result<(), Box<dyn Error>>;

/// One update at a time on the whole host: threads, tasks and processes.
#[synchronized("quickstart", external)]
fn update(file: &File, asked: Instant) -> io::Result<Duration> {
    let waited = asked.elapsed();
    add_one(file).map(|()| waited)
}

/// The same lock from a task: nothing is blocked while it waits.
#[synchronized("quickstart", external)]
async fn update_in_task(file: &File, asked: Instant) -> io::Result<Duration> {
    let waited = asked.elapsed();
    add_one(file).map(|()| waited)
}

/// What needs the lock: a number is read, and written back one larger.
fn add_one(file: &File) -> io::Result<()> {
    let mut digits = [0; 20];
    file.read_exact_at(&mut digits, 0)?;
    let count = String::from_utf8_lossy(&digits).trim().parse().unwrap_or(0_u64);
    thread::yield_now();
    file.write_all_at(format!("{:20}", count + 1).as_bytes(), 0)
}

fn main() -> Done {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [role, directory, locked] if role == "worker" => work(Path::new(directory), locked == "locked"),
        _ => show(),
    }
}

/// The parent: both runs, and what came of them.
fn show() -> Done {
    let updates = PROCESSES * WORKERS * UPDATES;
    println!(
        "{PROCESSES} processes × ({THREADS} threads + {TASKS} tasks) × {UPDATES} updates of one number in one file\n"
    );
    let directory = tempfile::tempdir()?;
    println!("with #[synchronized(\"quickstart\", external)]:");
    let (locked, time) = run(directory.path(), true)?;
    println!("    counted {locked} of {updates} in {time:.2?}: {} lost updates\n", updates - locked);
    println!("without the lock:");
    let (bare, time) = run(directory.path(), false)?;
    println!("    counted {bare} of {updates} in {time:.2?}: {} lost updates\n", updates - bare);
    println!(
        "The lock file was {}; it goes with its directory.",
        directory.path().join("quickstart").display()
    );
    if locked == updates { Ok(()) } else { Err("the lock lost updates".into()) }
}

fn run(directory: &Path, locked: bool) -> Result<(usize, Duration), Box<dyn Error>> {
    let counter = directory.join("counter");
    fs::write(&counter, format!("{:20}", 0))?;
    let start = Instant::now();
    let children = (0..PROCESSES).map(|_| spawn(directory, locked)).collect::<io::Result<Vec<_>>>()?;
    watch(children)?;
    let count = fs::read_to_string(&counter)?.trim().parse()?;
    Ok((count, start.elapsed()))
}

fn spawn(directory: &Path, locked: bool) -> io::Result<Child> {
    let how = if locked { "locked" } else { "bare" };
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").arg(directory).arg(how).stdout(Stdio::piped()).spawn()
}

/// Shows what the children report, as it comes.
fn watch(children: Vec<Child>) -> Done {
    let (send, reports) = mpsc::channel();
    let mut board = Board::new(children.iter().map(Child::id).collect());
    for (row, mut child) in children.into_iter().enumerate() {
        let send = send.clone();
        thread::spawn(move || {
            let lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
            lines.map_while(Result::ok).for_each(|line| drop(send.send((row, Some(line)))));
            let ended = child.wait().is_ok_and(|status| status.success());
            if !ended {
                let _ = send.send((row, None));
            }
        });
    }
    drop(send);
    for (row, report) in reports {
        board.show(row, &report.ok_or("a worker process failed")?)?;
    }
    Ok(())
}

/// A line for each process, rewritten in place on a terminal.
struct Board {
    processes: Vec<u32>,
    rows: Vec<String>,
    live: bool,
}

impl Board {
    fn new(processes: Vec<u32>) -> Self {
        let live = io::stdout().is_terminal();
        let rows = vec![String::new(); processes.len()];
        rows.iter().filter(|_| live).for_each(|_| println!());
        Self { processes, rows, live }
    }

    fn show(&mut self, row: usize, report: &str) -> io::Result<()> {
        let last = report.contains("waited");
        self.rows[row] = format!("    process {:<7} {report}", self.processes[row]);
        let mut out = io::stdout().lock();
        if self.live {
            write!(out, "\x1b[{}A", self.rows.len())?;
            self.rows.iter().try_for_each(|row| writeln!(out, "\x1b[K{row}"))?;
        } else if last {
            writeln!(out, "{}", self.rows[row])?;
        }
        out.flush()
    }
}

/// A child: threads and tasks that update, and report to the parent.
fn work(directory: &Path, locked: bool) -> Done {
    lockutils::init(Config::new().lock_path(directory))?;
    let file = File::options().read(true).write(true).open(directory.join("counter"))?;
    let (send, waits) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (send, file) = (send.clone(), &file);
            scope.spawn(move || (0..UPDATES).for_each(|_| drop(send.send(in_thread(file, locked)))));
        }
        // Two tasks on one thread, without a runtime: they take turns.
        let (send, file) = (send, &file);
        scope.spawn(move || block_on(zip(tasks(file, locked, &send), tasks(file, locked, &send))));
        report(&waits)
    })
}

fn in_thread(file: &File, locked: bool) -> io::Result<Duration> {
    if locked { update(file, Instant::now()) } else { add_one(file).map(|()| Duration::ZERO) }
}

async fn tasks(file: &File, locked: bool, send: &mpsc::Sender<io::Result<Duration>>) {
    for _ in 0..UPDATES {
        let done = if locked {
            update_in_task(file, Instant::now()).await
        } else {
            futures_lite::future::yield_now().await;
            add_one(file).map(|()| Duration::ZERO)
        };
        let _ = send.send(done);
    }
}

/// Says how far the process is, and in the end how long its workers waited.
fn report(waits: &mpsc::Receiver<io::Result<Duration>>) -> Done {
    let (mut done, mut total, mut longest) = (0, Duration::ZERO, Duration::ZERO);
    for waited in waits {
        let waited = waited?;
        done += 1;
        total += waited;
        longest = longest.max(waited);
        if done % 10 == 0 {
            println!("{done:>5} updates {}", "▪".repeat(done * 20 / (WORKERS * UPDATES)));
        }
    }
    let mean = total / u32::try_from(done.max(1))?;
    if longest.is_zero() {
        println!("{done:>5} updates, waited for nobody");
    } else {
        println!("{done:>5} updates, waited {mean:.1?} each, {longest:.1?} at most");
    }
    Ok(())
}
