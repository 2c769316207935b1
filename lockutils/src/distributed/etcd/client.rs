//! A client of a cluster, and its session.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::keepalive::{keep_alive, revoke};
use super::net::Net;
use super::place::Place;
use super::rpc::LeaseGrant;
use super::session::Session;
use super::watcher::Watcher;
use crate::distributed::background::Background;
use crate::distributed::{Failure, Loss, Moment};
use crate::process::ProcessId;

/// What all calls share. When it goes, its session ends.
pub(super) struct Client {
    pub(super) net: Arc<Net>,
    pub(super) watcher: Watcher,
    /// What stands before the names of locks: nothing, or something that ends with a slash.
    pub(super) base: String,
    ttl: Duration,
    session: Mutex<Option<Arc<Session>>>,
    /// Whoever makes a session has this.
    making: tokio::sync::Mutex<()>,
    is_closed: AtomicBool,
    numbers: AtomicU64,
    /// What is held without the session, by the numbers of the places.
    apart: Mutex<HashMap<u64, Weak<Place>>>,
    process: ProcessId,
    /// Places that are given back.
    pub(super) background: Arc<Background>,
}

impl Client {
    pub(super) fn new(net: Net, base: String, ttl: Duration) -> Arc<Self> {
        let net = Arc::new(net);
        Arc::new(Self {
            watcher: Watcher::new(Arc::clone(&net)),
            net,
            base,
            ttl,
            session: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            is_closed: AtomicBool::new(false),
            numbers: AtomicU64::new(1),
            apart: Mutex::default(),
            process: ProcessId::current(),
            background: Arc::default(),
        })
    }

    /// A number for a place.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// Whether it is of this process. In a forked child nobody works for it, and its locks may be held by threads that are
    /// not there.
    pub(super) fn is_here(&self) -> bool {
        ProcessId::current() == self.process
    }

    /// Does something on the thread of the engines, if it is here.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.is_here().then(|| self.net.runtime.spawn(work))
    }

    /// Gives a place back, for nobody.
    pub(super) fn give_back(&self, place: Arc<Place>) {
        let going = self.background.begin();
        self.spawn(async move {
            place.remove_for_sure().await;
            drop(going);
        });
    }

    /// The session, or a new one if it is lost.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Failure> {
        if let Some(session) = self.current() {
            return Ok(session);
        }
        let _making = self.making.lock().await;
        if let Some(session) = self.current() {
            return Ok(session);
        }
        let session = self.begin().await?;
        *self.session.lock() = Some(Arc::clone(&session));
        if self.is_closed() {
            self.end_session(Loss::Closed);
        }
        self.spawn(keep_alive(Arc::clone(&self.net), Arc::clone(&session)));
        Ok(session)
    }

    fn current(&self) -> Option<Arc<Session>> {
        self.session.lock().clone().filter(|session| !session.is_over())
    }

    async fn begin(&self) -> Result<Arc<Session>, Failure> {
        if self.is_closed() {
            return Err(Failure::Lost(Loss::Closed));
        }
        let (id, sent, granted) = self.grant_lease(self.ttl).await?;
        Ok(Session::begin(id, sent, granted))
    }

    /// A lease of etcd for at least this long: its number, when it was asked for, and for how long it was granted.
    pub(super) async fn grant_lease(&self, length: Duration) -> Result<(i64, Moment, Duration), Failure> {
        let ttl = i64::try_from(whole_seconds(length)).unwrap_or(i64::MAX);
        // Earlier than any of the tries, of which one has made the lease.
        let sent = Moment::now();
        let lease = self.net.ask(&LeaseGrant { ttl }).await.answer?;
        if !lease.error.is_empty() {
            return Err(Failure::other(lease.error));
        }
        Ok((lease.id, sent, Duration::from_secs(u64::try_from(lease.ttl).unwrap_or(0))))
    }

    /// Ends leases in the background.
    pub(super) fn revoke(&self, leases: Vec<i64>) {
        for id in leases {
            let net = Arc::clone(&self.net);
            let patience = self.ttl;
            self.spawn(async move { revoke(&net, id, patience).await });
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(SeqCst)
    }

    /// A place holds a lock without the session. `false`: the client is closed.
    pub(super) fn keep_apart(&self, place: &Arc<Place>) -> bool {
        self.apart.lock().insert(place.number, Arc::downgrade(place));
        !self.is_closed()
    }

    /// A place is given up.
    pub(super) fn detach(&self, number: u64) {
        self.apart.lock().remove(&number);
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, SeqCst);
        self.end_session(Loss::Closed);
        let apart = std::mem::take(&mut *self.apart.lock());
        apart.into_values().filter_map(|place| place.upgrade()).for_each(|place| place.close());
    }

    /// Whoever keeps it alive then tells etcd.
    fn end_session(&self, why: Loss) {
        if let Some(session) = &*self.session.lock() {
            session.lose(why);
        }
    }
}

/// Rounded up, and at least one. At most what etcd takes, which is 285 years.
pub(super) fn whole_seconds(length: Duration) -> u64 {
    length.as_secs().saturating_add(u64::from(length.subsec_nanos() > 0)).clamp(1, 9_000_000_000)
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.is_here() {
            self.end_session(Loss::Closed);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("net", &self.net)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_last_for_whole_seconds() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (10_000, 10)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), 9_000_000_000);
    }
}
