//! Waiting for keys to go: one stream of watches for all who wait.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tonic::Streaming;

use super::net::Net;
use super::race::first;
use super::rpc::{Cancel, Create, Event, WatchRequest, WatchResponse};

/// The keys that were deleted, as one answer of etcd tells: of one revision or several, and never of a part of one.
pub(super) type Gone = Vec<Vec<u8>>;

/// What is watched: a key, or all from the first to the second.
pub(super) type Span<'a> = (&'a [u8], &'a [u8]);

#[derive(Debug)]
pub(super) struct Watcher {
    net: Arc<Net>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    stream: Option<Stream>,
    /// Of streams and of watches.
    last: i64,
}

/// When it breaks, all watches end, and those who wait look for themselves.
#[derive(Debug)]
struct Stream {
    number: i64,
    requests: UnboundedSender<WatchRequest>,
    watches: HashMap<i64, UnboundedSender<Option<Gone>>>,
}

/// One who watches.
#[derive(Debug)]
pub(super) struct Watched {
    shared: Arc<Mutex<Shared>>,
    stream: i64,
    ids: Vec<i64>,
    gone: UnboundedReceiver<Option<Gone>>,
}

impl Watcher {
    pub(super) fn new(net: Arc<Net>) -> Self {
        Self { net, shared: Arc::default() }
    }

    /// Watches all of these from a revision on.
    pub(super) fn watch(&self, spans: &[Span<'_>], from: i64) -> Watched {
        let (tell, gone) = mpsc::unbounded_channel();
        let mut guard = self.shared.lock();
        let shared = &mut *guard;
        let stream = shared.stream.get_or_insert_with(|| {
            shared.last += 1;
            self.open(shared.last)
        });
        let mut ids = Vec::with_capacity(spans.len());
        for (key, end) in spans {
            shared.last += 1;
            ids.push(shared.last);
            stream.watches.insert(shared.last, tell.clone());
            // If nobody receives it, the stream is about to be closed.
            let _ = stream.requests.send(create(shared.last, key, end, from).into());
        }
        Watched { shared: Arc::clone(&self.shared), stream: stream.number, ids, gone }
    }

    fn open(&self, number: i64) -> Stream {
        let (requests, receiver) = mpsc::unbounded_channel();
        let (net, shared) = (Arc::clone(&self.net), Arc::clone(&self.shared));
        self.net.runtime.spawn(async move {
            run(&net, &shared, receiver).await;
            shared.lock().close(number);
        });
        Stream { number, requests, watches: HashMap::new() }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.lock().stream = None;
    }
}

fn create(watch_id: i64, key: &[u8], range_end: &[u8], from: i64) -> Create {
    let (key, range_end) = (key.to_vec(), range_end.to_vec());
    Create { key, range_end, start_revision: from, filters: vec![Create::NO_PUTS], watch_id }
}

/// Until the stream breaks, or another endpoint is in use, or nobody asks any more.
async fn run(net: &Net, shared: &Mutex<Shared>, requests: UnboundedReceiver<WatchRequest>) {
    let round = net.round();
    let read = async {
        match net.opened(net.stream(round, WatchRequest::PATH, requests).await).await {
            Some(answers) => read_all(net, shared, answers).await,
            None => Broken::Stream,
        }
    };
    let moved = async {
        net.next_round(round).await;
        Broken::Moved
    };
    match first(read, moved).await {
        Broken::Stream => net.failed(round),
        Broken::Watch => net.log_in_again().await,
        Broken::Moved => {}
    }
}

enum Broken {
    Stream,
    /// One was not let in, perhaps since the token of the stream is too old.
    Watch,
    Moved,
}

async fn read_all(net: &Net, shared: &Mutex<Shared>, mut answers: Streaming<WatchResponse>) -> Broken {
    while let Some(Some(answer)) = net.opened(answers.message().await).await {
        if let ControlFlow::Break(broken) = shared.lock().tell(answer) {
            return broken;
        }
    }
    Broken::Stream
}

impl Shared {
    fn tell(&mut self, answer: WatchResponse) -> ControlFlow<Broken> {
        let Some(stream) = &mut self.stream else { return ControlFlow::Break(Broken::Moved) };
        if answer.canceled && answer.created {
            return ControlFlow::Break(Broken::Watch);
        }
        if answer.canceled {
            // What it should tell is no longer known.
            let tell = stream.watches.remove(&answer.watch_id);
            tell.and_then(|tell| tell.send(None).ok());
            return ControlFlow::Continue(());
        }
        let gone: Gone = answer.events.into_iter().filter_map(Event::deleted).collect();
        if let Some(tell) = stream.watches.get(&answer.watch_id).filter(|_| !gone.is_empty()) {
            // Who does not want it any more is about to say so.
            let _ = tell.send(Some(gone));
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, number: i64) {
        if self.stream.as_ref().is_some_and(|stream| stream.number == number) {
            self.stream = None;
        }
    }

    fn cancel(&mut self, number: i64, ids: &[i64]) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.number == number) else { return };
        for id in ids {
            if stream.watches.remove(id).is_some() {
                let _ = stream.requests.send(Cancel { watch_id: *id }.into());
            }
        }
    }
}

impl Watched {
    /// What has gone. `None`: nobody watches any more, and one has to look.
    pub(super) async fn gone(&mut self) -> Option<Gone> {
        self.gone.recv().await?
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.shared.lock().cancel(self.stream, &self.ids);
    }
}
