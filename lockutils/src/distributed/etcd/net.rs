//! Requests to a cluster: to one endpoint at a time, and to the next one when that does not answer.

use std::fmt;
use std::time::Duration;

use http::uri::PathAndQuery;
use parking_lot::Mutex;
use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::backoff::{Backoff, chance};
use super::login::Login;
use super::rpc::Call;
use super::verdict::{Verdict, explained, is_of_a_certificate};
use crate::distributed::Failure;

/// What came of a request.
#[derive(Debug)]
pub(super) struct Asked<T> {
    pub(super) answer: Result<T, Failure>,
    /// Whether it was sent at least once without an answer: it may have been done, and may still be done later.
    pub(super) is_doubtful: bool,
}

/// A cluster, as we reach it.
pub(super) struct Net {
    pub(super) runtime: &'static Handle,
    endpoints: Vec<(Endpoint, Mutex<Option<Channel>>)>,
    /// Counts how often another endpoint or connection was taken; the endpoint in use follows from it.
    round: watch::Sender<usize>,
    /// How long an answer may take in all.
    patience: Duration,
    login: Option<Login>,
}

/// Longer answers than 4 MiB, the default: those of very long queues.
const LONGEST_ANSWER: usize = 64 << 20;

impl Net {
    pub(super) fn new(
        runtime: &'static Handle,
        endpoints: Vec<Endpoint>,
        patience: Duration,
        login: Option<Login>,
    ) -> Self {
        // Not all clients begin with the same one.
        let start = usize::try_from(chance() >> 16).unwrap_or(0);
        let endpoints = endpoints
            .into_iter()
            .map(|endpoint| (endpoint.connect_timeout(patience), Mutex::default()))
            .collect();
        Self { runtime, endpoints, round: watch::Sender::new(start), patience, login }
    }

    /// Which endpoint and connection is in use.
    pub(super) fn round(&self) -> usize {
        *self.round.borrow()
    }

    /// Is ready when that is another.
    pub(super) async fn next_round(&self, round: usize) {
        // It cannot be closed while it is borrowed.
        let _ = self.round.subscribe().wait_for(|now| *now != round).await;
    }

    /// There is no answer from that one: from now on another is asked, over a new connection.
    pub(super) fn failed(&self, round: usize) {
        self.round.send_if_modified(|now| {
            let is_news = *now == round;
            if is_news {
                *self.slot(round).1.lock() = None;
                *now += 1;
            }
            is_news
        });
    }

    fn slot(&self, round: usize) -> &(Endpoint, Mutex<Option<Channel>>) {
        &self.endpoints[round % self.endpoints.len()]
    }

    fn channel(&self, round: usize) -> Grpc<Channel> {
        let (endpoint, channel) = self.slot(round);
        let channel = channel.lock().get_or_insert_with(|| endpoint.connect_lazy()).clone();
        Grpc::new(channel).max_decoding_message_size(LONGEST_ANSWER)
    }

    /// How long one endpoint is waited for: there is time for another, and for a second try of the only one.
    fn turn(&self) -> Duration {
        self.patience / u32::try_from(self.endpoints.len().clamp(2, 4)).unwrap_or(2)
    }

    /// Asks until there is an answer, as long as there is time. The request must be one that may be done twice.
    pub(super) async fn ask<C: Call>(&self, call: &C) -> Asked<C::Answer> {
        let end = Instant::now() + self.patience;
        let (mut backoff, mut is_doubtful, mut logins) = (Backoff::new(), false, 0);
        let mut untrusted = None;
        loop {
            let round = self.round();
            let left = end.saturating_duration_since(Instant::now());
            let why = match timeout(self.turn().min(left), self.once(round, call)).await {
                Ok(Ok(answer)) => return Asked { answer: Ok(answer), is_doubtful },
                Ok(Err(status)) => match Verdict::of(&status) {
                    Verdict::Final(failure) => return Asked { answer: Err(failure), is_doubtful },
                    Verdict::LogIn if logins < 2 && self.login.is_some() => {
                        logins += 1;
                        continue;
                    }
                    Verdict::LogIn => {
                        let failure = Failure::Denied(explained(&status).into());
                        return Asked { answer: Err(failure), is_doubtful };
                    }
                    Verdict::Passing { perhaps_done } => {
                        is_doubtful |= perhaps_done;
                        let why = explained(&status);
                        if is_of_a_certificate(&why) {
                            untrusted = Some(format!("{}: {why}", self.slot(round).0.uri()));
                        }
                        why
                    }
                },
                Err(_) => {
                    is_doubtful = true;
                    "there was no answer in time".to_owned()
                }
            };
            self.failed(round);
            let pause = backoff.next();
            if Instant::now() + pause >= end {
                let failure = match untrusted {
                    Some(untrusted) => Failure::Untrusted(untrusted.into()),
                    None => Failure::unreachable(format!("{}: {why}", self.slot(round).0.uri())),
                };
                return Asked { answer: Err(failure), is_doubtful };
            }
            sleep(pause).await;
        }
    }

    async fn once<C: Call>(&self, round: usize, call: &C) -> Result<C::Answer, Status> {
        let token = match &self.login {
            Some(login) => login.token(|call| self.unary(round, call, None)).await?,
            None => None,
        };
        let answer = self.unary(round, call.clone(), token.as_ref()).await;
        if let (Some(login), Err(status)) = (&self.login, &answer)
            && matches!(Verdict::of(status), Verdict::LogIn)
        {
            login.forget(token).await;
        }
        answer
    }

    async fn unary<C: Call>(
        &self,
        round: usize,
        call: C,
        token: Option<&Token>,
    ) -> Result<C::Answer, Status> {
        let mut client = self.channel(round);
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let codec = ProstCodec::<C, C::Answer>::default();
        let path = PathAndQuery::from_static(C::PATH);
        Ok(client.unary(request(call, token), path, codec).await?.into_inner())
    }

    /// Opens a stream of requests and answers at this endpoint.
    pub(super) async fn stream<M, A>(
        &self,
        round: usize,
        path: &'static str,
        requests: mpsc::UnboundedReceiver<M>,
    ) -> Result<Streaming<A>, Status>
    where
        M: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let token = match &self.login {
            Some(login) => login.token(|call| self.unary(round, call, None)).await?,
            None => None,
        };
        let mut client = self.channel(round);
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let requests = request(UnboundedReceiverStream::new(requests), token.as_ref());
        let path = PathAndQuery::from_static(path);
        Ok(client.streaming(requests, path, ProstCodec::<M, A>::default()).await?.into_inner())
    }

    /// What a stream has, or nothing if it is broken; if that is for an old token, there will be another.
    pub(super) async fn opened<T>(&self, result: Result<T, Status>) -> Option<T> {
        if let Err(status) = &result
            && matches!(Verdict::of(status), Verdict::LogIn)
        {
            self.log_in_again().await;
        }
        result.ok()
    }

    /// We have been refused, perhaps for an old token.
    pub(super) async fn log_in_again(&self) {
        if let Some(login) = &self.login {
            login.forget_any().await;
        }
    }
}

/// What we show after we have logged in.
pub(super) type Token = MetadataValue<tonic::metadata::Ascii>;

fn request<T>(message: T, token: Option<&Token>) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    // An endpoint that has no leader says so at once, and ends its streams.
    metadata.insert("hasleader", MetadataValue::from_static("true"));
    if let Some(token) = token {
        metadata.insert("token", token.clone());
    }
    request
}

/// Without the login.
impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("round", &self.round()).finish_non_exhaustive()
    }
}
