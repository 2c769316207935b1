//! Engines that do what a test wants.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use lockutils::distributed::{
    Answer, Backend, BackendUrl, Caller, Contender, Entered, Failure, Grant, Promises, Request, connect,
};
use lockutils::{Config, Locks};

/// The engine in memory, with somebody who counts, and who may stand in the way.
#[derive(Debug)]
pub(super) struct Watched {
    inner: Arc<dyn Backend>,
    pub(super) enters: AtomicUsize,
    pub(super) releases: AtomicUsize,
    /// Who called last.
    pub(super) callers: Mutex<Vec<Caller>>,
    /// Every request fails so.
    fails: Mutex<Option<fn() -> Failure>>,
    /// No release is done before this is open.
    gate: Arc<Gate>,
}

/// Keeps those who come until it is opened.
#[derive(Debug, Default)]
struct Gate {
    closed: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Watched {
    pub(super) fn new(test: &str) -> Arc<Self> {
        Self::failing(test, None)
    }

    pub(super) fn failing(test: &str, fails: Option<fn() -> Failure>) -> Arc<Self> {
        let url = BackendUrl::parse(&format!("memory:{test}")).expect("a URL");
        Arc::new(Self {
            inner: connect(&url, Duration::from_secs(10)).expect("an engine"),
            enters: AtomicUsize::new(0),
            releases: AtomicUsize::new(0),
            callers: Mutex::default(),
            fails: Mutex::new(fails),
            gate: Arc::default(),
        })
    }

    pub(super) fn locks(self: &Arc<Self>) -> Locks {
        Locks::with_backend(Config::new(), Arc::clone(self) as Arc<dyn Backend>).expect("a registry")
    }

    /// From now on.
    pub(super) fn fail(&self, how: fn() -> Failure) {
        *self.fails.lock().expect("nobody panics") = Some(how);
    }

    pub(super) fn hold_releases(&self) {
        self.gate.closed.store(true, SeqCst);
    }

    pub(super) fn let_releases_go(&self) {
        self.gate.closed.store(false, SeqCst);
        self.gate.waiting.lock().expect("nobody panics").drain(..).for_each(Waker::wake);
    }

    fn failure<T: Send + 'static>(&self) -> Option<Answer<T>> {
        let failure = self.fails.lock().expect("nobody panics").as_ref()?();
        Some(Box::pin(std::future::ready(Err(failure))))
    }

    fn called(&self, caller: Caller) {
        self.callers.lock().expect("nobody panics").push(caller);
    }
}

impl Gate {
    fn pass(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|context| {
            let mut waiting = self.waiting.lock().expect("nobody panics");
            if !self.closed.load(SeqCst) {
                return Poll::Ready(());
            }
            waiting.push(context.waker().clone());
            Poll::Pending
        })
    }
}

impl Backend for Watched {
    fn promises(&self) -> Promises {
        self.inner.promises()
    }

    fn location(&self) -> &str {
        self.inner.location()
    }

    fn enter(&self, request: Request) -> Answer<Entered> {
        self.enters.fetch_add(1, SeqCst);
        self.called(request.caller);
        self.failure().unwrap_or_else(|| self.inner.enter(request))
    }

    fn release(&self, grant: Arc<Grant>, caller: Caller) -> Answer<()> {
        self.releases.fetch_add(1, SeqCst);
        self.called(caller);
        if !self.gate.closed.load(SeqCst) {
            return self.failure().unwrap_or_else(|| self.inner.release(grant, caller));
        }
        let (gate, inner) = (Arc::clone(&self.gate), Arc::clone(&self.inner));
        Box::pin(async move {
            gate.pass().await;
            inner.release(grant, caller).await
        })
    }

    fn verify(&self, grant: Arc<Grant>, caller: Caller) -> Answer<()> {
        self.failure().unwrap_or_else(|| self.inner.verify(grant, caller))
    }

    fn extend(&self, grant: Arc<Grant>, length: Duration, caller: Caller) -> Answer<()> {
        self.failure().unwrap_or_else(|| self.inner.extend(grant, length, caller))
    }

    fn contenders(&self, request: Request) -> Answer<Vec<Contender>> {
        self.failure().unwrap_or_else(|| self.inner.contenders(request))
    }

    fn destroy(&self, request: Request) -> Answer<()> {
        self.failure().unwrap_or_else(|| self.inner.destroy(request))
    }

    fn cluster(&self, caller: Caller) -> Answer<String> {
        self.inner.cluster(caller)
    }

    fn close(&self) {
        self.inner.close();
    }
}
