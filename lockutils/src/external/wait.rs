//! Waiting for a file without blocking the caller: a waiter thread blocks in the kernel in its place.
//!
//! The thread waits on a descriptor of its own, so that it keeps its place in the kernel's order and is woken
//! once, by any kind of holder and also by the death of one. A wait that is given up leaves its thread in the
//! kernel: there is no way to call it back without signals. The next wait for the same file takes the errand
//! up again, place in the order included; if there is none, the thread lets the file go in the moment it gets
//! it.
//!
//! There are at most [`MOST`] waiter threads in a process. Waits beyond that look at their file [`EVERY`] so
//! often.

use std::collections::VecDeque;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::file::{Step, Want};
use super::queue::{self, Place};
use super::record::{self, Draft};
use super::{Directory, LockFile, Looked, Opened, directory, file};
use crate::clock::Coarse;
use crate::error::Error;
use crate::process::{PerProcess, ProcessId};
use crate::thread::{start, wake};

/// How many waiter threads there may be.
const MOST: usize = 64;
/// How often the waits look that found no thread.
const EVERY: Duration = Duration::from_millis(20);
/// How long a thread without an errand stays.
const IDLE: Duration = Duration::from_secs(5);

/// Waits for the file of `lock`. Says what has been looked at since the lock was taken, and whether the `draft` has
/// become the record in the file. `None`: look again yourself.
pub(super) async fn run(
    lock: &LockFile,
    want: Want,
    mut draft: Option<Draft>,
) -> Result<Option<(Opened, Looked)>, Error> {
    let errand = if let Some(errand) = Errand::abandoned(lock, want, &mut draft) {
        errand
    } else {
        let errand = Errand::new(lock, want, draft);
        match pool().send(Arc::clone(&errand)) {
            Ok(true) => errand,
            Ok(false) => return tick().await.map(|()| None).map_err(|error| no_thread(lock.path(), error)),
            Err(error) => return Err(no_thread(lock.path(), error)),
        }
    };
    Awaited { errand: Some(errand) }.await
}

/// There is no thread to be had for a wait that needs one.
pub(super) fn no_thread(path: &Path, error: io::Error) -> Error {
    Error::io_at("start a thread that waits for lock file", path, error)
}

/// One wait for one file, carried out by a thread.
pub(super) struct Errand {
    directory: Arc<Directory>,
    name: Box<str>,
    want: Want,
    /// The descriptor to wait on, if there is one already.
    kept: Mutex<Option<Opened>>,
    /// Whose thread it is: it does not live on in a forked child.
    process: ProcessId,
    course: Mutex<Course>,
    /// What the one who wants the result writes into the file.
    draft: Mutex<Option<Draft>>,
    /// What the thread has seen and written since it got the lock, and by which descriptor. `None`: the one who has the
    /// result does so now, and the thread does not.
    ahead: Mutex<Option<(Looked, Option<File>)>>,
    /// Another descriptor of the file on which the thread waits, and its place there, for who gives the wait up.
    queued: Mutex<Option<(File, Place)>>,
}

/// How far the wait has come. One lock guards all of it, so that who gives the wait up knows what the thread has.
struct Course {
    progress: Progress,
    /// The thread has the record lock and waits for `flock`.
    has_record: bool,
    /// The record lock was let go when the wait was given up then: what the thread gets is half a lock.
    halved: bool,
}

enum Progress {
    /// The thread is at it, and somebody wants the result.
    Wanted(Option<Waker>),
    /// The thread is at it for nobody.
    Unwanted,
    Done(Result<Opened, Error>),
    /// The result has been taken or was let go.
    Over,
}

impl Errand {
    fn new(lock: &LockFile, want: Want, draft: Option<Draft>) -> Arc<Self> {
        Arc::new(Self {
            directory: Arc::clone(&lock.directory),
            name: lock.name.clone(),
            want,
            // Who wants a permit looks at the kept one meanwhile.
            kept: Mutex::new(if matches!(want, Want::Lock(_)) { lock.take_kept() } else { None }),
            process: ProcessId::current(),
            course: Mutex::new(Course { progress: Progress::Wanted(None), has_record: false, halved: false }),
            draft: Mutex::new(draft),
            ahead: Mutex::new(None),
            queued: Mutex::new(None),
        })
    }

    /// Takes up an errand that was given up, if there is one for this file.
    fn abandoned(lock: &LockFile, want: Want, draft: &mut Option<Draft>) -> Option<Arc<Self>> {
        let mut abandoned = lock.directory.abandoned.lock();
        let same = |errand: &Arc<Self>| errand.want == want && errand.name == lock.name;
        let at = abandoned.iter().position(same)?;
        Some(abandoned.swap_remove(at)).filter(|errand| errand.revive(draft))
    }

    /// Nobody wants the result: the thread stays where it is, and in nobody's way.
    fn abandon(self: Arc<Self>, halved: bool) {
        if let Some((file, _)) = &*self.queued.lock() {
            // Should this fail, the thread lets go when it gets the lock.
            let _ = if halved { file::leave_record(file) } else { queue::leave(file) };
        }
        let directory = Arc::clone(&self.directory);
        let mut abandoned = directory.abandoned.lock();
        // The thread takes it off the list when it is over, and may have looked before it was there.
        if !matches!(self.course.lock().progress, Progress::Over) {
            abandoned.push(self);
        }
    }

    /// Wants the result again, and takes the draft. `false`: too late, it has been let go.
    fn revive(&self, draft: &mut Option<Draft>) -> bool {
        if !self.is_mine() {
            return false;
        }
        let mut course = self.course.lock();
        if !matches!(course.progress, Progress::Unwanted) {
            return false;
        }
        *self.draft.lock() = draft.take();
        course.progress = Progress::Wanted(None);
        drop(course);
        if let Some((file, place)) = &*self.queued.lock() {
            // If somebody else has the place by now, newcomers do not see this wait. It comes to its end anyway.
            let _ = queue::enter_at(file, *place, self.want.sharing());
        }
        true
    }

    fn is_mine(&self) -> bool {
        self.process == ProcessId::current()
    }

    /// The thread asks on its way. Where it stands is known before it asks: who gives the wait up after that
    /// leaves the place, and otherwise the thread does so itself.
    fn is_wanted(&self, opened: &Opened, step: Step) -> bool {
        if let Step::Queue(place) = step {
            // What is locked through one descriptor of an open file is locked through all.
            *self.queued.lock() = opened.file().try_clone().ok().map(|file| (file, place));
        }
        let mut course = self.course.lock();
        let wanted = matches!(course.progress, Progress::Wanted(_));
        course.has_record = wanted && step == Step::Record;
        wanted
    }

    /// Nobody wants the result any more: how far the wait had come, and whether it is halved. What was in the way
    /// of others is let go by [`abandon`](Self::abandon), which comes before anybody can want it again.
    fn give_up(&self) -> (Progress, bool) {
        let mut course = self.course.lock();
        let waits = matches!(course.progress, Progress::Wanted(_));
        course.halved = waits && course.has_record;
        let now = if waits { Progress::Unwanted } else { Progress::Over };
        (std::mem::replace(&mut course.progress, now), course.halved)
    }

    /// The thread's side: waits in the kernel and delivers.
    fn carry_out(self: &Arc<Self>) {
        while !self.has_carried_out() {}
    }

    /// One wait in the kernel. `false`: it has to begin anew.
    fn has_carried_out(self: &Arc<Self>) -> bool {
        let result = self.wait();
        let queued = self.queued.lock().take();
        let mut course = self.course.lock();
        course.has_record = false;
        let halved = std::mem::take(&mut course.halved);
        match (&mut course.progress, result) {
            (Progress::Wanted(waker), Some(result)) if !halved || result.is_err() => {
                let waker = waker.take();
                let place = result.as_ref().ok().map(|opened| Arc::clone(opened.place()));
                *self.ahead.lock() = Some((Looked::default(), queued.map(|(file, _)| file)));
                course.progress = Progress::Done(result);
                drop(course);
                waker.into_iter().for_each(wake);
                if let Some(place) = place {
                    self.look_ahead(&place);
                }
            }
            // Wanted again at the last moment, or too late to be whole: then the wait begins anew.
            (Progress::Wanted(_), result) => {
                drop(course);
                result.into_iter().for_each(let_go);
                return false;
            }
            (_, result) => {
                course.progress = Progress::Over;
                drop(course);
                result.into_iter().for_each(let_go);
                self.directory.abandoned.lock().retain(|errand| !Arc::ptr_eq(errand, self));
            }
        }
        true
    }

    /// While the other one wakes up, there is time to look at the path and into the file, and to write the record. What is
    /// not done in time, or not done well, the other one does itself.
    fn look_ahead(&self, place: &directory::Place) {
        let is_looked = self.step(|looked, _| {
            let is_current = matches!(place.is_current(), Ok(true));
            looked.current_at = if is_current { Coarse::now() } else { Coarse::default() };
            is_current
        }) && self.step(|looked, file| {
            looked.content = record::content(file).ok();
            looked.content.is_some()
        });
        if let Some(draft) = self.draft.lock().take().filter(|_| is_looked) {
            self.step(|looked, file| {
                let record = |token, since| draft.record(token, since);
                looked.noted = looked.content.map(|content| place.note(file, Ok(content), record));
                true
            });
        }
        // Under the lock: who has taken over finds nothing open but what it holds.
        if let Some((_, file)) = &mut *self.ahead.lock() {
            *file = None;
        }
    }

    /// One step of the thread, unless somebody has taken over, who waits for the end of this step.
    fn step(&self, look: impl FnOnce(&mut Looked, &File) -> bool) -> bool {
        let mut ahead = self.ahead.lock();
        let Some((looked, Some(file))) = &mut *ahead else { return false };
        look(looked, file)
    }

    /// From now on the caller looks. The other descriptor is closed.
    fn take_over(&self) -> Looked {
        self.ahead.lock().take().map(|(looked, _)| looked).unwrap_or_default()
    }

    /// `None`: not wanted any more when it had the lock.
    fn wait(&self) -> Option<Result<Opened, Error>> {
        let kept = self.kept.lock().take();
        let opened = match kept.map_or_else(|| self.directory.open_to_wait(&self.name), Ok) {
            Ok(opened) => opened,
            Err(error) => return Some(Err(error)),
        };
        match opened.lock(self.want, |step| self.is_wanted(&opened, step)) {
            Ok(true) => Some(Ok(opened)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Opened, Error>> {
        let mut course = self.course.lock();
        match &mut course.progress {
            Progress::Wanted(waker) => {
                let old = waker.replace(context.waker().clone());
                drop(course);
                drop(old);
                Poll::Pending
            }
            Progress::Done(_) => match std::mem::replace(&mut course.progress, Progress::Over) {
                Progress::Done(result) => Poll::Ready(result),
                _ => unreachable!("it was done a line ago, under the same lock"),
            },
            Progress::Unwanted | Progress::Over => {
                unreachable!("only its one waiter polls, and not after the end")
            }
        }
    }
}

/// A locked file that nobody wants any more. Unlocked, not only closed: a forked child may have a copy.
fn let_go(result: Result<Opened, Error>) {
    if let Ok(opened) = result {
        // Closing lets go as well, should this fail.
        let _ = opened.unlock();
    }
}

/// The waiter's side of an errand. `None`: it is the errand of a parent process; begin anew.
struct Awaited {
    /// Taken when the result has been seen.
    errand: Option<Arc<Errand>>,
}

impl Future for Awaited {
    type Output = Result<Option<(Opened, Looked)>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let errand = self.errand.as_ref().expect("not polled after the end");
        let polled = if errand.is_mine() {
            errand.poll(context).map(|result| result.map(|opened| Some((opened, errand.take_over()))))
        } else {
            Poll::Ready(Ok(None))
        };
        if polled.is_ready() {
            self.errand = None;
        }
        polled
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let Some(errand) = self.errand.take().filter(|errand| errand.is_mine()) else { return };
        let (progress, halved) = errand.give_up();
        match progress {
            Progress::Done(result) => {
                // From here on the thread writes nothing more.
                let noted = errand.take_over().noted.filter(|noted| noted.written.is_ok());
                if let (Ok(opened), Some(noted)) = (&result, noted) {
                    opened.clear(noted.token);
                }
                let_go(result);
            }
            Progress::Wanted(waker) => {
                drop(waker);
                errand.abandon(halved);
            }
            Progress::Unwanted | Progress::Over => {}
        }
    }
}

/// Threads do not live on in a forked child, so each process has a pool of its own.
static POOL: PerProcess<Pool> = PerProcess::new();

fn pool() -> &'static Pool {
    POOL.get(Pool::default)
}

/// The waiter threads of the process.
#[derive(Default)]
struct Pool {
    state: Mutex<PoolState>,
    errands: Condvar,
}

#[derive(Default)]
struct PoolState {
    waiting: VecDeque<Arc<Errand>>,
    threads: usize,
    /// Threads without an errand. Invariant: at least as many as errands are waiting.
    idle: usize,
    ticked: Vec<Waker>,
    ticking: bool,
}

impl Pool {
    /// Gives an errand to a thread. `false`: there are no more threads to be had.
    fn send(&'static self, errand: Arc<Errand>) -> io::Result<bool> {
        let mut state = self.state.lock();
        if state.idle <= state.waiting.len() {
            if state.threads >= MOST {
                return Ok(false);
            }
            start("lockutils-wait", move || self.work())?;
            state.threads += 1;
            state.idle += 1;
        }
        state.waiting.push_back(errand);
        self.errands.notify_one();
        Ok(true)
    }

    /// What a waiter thread does. It is born idle.
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(errand) = state.waiting.pop_front() {
                state.idle -= 1;
                drop(state);
                errand.carry_out();
                drop(errand);
                state = self.state.lock();
                state.idle += 1;
            } else if self.errands.wait_for(&mut state, IDLE).timed_out() && state.waiting.is_empty() {
                state.idle -= 1;
                state.threads -= 1;
                return;
            }
        }
    }

    /// Wakes `waker` at the next tick, if there is a thread for that.
    fn tick(&'static self, waker: Waker) -> io::Result<()> {
        let mut state = self.state.lock();
        if !state.ticking {
            start("lockutils-tick", move || self.keep_ticking())?;
            state.ticking = true;
        }
        state.ticked.push(waker);
        Ok(())
    }

    fn keep_ticking(&self) {
        loop {
            std::thread::sleep(EVERY);
            let wakers = {
                let mut state = self.state.lock();
                state.ticking = !state.ticked.is_empty();
                std::mem::take(&mut state.ticked)
            };
            if wakers.is_empty() {
                return;
            }
            wakers.into_iter().for_each(wake);
        }
    }
}

/// Ready at the first tick after `end`: a timer for those who have no better one.
#[cfg(not(feature = "async"))]
pub(crate) async fn tick_until(end: std::time::Instant) {
    while std::time::Instant::now() < end {
        if tick().await.is_err() {
            // What is waited for goes on without a limit.
            std::future::pending::<()>().await;
        }
    }
}

/// Ready at the next tick.
pub(super) async fn tick() -> io::Result<()> {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(Ok(()));
        }
        match pool().tick(context.waker().clone()) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    })
    .await
}
