//! etcd: each contender is a key with the lease of its session, and the oldest key has the lock, as in Go's `concurrency`
//! package and with `etcdctl lock`. See `docs/etcd.md`.
//!
//! etcd's own Lock service is not used: up to 3.4 it grants the lock to a waiter whose key has gone with its lease, and it
//! has no way to try or to tell who holds (<https://github.com/etcd-io/etcd/issues/11456>). Here one transaction makes the
//! key and tells who was there before; a watch tells when they have gone.

mod backoff;
mod client;
mod holding;
mod join;
mod keepalive;
mod key;
mod login;
mod moving;
mod net;
mod options;
mod place;
mod queue;
mod race;
mod remove;
mod rpc;
mod session;
mod task;
mod tls;
mod verdict;
mod waiting;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use self::client::Client;
use self::join::{Joined, join};
use self::key::Keys;
use self::moving::settle;
use self::place::{End, Own, Place};
use self::queue::admits;
use self::rpc::{DeleteRange, Range, Status};
use self::task::{begin, begin_wait, elsewhere, failed};
use self::waiting::wait;
use super::memory::KEPT_ALIVE;
use super::open::Settings;
use super::{
    Answer, Backend, Caller, Contender, Entered, Failure, Grant, Lease, Loss, Promise, Promises, Request,
    Share,
};
use crate::error::Error;

/// A client of a cluster.
#[derive(Debug)]
struct Etcd {
    client: Arc<Client>,
    location: String,
}

pub(super) fn open(settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    let client = options::client(settings)?;
    Ok(Arc::new(Etcd { client, location: settings.url.to_string() }))
}

impl Backend for Etcd {
    fn promises(&self) -> Promises {
        Promises::of(&Promise::ALL)
    }

    fn location(&self) -> &str {
        &self.location
    }

    fn enter(&self, request: Request) -> Answer<Entered> {
        begin(&self.client, enter(Arc::clone(&self.client), request))
    }

    fn release(&self, grant: Arc<Grant>, _: Caller) -> Answer<()> {
        let Some(own) = grant.place::<Own>() else { return foreign() };
        release(own.place(), grant.lease())
    }

    fn verify(&self, grant: Arc<Grant>, _: Caller) -> Answer<()> {
        let Some(own) = grant.place::<Own>() else { return foreign() };
        let (place, lease) = (Arc::clone(own.place()), Arc::clone(grant.lease()));
        begin(&self.client, async move { place.verify(&lease).await })
    }

    fn extend(&self, grant: Arc<Grant>, length: Duration, _: Caller) -> Answer<()> {
        let Some(own) = grant.place::<Own>() else { return foreign() };
        if let Some(loss) = grant.lease().loss() {
            return done(Err(Failure::Lost(loss)));
        }
        if own.place().expires.is_none() {
            return done(Err(KEPT_ALIVE));
        }
        let (place, lease) = (Arc::clone(own.place()), Arc::clone(grant.lease()));
        begin(&self.client, async move { place.extend(&lease, length).await })
    }

    fn contenders(&self, request: Request) -> Answer<Vec<Contender>> {
        let client = Arc::clone(&self.client);
        begin(&self.client, async move { contenders(&client, &request.name).await })
    }

    fn destroy(&self, request: Request) -> Answer<()> {
        let (client, keys) = (Arc::clone(&self.client), Keys::of(&self.client.base, &request.name));
        let call = DeleteRange { key: keys.first().to_vec(), range_end: keys.end().to_vec() };
        begin(&self.client, async move { client.net.ask(&call).await.answer.map(drop) })
    }

    fn cluster(&self, _: Caller) -> Answer<String> {
        let client = Arc::clone(&self.client);
        begin(&self.client, async move {
            let header = client.net.ask(&Status {}).await.answer?.header;
            header.map(|header| format!("{:x}", header.cluster_id)).ok_or_else(|| failed("it has no id"))
        })
    }

    fn settled(&self) -> Answer<()> {
        let background = Arc::clone(&self.client.background);
        Box::pin(async move {
            background.settled().await;
            Ok(())
        })
    }

    fn close(&self) {
        self.client.close();
    }
}

async fn enter(client: Arc<Client>, request: Request) -> Result<Entered, Failure> {
    request.without_patterns()?;
    let Some(joined) = join(Arc::clone(&client), request.clone()).await? else { return Ok(Entered::Busy) };
    if !joined.queue.is_free() {
        return Ok(queued(client, request, joined));
    }
    match settle(joined.own, request).await {
        Ok((own, lease)) => Ok(Entered::Held(own.granted(lease))),
        Err(unsettled) => Err(unsettled.failure),
    }
}

fn queued(client: Arc<Client>, request: Request, joined: Joined) -> Entered {
    if request.waits {
        Entered::Queued(begin_wait(&Arc::clone(&client), wait(client, request, joined)))
    } else {
        Entered::Busy
    }
}

/// Removes the key, on and on until that is done. The answer is that of the first try.
fn release(place: &Arc<Place>, lease: &Arc<Lease>) -> Answer<()> {
    if !place.client.is_here() {
        return done(Err(elsewhere()));
    }
    let is_first = place.leave();
    let (client, place, lease) = (Arc::clone(&place.client), Arc::clone(place), Arc::clone(lease));
    let lost = lease.loss().map(Failure::Lost);
    if !is_first {
        return done(lost.filter(|_| place.state.lock().end != End::Released).map_or(Ok(()), Err));
    }
    let (tell, answer) = oneshot::channel();
    client.spawn(async move {
        let removed = place.remove().await;
        if let Ok(true) = removed {
            place.state.lock().end = End::Released;
        }
        let is_passing = removed.as_ref().is_err_and(Failure::may_pass);
        let _ = tell.send(told(removed, &lease));
        if is_passing {
            place.remove_for_sure().await;
        }
    });
    match lost {
        Some(lost) => done(Err(lost)),
        None => Box::pin(async { answer.await.unwrap_or_else(|_| Err(failed("the work was not finished"))) }),
    }
}

fn told(removed: Result<bool, Failure>, lease: &Lease) -> Result<(), Failure> {
    match removed {
        Ok(true) => Ok(()),
        Ok(false) | Err(Failure::Lost(_)) => {
            lease.lose(Loss::Removed);
            Err(Failure::Lost(lease.loss().unwrap_or(Loss::Removed)))
        }
        Err(failure) => Err(failure),
    }
}

async fn contenders(client: &Client, name: &str) -> Result<Vec<Contender>, Failure> {
    let keys = Keys::of(&client.base, name);
    let range = Range::all(keys.first(), keys.end()).oldest_first();
    let kvs = client.net.ask(&range).await.answer?.kvs;
    let shares: Vec<Share> = kvs.iter().map(|kv| keys.share(&kv.key)).collect();
    let contender = |(at, kv): (usize, &rpc::KeyValue)| {
        let holds = admits(shares[at], shares[..at].iter().copied());
        Contender::new(String::from_utf8_lossy(&kv.key), shares[at], holds)
            .identified(String::from_utf8_lossy(&kv.value))
            .with_token(u64::try_from(kv.create_revision).ok().filter(|_| holds).unwrap_or(0))
    };
    Ok(kvs.iter().enumerate().map(contender).collect())
}

fn done<T: Send + 'static>(result: Result<T, Failure>) -> Answer<T> {
    Box::pin(std::future::ready(result))
}

fn foreign<T: Send + 'static>() -> Answer<T> {
    done(Err(failed("the grant is of another engine")))
}
