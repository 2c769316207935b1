//! What all calls of one client share.

use std::future::Future;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Acquire},
};
use std::sync::{Arc, Weak};
use std::time::Duration;

use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::super::background::Background;
use super::super::runtime::runtime;
use super::super::{Failure, Loss};
use super::hold::Hold;
use super::options::Options;
use super::problem;
use super::session::Session;
use crate::process::ProcessId;

/// The client: its session, and another when that has ended.
pub(super) struct Core {
    pub(super) options: Options,
    process: ProcessId,
    current: Mutex<Option<Arc<Session>>>,
    /// Whoever has it makes the next session.
    connecting: tokio::sync::Mutex<()>,
    is_closed: AtomicBool,
    /// The leases of what stays when sessions end.
    staying: Mutex<Vec<Weak<Hold>>>,
    /// Why there was no session, the last time.
    trouble: Mutex<Option<String>>,
    /// Nodes that are given back.
    pub(super) background: Arc<Background>,
}

impl Core {
    pub(super) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            options,
            process: ProcessId::current(),
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            is_closed: AtomicBool::new(false),
            staying: Mutex::default(),
            trouble: Mutex::default(),
            background: Arc::default(),
        })
    }

    /// Where its work is done.
    pub(super) fn runtime(&self) -> Result<&'static Handle, Failure> {
        // The client library has a thread of its own that waits for the network, for the whole process and once for all.
        static FIRST: OnceCell<ProcessId> = OnceCell::new();
        if *FIRST.get_or_init(ProcessId::current) != ProcessId::current() || !self.is_here() {
            return Err(Failure::Unsupported {
                what: "the client of ZooKeeper does not work in the forked child of a process that has used it",
                instead: "start a program in the child, or use ZooKeeper only there",
            });
        }
        runtime().map_err(Failure::other)
    }

    /// Whether this is not the forked child of the process that has it.
    pub(super) fn is_here(&self) -> bool {
        self.process == ProcessId::current()
    }

    /// Does something in the background.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if self.is_here()
            && let Ok(runtime) = self.runtime()
        {
            drop(runtime.spawn(work));
        }
    }

    /// Waits for an answer as long as one may take.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limit = self.options.request_timeout;
        let answer = timeout(limit, work).await;
        answer.unwrap_or_else(|_| Err(problem::too_late(limit, self.trouble.lock().clone())))
    }

    /// The session, or a new one, as soon as one can be had.
    ///
    /// # Errors
    ///
    /// What does not pass.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Failure> {
        let mut pause = Pause::new();
        loop {
            match self.try_session().await {
                Err(failure) if failure.may_pass() => {
                    *self.trouble.lock() = Some(problem::cause(&failure));
                    pause.wait().await;
                }
                session => return session,
            }
        }
    }

    async fn try_session(&self) -> Result<Arc<Session>, Failure> {
        if let Some(session) = self.current()? {
            return Ok(session);
        }
        let _mine = self.connecting.lock().await;
        if let Some(session) = self.current()? {
            return Ok(session);
        }
        let session = Session::begin(&self.options).await?;
        *self.trouble.lock() = None;
        *self.current.lock() = Some(Arc::clone(&session));
        // It may have been closed while there was none.
        self.current().inspect_err(|_| session.end(Loss::Closed))?;
        Ok(session)
    }

    /// The session, if it lives.
    fn current(&self) -> Result<Option<Arc<Session>>, Failure> {
        if self.is_closed.load(Acquire) {
            return Err(Failure::Lost(Loss::Closed));
        }
        Ok(self.current.lock().clone().filter(|session| session.is_alive()))
    }

    /// A lease that only the end of this client ends.
    pub(super) fn hold(&self) -> Arc<Hold> {
        let hold = Hold::endless();
        let mut staying = self.staying.lock();
        staying.retain(|other| other.strong_count() > 0);
        staying.push(Arc::downgrade(&hold));
        drop(staying);
        if self.is_closed() {
            hold.lose(Loss::Closed);
        }
        hold
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Acquire)
    }

    pub(super) fn close(&self) {
        self.is_closed.swap(true, AcqRel);
        let staying = std::mem::take(&mut *self.staying.lock());
        staying.iter().filter_map(Weak::upgrade).for_each(|hold| hold.lose(Loss::Closed));
        if let Some(session) = self.current.lock().take() {
            session.end(Loss::Closed);
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.is_here() {
            self.close();
        }
    }
}

/// Pauses between tries: each about twice as long as the one before, and never as long as those of others.
pub(super) struct Pause(Duration);

impl Pause {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(super) async fn wait(&mut self) {
        let random = uuid::Uuid::new_v4().as_u128() % 1000;
        // Between a half of it and all of it.
        sleep(self.0 / 2 + self.0 * u32::try_from(random).unwrap_or(0) / 2000).await;
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}
