//! Locks that this process is about to let go of.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

use super::{Answer, Failure};

/// The releases of an engine that go on in the background, by the names of the locks. Who takes one of these again waits for
/// that first.
///
/// Invariant: each is found here from its beginning to its end, whoever waits for it or has given that up.
#[derive(Default)]
pub(super) struct Leaving(Mutex<List>);

#[derive(Default)]
struct List {
    all: Vec<(Arc<str>, Arc<Departure>)>,
    /// How many there were when those that are done were last taken out.
    swept: usize,
}

impl Leaving {
    /// One has begun.
    pub(super) fn add(&self, name: &Arc<str>, answer: Answer<()>) -> Arc<Departure> {
        let departure = Arc::new(Departure::new(answer));
        let mut list = self.0.lock();
        list.all.push((Arc::clone(name), Arc::clone(&departure)));
        let is_long = list.all.len() > 2 * list.swept + 16;
        drop(list);
        if is_long {
            self.sweep();
        }
        departure
    }

    /// Is ready when those of this name that are here now are done.
    pub(super) async fn left(&self, name: &str) {
        let of_it = |(of, departure): &(Arc<str>, _)| (**of == *name).then(|| Arc::clone(departure));
        let going: Vec<_> = self.0.lock().all.iter().filter_map(of_it).collect();
        for departure in &going {
            departure.over().await;
        }
        if !going.is_empty() {
            self.forget_those_over();
        }
    }

    fn sweep(&self) {
        let all: Vec<_> = self.0.lock().all.iter().map(|(_, departure)| Arc::clone(departure)).collect();
        // Whoever is woken or dropped by that may come here again.
        for departure in &all {
            let _ = departure.poll(Waker::noop());
        }
        self.forget_those_over();
        let mut list = self.0.lock();
        list.swept = list.all.len();
    }

    fn forget_those_over(&self) {
        let is_over = |(_, departure): &mut (_, Arc<Departure>)| departure.is_over.load(Acquire);
        let gone: Vec<_> = self.0.lock().all.extract_if(.., is_over).collect();
        // Not under the lock, as above.
        drop(gone);
    }
}

/// A release that has begun. Many may wait until it is over; one of them may know what has come of it.
pub(super) struct Departure {
    stage: Mutex<Stage>,
    is_over: AtomicBool,
    waiting: Arc<Waiting>,
}

enum Stage {
    Asked(Answer<()>),
    /// What has come of it, if nobody knows it yet.
    Over(Option<Result<(), Failure>>),
}

impl Departure {
    fn new(answer: Answer<()>) -> Self {
        let stage = Mutex::new(Stage::Asked(answer));
        Self { stage, is_over: AtomicBool::new(false), waiting: Arc::default() }
    }

    /// What has come of it.
    pub(super) async fn outcome(&self) -> Result<(), Failure> {
        self.over().await;
        match &mut *self.stage.lock() {
            Stage::Over(outcome) => outcome.take().unwrap_or(Ok(())),
            Stage::Asked(_) => Ok(()),
        }
    }

    async fn over(&self) {
        poll_fn(|context| self.poll(context.waker())).await;
    }

    fn poll(&self, waker: &Waker) -> Poll<()> {
        let mut stage = self.stage.lock();
        let Stage::Asked(answer) = &mut *stage else { return Poll::Ready(()) };
        // First: it may be over in the next moment.
        self.waiting.add(waker);
        let bell = Waker::from(Arc::clone(&self.waiting));
        let Poll::Ready(outcome) = answer.as_mut().poll(&mut Context::from_waker(&bell)) else {
            return Poll::Pending;
        };
        let answer = std::mem::replace(&mut *stage, Stage::Over(Some(outcome)));
        self.is_over.store(true, Release);
        drop(stage);
        drop(answer);
        bell.wake();
        Poll::Ready(())
    }
}

/// All who wait for one release.
#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn add(&self, waker: &Waker) {
        let mut all = self.0.lock();
        if !all.iter().any(|other| other.will_wake(waker)) {
            all.push(waker.clone());
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let all = std::mem::take(&mut *self.0.lock());
        all.into_iter().for_each(Waker::wake);
    }
}
