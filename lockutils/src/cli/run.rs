//! `lockutils run`: a command under locks.
//!
//! | | |
//! |---|---|
//! | [`ask`] | what is to be taken, and taking it |
//! | [`waiting`] | what is shown meanwhile |
//! | [`far`] | whether an engine keeps it, for all hosts |
//! | [`lost`], [`bell`] | what becomes of the command when a lock is lost, and what tells of that |

mod ask;
mod bell;
mod far;
mod lost;
mod waiting;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use lockutils::exit::Exit;
use lockutils::{Error, Locks};

use self::ask::{Ask, Held};
use self::far::Far;
use self::lost::{Lost, OnLost};
use crate::command::signals::Signals;
use crate::command::{Command, attend};
use crate::failure::{Failure, say};
use crate::place::Place;
use crate::shown::plain;

/// Runs a command under a lock
///
/// Takes the lock, runs the command, and lets go when it ends. Of several names all are taken or none, always in one order,
/// so that two who want the same ones never wait for each other.
///
/// It does what flock(1) does, and locks the same files; -s, -x, -n, -w, -E, -o, -c and --verbose are as there. Here a lock
/// has a name, and `--` stands before the command.
///
/// Others who wait see the command and its arguments, which stand in the lock file as long as it runs.
///
/// The command inherits the open lock file. So the lock is held as long as the command lives, even if `lockutils` itself is
/// killed (SIGKILL). When the command ends the lock is free, even if it has left processes in the background.
///
/// Signals that are sent to `lockutils` are passed on to the command; those of the terminal's keys it gets by itself.
/// Until it has the lock, `lockutils` ends by signals like any other program.
#[derive(Debug, clap::Args)]
#[command(override_usage = USAGE, after_long_help = EXIT_STATUS)]
pub(crate) struct Args {
    /// The names of the locks
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// Runs this line by $SHELL, or /bin/sh, instead of a command with arguments
    #[arg(short = 'c', long = "command", value_name = "STRING", conflicts_with = "command")]
    line: Option<OsString>,

    #[command(flatten)]
    kind: Kind,

    #[command(flatten)]
    wait: Limits,

    #[command(flatten)]
    under: Under,

    #[command(flatten)]
    far: Far,

    #[command(flatten)]
    place: Place,
}

/// What kind of lock.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kind of lock")]
struct Kind {
    /// Shares the lock with others that say so
    #[arg(short, long, overrides_with = "exclusive")]
    shared: bool,

    /// Takes the lock alone, which is the default
    #[arg(short = 'x', long, short_alias = 'e', visible_short_alias = 'e', overrides_with = "shared")]
    exclusive: bool,

    /// Lets N in at once; all who use the name must say the same number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["shared", "exclusive"])]
    semaphore: Option<u32>,

    /// Does not overtake those who came first
    ///
    /// Without it, who comes at the right moment may, for some milliseconds.
    #[arg(long)]
    fair: bool,
}

/// How long to wait.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Waiting")]
struct Limits {
    /// Gives up after this time: seconds, or with a unit as in 500ms, 5s, 2min; 0 is --no-wait [default: the
    /// `timeout` of the configuration, else no limit]
    #[arg(short = 'w', long, visible_alias = "wait", value_name = "TIME", value_parser = crate::duration::parse)]
    timeout: Option<Duration>,

    /// Does not wait
    ///
    /// If somebody else has the lock, nothing is run and nothing is said (unless --verbose), so that a cron job
    /// sends no mail for it. When a --timeout runs out, a line on standard error says who has the lock.
    #[arg(short, long, visible_alias = "nonblock", alias = "nb")]
    no_wait: bool,

    /// The exit status if somebody else has the lock after all
    #[arg(short = 'E', long, value_name = "N", default_value_t = Exit::Conflict.code())]
    conflict_exit_code: u8,

    /// Says on standard error who is waited for, how long that took, and what is executed
    ///
    /// On a terminal, a wait of more than a moment is shown anyway.
    #[arg(short, long)]
    verbose: bool,
}

/// What the command is to know, and what becomes of it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "While the command runs")]
struct Under {
    /// Sets LOCKUTILS_FENCING_TOKEN for the command
    ///
    /// A number that is larger for each later holder of the lock, for a resource that is to refuse those who are
    /// out of date. Of several locks, the largest. Those who share a lock (--shared, --semaphore) have that of the last one who
    /// had it alone.
    #[arg(long)]
    set_env: bool,

    /// What to do when the lock is lost: its file was removed or replaced, or its engine has not confirmed it in time
    ///
    /// The command gets the signal, and not what it has started: a shell that is to pass it on needs a trap.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnLost::Kill)]
    on_lost: OnLost,

    /// How long the command has to end after SIGTERM when the lock is lost, before SIGKILL
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse, default_value = "10s")]
    kill_after: Duration,

    /// Does not let the command inherit the lock file
    ///
    /// If `lockutils` is killed (SIGKILL), the command is killed with it then, though not what it has started itself. It is
    /// always so with `mechanism = "pid"`, where there is nothing to inherit.
    #[arg(short = 'o', long)]
    close: bool,
}

const USAGE: &str = "\
lockutils run [OPTIONS] <NAME>... -- <COMMAND>...
       lockutils run [OPTIONS] <NAME>... -c <STRING>";

const EXIT_STATUS: &str = "\
Exit status:
  That of the command; 128 and the signal's number if one has ended it.
    1  somebody else has the lock; another number with -E
   64  the command line, or the name of a lock, is not understood
   66  there is something else in the place of the lock
   68  the engine of a distributed lock cannot be reached
   69  the file system, the mechanism or the engine has no such locks
   71  the system has no process to give
   74  reading or writing has failed
   75  the lock was lost, and the command was ended for that
   76  the engine of a distributed lock has refused
   77  not permitted, by the system or by the engine
   78  neither a directory nor an engine, or no usable configuration
  126  the command cannot be executed
  127  there is no such command

Examples:
  lockutils run nightly -- backup --all
  lockutils run --timeout 5min db -c 'dump | gzip > dump.gz'
  If it runs already, this one does not:
  lockutils run --no-wait nightly -- backup --all
  With other reports, but not while the above dumps:
  lockutils run --shared db -- report
  No more than four at once:
  lockutils run --semaphore 4 uploads -- upload file
  On one host of all that share the engine:
  export LOCKUTILS_BACKEND_URL=etcd://a:2379,b:2379,c:2379
  lockutils run --distributed --no-wait nightly -- backup --all";

pub(crate) fn run(mut args: Args) -> Result<ExitCode, Failure> {
    let command = args.command()?;
    let (locks, is_far) = args.far.locks(&args.place)?;
    let ask = args.ask(&locks)?.kept_by_an_engine(is_far).with_purpose(&command);
    match args.take(&ask)? {
        Some(held) => args.execute(command, held).map(ExitCode::from),
        None => Ok(args.wait.conflict_exit_code.into()),
    }
}

impl Args {
    fn command(&mut self) -> Result<Command, Failure> {
        let words = std::mem::take(&mut self.command);
        self.line.take().map(Command::of_shell).or_else(|| Command::new(words)).ok_or_else(|| {
            let name = self.names.first().map_or("NAME", |name| name);
            Failure::new(
                Exit::Usage,
                format_args!(
                    "no command; write it behind `--`, as in `lockutils run {name} -- COMMAND`, or with -c"
                ),
            )
        })
    }

    fn ask(&self, locks: &Locks) -> Result<Ask, Failure> {
        self.refuse_paths()?;
        match (self.kind.semaphore, &self.names[..]) {
            (Some(permits), [name]) => Ok(Ask::permit(locks, name, permits, self.kind.fair, &self.far)),
            (Some(_), _) => Err(Failure::new(
                Exit::Usage,
                "--semaphore is for one name; run `lockutils run` under `lockutils run` for more",
            )),
            (None, names) => Ok(Ask::locks(locks, names, self.kind.shared, self.kind.fair, &self.far)),
        }
    }

    /// Whoever writes one comes from flock(1), and means that file: that of the name would be another one.
    fn refuse_paths(&self) -> Result<(), Failure> {
        let Some(path) = self.names.iter().map(Path::new).find(|name| name.is_absolute()) else {
            return Ok(());
        };
        let directory = path.parent().unwrap_or(path).display();
        let name = path.file_name().map_or_else(|| "NAME".into(), |name| name.to_string_lossy());
        Err(Failure::new(
            Exit::Usage,
            format_args!(
                "{} is a path, and a lock has a name: say --lock-path {directory} {name}",
                plain(&path.to_string_lossy())
            ),
        ))
    }

    /// `None`: somebody else has it, and the wait was over or not wanted.
    fn take(&self, ask: &Ask) -> Result<Option<Held>, Failure> {
        if let Some(held) = ask.try_acquire()? {
            self.got(ask, None);
            return Ok(Some(held));
        }
        let waits = !self.wait.no_wait && self.wait.timeout != Some(Duration::ZERO);
        if !waits && !self.wait.verbose {
            return Ok(None);
        }
        let limit = if waits { self.wait.timeout } else { Some(Duration::ZERO) };
        let shown = waits.then(|| waiting::begin(ask, self.wait.verbose));
        let taken = ask.acquire(limit);
        let waited = shown.map(waiting::Waiting::end);
        match taken {
            Ok(held) => {
                self.got(ask, waited);
                Ok(Some(held))
            }
            Err(error) if error.is_timeout() => {
                say(error);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn got(&self, ask: &Ask, waited: Option<Duration>) {
        if self.wait.verbose {
            match waited {
                Some(waited) => say(format_args!("got {ask} after {:.3}s", waited.as_secs_f64())),
                None => say(format_args!("got {ask} at once")),
            }
        }
    }

    fn execute(&self, mut command: Command, held: Held) -> Result<u8, Failure> {
        if self.under.set_env {
            command.set("LOCKUTILS_FENCING_TOKEN", held.token().to_string());
        }
        if self.wait.verbose {
            say(format_args!("executing {command}"));
        }
        let system = |error| Failure::new(Exit::System, error);
        let signals = Signals::block().map_err(system)?;
        let mut lost = Lost::new(&held, self.under.on_lost, self.under.kill_after).map_err(system)?;
        let inherited = if self.under.close { Vec::new() } else { held.inheritable()? };
        let child = command.spawn(&signals, held.tie(&inherited))?;
        drop(inherited);
        let code = attend::to_the_end(child, &signals, &mut lost)?;
        let code = if lost.has_killed() { Exit::Lost.code() } else { code };
        let is_told = lost.look_back();
        // It changes nothing for the command, which has ended.
        match held.release() {
            Err(error) if error.is_lost() && is_told => {}
            Err(error) => say_not_released(&error),
            Ok(()) => {}
        }
        Ok(code)
    }
}

/// What the library says of an engine that is out of reach is meant for those who want a lock.
fn say_not_released(error: &Error) {
    match (error.name(), error.is_unreachable(), std::error::Error::source(error)) {
        (Some(name), true, Some(why)) => say(format_args!(
            "the engine has not confirmed that lock `{name}` was let go: {why}; it is free when its lease has run out, at the latest"
        )),
        _ => say(error),
    }
}
