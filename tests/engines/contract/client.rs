//! A client of an engine, asked for what a case needs, in its words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lockutils::distributed::{
    Answer, Backend, Caller, Contender, Entered, Failure, Grant, Loss, Request, Share,
};

use super::bench::By;
use super::drive::answer;
pub(crate) use super::wait::Wait;

/// A lock that is held, as guards keep it.
pub(crate) type Held = Arc<Grant>;

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) by: By,
}

/// What comes of an `enter`.
#[track_caller]
pub(crate) fn entered(entered: Answer<Entered>) -> Result<Entered, Failure> {
    answer(entered)
}

impl Client {
    pub(crate) fn new(backend: Arc<dyn Backend>, by: By) -> Self {
        Self { backend, by }
    }

    fn caller(&self) -> Caller {
        self.by.caller()
    }

    pub(crate) fn request(&self, name: &str, share: Share) -> Request {
        Request::new(name, share).called_by(self.caller())
    }

    pub(crate) fn enter(&self, request: Request) -> Result<Entered, Failure> {
        entered(self.backend.enter(request))
    }

    /// Takes it if that can be done at once.
    #[track_caller]
    pub(crate) fn try_take(&self, name: &str, share: Share) -> Option<Held> {
        self.try_request(self.request(name, share))
    }

    #[track_caller]
    pub(crate) fn try_request(&self, request: Request) -> Option<Held> {
        match self.enter(request).expect("it can be asked for") {
            Entered::Held(grant) => Some(Arc::new(grant)),
            Entered::Busy => None,
            Entered::Queued(_) => panic!("who does not wait was queued"),
        }
    }

    /// Takes what is free.
    #[track_caller]
    pub(crate) fn take(&self, name: &str, share: Share) -> Held {
        self.take_request(self.request(name, share))
    }

    #[track_caller]
    pub(crate) fn take_request(&self, request: Request) -> Held {
        match self.enter(request.waiting()).expect("it can be asked for") {
            Entered::Held(grant) => Arc::new(grant),
            other => panic!("it is free, but: {other:?}"),
        }
    }

    /// Takes it for a time.
    #[track_caller]
    pub(crate) fn take_for(&self, name: &str, length: Duration) -> Held {
        self.take_request(self.request(name, Share::Write).expiring(length))
    }

    /// Takes it at its turn.
    #[track_caller]
    pub(crate) fn take_at_turn(&self, request: Request) -> Held {
        self.granted(self.enter(request.waiting()).expect("it can be asked for"))
    }

    /// What has come, or comes, of a request.
    #[track_caller]
    pub(crate) fn granted(&self, entered: Entered) -> Held {
        match entered {
            Entered::Held(grant) => Arc::new(grant),
            Entered::Queued(wait) => Wait::begin(wait, self.by).grant(),
            Entered::Busy => panic!("who waits was sent away"),
        }
    }

    /// Waits for what others have, in the order of arrival.
    #[track_caller]
    pub(crate) fn queue(&self, name: &str, share: Share) -> Wait {
        self.queue_request(self.request(name, share).fair())
    }

    /// The same with the patience of one who gives up soon: a thread cannot be told to, but only has a time-out.
    #[track_caller]
    pub(crate) fn queue_for(&self, name: &str, share: Share, patience: Duration) -> Wait {
        self.queue_request(Request::new(name, share).fair().called_by(self.by.for_at_most(patience)))
    }

    #[track_caller]
    pub(crate) fn queue_request(&self, request: Request) -> Wait {
        match self.enter(request.waiting()).expect("it can be asked for") {
            Entered::Queued(wait) => Wait::begin(wait, self.by),
            other => panic!("others have it, but: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn release(&self, grant: &Held) -> Result<(), Failure> {
        answer(self.backend.release(Arc::clone(grant), self.caller()))
    }

    #[track_caller]
    pub(crate) fn verify(&self, grant: &Held) -> Result<(), Failure> {
        answer(self.backend.verify(Arc::clone(grant), self.caller()))
    }

    #[track_caller]
    pub(crate) fn extend(&self, grant: &Held, length: Duration) -> Result<(), Failure> {
        answer(self.backend.extend(Arc::clone(grant), length, self.caller()))
    }

    #[track_caller]
    pub(crate) fn contenders(&self, name: &str, share: Share) -> Vec<Contender> {
        answer(self.backend.contenders(self.request(name, share))).expect("it can be looked at")
    }

    #[track_caller]
    pub(crate) fn destroy(&self, name: &str, share: Share) {
        answer(self.backend.destroy(self.request(name, share))).expect("it can be destroyed");
    }

    #[track_caller]
    pub(crate) fn cluster(&self) -> String {
        answer(self.backend.cluster(self.caller())).expect("it has a name")
    }
}

/// The reason of an answer that says that the lock was lost.
#[track_caller]
pub(crate) fn loss<T: fmt::Debug>(answer: Result<T, Failure>) -> Loss {
    match answer {
        Err(Failure::Lost(loss)) => loss,
        other => panic!("it was lost, but: {other:?}"),
    }
}
