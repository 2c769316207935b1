//! Watching a lock file for a sign that something in it was let go (inotify(7)).
//!
//! One thread and one inotify instance serve a whole process, since a user may have few of them. Two things are not to be
//! relied on, so those who watch look again by themselves: the kernel tells of the end of a process just before
//! it frees its locks, so there are [some looks](ECHOES) soon after each sign; and a file system may tell
//! nothing at all, so there is one [now and then](NET).

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::time::TimeSpec;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::opening::above_stdio;
use super::wait::tick;
use crate::error::Error;
use crate::process::{PerProcess, ProcessId};
use crate::thread::{start, wake};

/// How long after a sign there is another look.
const ECHOES: [Duration; 6] = [
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
];
/// How often there is a look without a sign.
const NET: Duration = Duration::from_secs(1);

static WATCHER: PerProcess<Watcher> = PerProcess::new();

/// The watcher of a process. It stays when it was needed once.
///
/// A forked child does not touch that of its parent: the thread that may have had its lock is not there, and the inotify
/// instance is shared.
struct Watcher {
    process: ProcessId,
    inotify: Inotify,
    nudged: EventFd,
    /// The thread was started.
    works: OnceCell<()>,
    files: Mutex<HashMap<WatchDescriptor, File>>,
}

/// A file that is watched.
#[derive(Default)]
struct File {
    /// Those who watch it.
    users: usize,
    /// How often there was a reason to look at it.
    signs: u64,
    /// When the last sign came from the kernel, and how many looks have followed it.
    signed: Option<(Instant, usize)>,
    /// One for each of those who wait, by their numbers.
    wakers: HashMap<u64, Waker>,
}

/// What is a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signs {
    /// Whatever is done to the file.
    All,
    /// That it goes, or that somebody closes it who could write. To read it is none, so that those who wait may do
    /// that.
    Removal,
}

impl Signs {
    fn flags(self) -> AddWatchFlags {
        let removal = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_DONT_FOLLOW;
        match self {
            Self::All => removal | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE,
            Self::Removal => removal,
        }
    }
}

/// A file that is watched by its owner, from its birth on.
pub(super) struct Watched {
    /// `None`: it cannot be watched.
    at: Option<(&'static Watcher, WatchDescriptor)>,
    number: u64,
    seen: u64,
}

impl Watched {
    pub(super) fn new(path: &Path, signs: Signs) -> Result<Self, Error> {
        match Watcher::current().and_then(|watcher| watcher.add(path, signs)) {
            Ok((watcher, descriptor, number)) => {
                Ok(Self { at: Some((watcher, descriptor)), number, seen: 0 })
            }
            // There are no more instances or watches to be had; or the file has just gone, which the caller sees; or somebody
            // has closed the descriptor, which is ours, and opened something else.
            Err(
                Errno::EMFILE
                | Errno::ENFILE
                | Errno::ENOSPC
                | Errno::ENOMEM
                | Errno::ENOENT
                | Errno::EBADF
                | Errno::EINVAL,
            ) => Ok(Self { at: None, number: 0, seen: 0 }),
            Err(errno) => Err(Error::io_at("watch lock file", path, errno)),
        }
    }

    /// Where it is watched. `None`: nowhere, or by the parent of this process. Then there is a look at each tick.
    fn here(&self) -> Option<(&'static Watcher, &WatchDescriptor)> {
        let (watcher, descriptor) = self.at.as_ref()?;
        (watcher.process == ProcessId::current()).then_some((*watcher, descriptor))
    }

    /// The owner looks at the file now: what comes after this is a reason to look again.
    pub(super) fn mark(&mut self) {
        if let Some((watcher, descriptor)) = self.here() {
            self.seen = watcher.files.lock().get(descriptor).map_or(self.seen, |file| file.signs);
        }
    }

    /// Ready when there is a reason to look at the file again.
    ///
    /// # Errors
    ///
    /// When it cannot be watched, and there is no thread either that would wake this wait from time to time.
    pub(super) async fn changed(&self) -> io::Result<()> {
        let Some((watcher, descriptor)) = self.here() else { return tick().await };
        poll_fn(|context| {
            // Code of the user, so not under the lock.
            let waker = context.waker().clone();
            let mut files = watcher.files.lock();
            let Some(file) = files.get_mut(descriptor).filter(|file| file.signs == self.seen) else {
                return Poll::Ready(());
            };
            let had_none = file.wakers.is_empty();
            let old = file.wakers.insert(self.number, waker);
            drop(files);
            drop(old);
            if had_none {
                watcher.nudge();
            }
            Poll::Pending
        })
        .await;
        Ok(())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some((watcher, descriptor)) = self.here() else { return };
        let mut files = watcher.files.lock();
        let Some(file) = files.get_mut(descriptor) else { return };
        let mine = file.wakers.remove(&self.number);
        file.users -= 1;
        if file.users == 0 {
            files.remove(descriptor);
            // It may have gone by itself, with its file.
            let _ = watcher.inotify.rm_watch(*descriptor);
        }
        drop(files);
        drop(mine);
    }
}

impl Watcher {
    /// That of this process.
    fn current() -> nix::Result<&'static Self> {
        let watcher = WATCHER.try_get(|| {
            let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
            let nudged = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
            // A daemon may open something else in the place of the first three.
            let (inotify, nudged) = (above_stdio(inotify.into())?, above_stdio(nudged.into())?);
            // SAFETY: each is what it was made as a few lines ago, or a copy of that.
            let (inotify, nudged) =
                unsafe { (Inotify::from_owned_fd(inotify), EventFd::from_owned_fd(nudged)) };
            let (process, files) = (ProcessId::current(), Mutex::default());
            Ok(Self { process, inotify, nudged, files, works: OnceCell::new() })
        })?;
        let started = || start("lockutils-watch", move || watcher.work());
        watcher.works.get_or_try_init(started).map_err(|_: io::Error| Errno::EMFILE)?;
        Ok(watcher)
    }

    fn add(&'static self, path: &Path, signs: Signs) -> nix::Result<(&'static Self, WatchDescriptor, u64)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut files = self.files.lock();
        let descriptor = self.inotify.add_watch(path, signs.flags())?;
        files.entry(descriptor).or_default().users += 1;
        drop(files);
        Ok((self, descriptor, NEXT.fetch_add(1, Relaxed)))
    }

    /// Somebody waits who was not there when the thread went to sleep.
    fn nudge(&self) {
        // It is full only if the thread has not looked since the last time.
        let _ = self.nudged.write(1);
    }

    /// What the thread does.
    fn work(&self) {
        let mut net = Instant::now() + NET;
        loop {
            self.sleep_until(self.next_look(net));
            let _ = self.nudged.read();
            let (now, signs) = (Instant::now(), self.read());
            let all = now >= net;
            if all {
                net = now + NET;
            }
            self.note(&signs, now, all).into_iter().for_each(wake);
        }
    }

    /// When there is something to be done without a sign; `None` while nobody waits.
    fn next_look(&self, net: Instant) -> Option<Instant> {
        let files = self.files.lock();
        let waiting = files.values().filter(|file| !file.wakers.is_empty());
        waiting.map(|file| file.echo().map_or(net, |echo| echo.min(net))).min()
    }

    fn sleep_until(&self, end: Option<Instant>) {
        let left = end.map(|end| TimeSpec::from_duration(end.saturating_duration_since(Instant::now())));
        let watched = [self.inotify.as_fd(), self.nudged.as_fd()];
        let mut watched = watched.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        // Interrupted or not, everything is looked at after it.
        let _ = ppoll(&mut watched, left, None);
    }

    /// The files of which there was a sign; `None` for all of them, when the kernel had more to tell than it could keep.
    fn read(&self) -> Vec<Option<WatchDescriptor>> {
        let events = self.inotify.read_events().unwrap_or_default();
        let overflown = |mask: AddWatchFlags| mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
        events.iter().map(|event| Some(event.wd).filter(|_| !overflown(event.mask))).collect()
    }

    /// Notes what there is to be looked at, and gives the wakers of those who are to look.
    fn note(&self, signs: &[Option<WatchDescriptor>], now: Instant, all: bool) -> Vec<Waker> {
        let mut files = self.files.lock();
        let mut wakers = Vec::new();
        for (descriptor, file) in files.iter_mut() {
            let is_signed = signs.contains(&None) || signs.contains(&Some(*descriptor));
            if is_signed {
                file.signed = Some((now, 0));
            }
            let is_echo = !is_signed && file.echo().is_some_and(|echo| echo <= now);
            if is_echo && let Some((_, echoes)) = &mut file.signed {
                *echoes += 1;
            }
            if is_signed || is_echo || all {
                file.signs += 1;
                wakers.extend(file.wakers.drain().map(|(_, waker)| waker));
            }
        }
        wakers
    }
}

impl File {
    /// When the next look is due that follows the last sign.
    fn echo(&self) -> Option<Instant> {
        let (signed, echoes) = self.signed?;
        ECHOES.get(echoes).map(|after| signed + *after)
    }
}
