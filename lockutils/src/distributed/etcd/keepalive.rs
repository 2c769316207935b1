//! The signs of life of a session, and its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep, timeout};
use tonic::Streaming;

use super::backoff::Backoff;
use super::net::Net;
use super::race::first;
use super::rpc::{KeepAlive, KeepAliveResponse, LeaseRevoke};
use super::session::Session;
use crate::distributed::{Failure, Loss, Moment};

/// Keeps a session alive until it is lost, and then sees to it that etcd knows.
pub(super) async fn keep_alive(net: Arc<Net>, session: Arc<Session>) {
    let lost = async {
        session.lease.lost().await;
    };
    first(lost, signs(&net, &session)).await;
    // What it held has its deadline at the same moment, and is told so by whoever comes first.
    session.lose(session.lease.loss().unwrap_or(Loss::Ended));
    revoke(&net, session.id, session.patience() * 6).await;
}

/// Returns when the session is lost.
async fn signs(net: &Net, session: &Session) {
    let mut backoff = Backoff::new();
    while !session.is_over() {
        let round = net.round();
        let mut stream = Stream::new();
        loop {
            sleep(session.next_sign()).await;
            let moved = async {
                net.next_round(round).await;
                None
            };
            let Some(ttl) = first(stream.sign(net, round, session), moved).await else { break };
            if ttl == 0 {
                return session.lose(Loss::Ended);
            }
            backoff = Backoff::new();
        }
        net.failed(round);
        backoff.wait().await;
    }
}

/// A stream of signs of life, opened with the first of them.
struct Stream {
    requests: UnboundedSender<KeepAlive>,
    receiver: Option<UnboundedReceiver<KeepAlive>>,
    answers: Option<Streaming<KeepAliveResponse>>,
}

impl Stream {
    fn new() -> Self {
        let (requests, receiver) = mpsc::unbounded_channel();
        Self { requests, receiver: Some(receiver), answers: None }
    }

    /// Gives one, and takes the confirmation to the session. Says for how many seconds it counts; `None`: there is none.
    async fn sign(&mut self, net: &Net, round: usize, session: &Session) -> Option<u64> {
        let sent = Moment::now();
        self.requests.send(KeepAlive { id: session.id }).ok()?;
        let answer = timeout(session.patience(), self.answer(net, round)).await.ok()??;
        let ttl = u64::try_from(answer.ttl).unwrap_or(0);
        if ttl > 0 {
            session.confirmed(sent, Duration::from_secs(ttl));
        }
        Some(ttl)
    }

    async fn answer(&mut self, net: &Net, round: usize) -> Option<KeepAliveResponse> {
        if let Some(receiver) = self.receiver.take() {
            self.answers = net.opened(net.stream(round, KeepAlive::PATH, receiver).await).await;
        }
        net.opened(self.answers.as_mut()?.message().await).await?
    }
}

/// Ends a lease, and with it all keys that depend on it. Tries as long as it may be there.
pub(super) async fn revoke(net: &Net, id: i64, length: Duration) {
    let (end, mut backoff) = (Instant::now() + length, Backoff::new());
    while let Err(Failure::Unreachable(_)) = net.ask(&LeaseRevoke { id }).await.answer {
        if Instant::now() >= end {
            return;
        }
        backoff.wait().await;
    }
}
