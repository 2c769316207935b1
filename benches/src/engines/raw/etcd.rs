//! etcd: two transactions on a channel of tonic, with a lease that is there already.

use http::uri::PathAndQuery;
use prost::Message;
use tokio::runtime::Runtime;
use tokio_stream::{StreamExt as _, once, pending};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use super::etcd_rpc::{
    Compare, Create, Delete, Done, GRANT, Lease, LeaseGrant, Op, PUT, Put, TXN, Txn, TxnAnswer, WATCH,
    WatchAnswer, WatchRequest,
};
use super::{Raw, runtime};
use crate::Result;

const KEY: &[u8] = b"bench-raw/5f3a0190c5a94e7f";
const WATCHED: &[u8] = b"bench-raw-watched";

pub(super) struct Etcd {
    runtime: Runtime,
    grpc: Grpc<Channel>,
    lease: i64,
    /// The revision at which the key was made.
    taken: i64,
    watched: Option<Streaming<WatchAnswer>>,
}

impl Etcd {
    pub(super) fn connect(url: &str) -> Result<Self> {
        let (runtime, url) = (runtime()?, url.replace("etcd://", "http://"));
        let endpoint = Endpoint::from_shared(url)?.tcp_nodelay(true);
        let mut grpc = Grpc::new(runtime.block_on(endpoint.connect())?);
        let lease = runtime.block_on(ask::<_, Lease>(&mut grpc, LeaseGrant { ttl: 3600 }, GRANT))?.id;
        Ok(Self { runtime, grpc, lease, taken: 0, watched: None })
    }
}

impl Raw for Etcd {
    fn take(&mut self) -> Result<()> {
        let put = Put { key: KEY.to_vec(), value: b"raw".to_vec(), lease: self.lease };
        let txn = Txn::of(Compare::made_at(KEY, 0), Op::Put(put));
        self.taken = self.runtime.block_on(transact(&mut self.grpc, txn))?;
        Ok(())
    }

    fn free(&mut self) -> Result<()> {
        let delete = Delete { key: KEY.to_vec() };
        let txn = Txn::of(Compare::made_at(KEY, self.taken), Op::Delete(delete));
        self.runtime.block_on(transact(&mut self.grpc, txn)).map(drop)
    }

    fn watch(&mut self) -> Result<Box<dyn FnOnce() -> Result<()> + '_>> {
        if self.watched.is_none() {
            self.watched = Some(self.runtime.block_on(watch(&mut self.grpc))?);
        }
        let (runtime, watched) = (&self.runtime, self.watched.as_mut().ok_or("it was just made")?);
        Ok(Box::new(move || match runtime.block_on(watched.message())? {
            Some(_) => Ok(()),
            None => Err("the stream has ended".into()),
        }))
    }

    fn tell(&mut self) -> Result<()> {
        let put = Put { key: WATCHED.to_vec(), value: b"free".to_vec(), lease: 0 };
        self.runtime.block_on(ask::<_, Done>(&mut self.grpc, put, PUT)).map(drop)
    }
}

/// The revision after a transaction that must be done.
async fn transact(grpc: &mut Grpc<Channel>, txn: Txn) -> Result<i64> {
    let answer: TxnAnswer = ask(grpc, txn, TXN).await?;
    match answer.header {
        Some(header) if answer.succeeded => Ok(header.revision),
        _ => Err("somebody else has it".into()),
    }
}

async fn ask<C, A>(grpc: &mut Grpc<Channel>, call: C, path: &'static str) -> Result<A>
where
    C: Message + Default + 'static,
    A: Message + Default + 'static,
{
    grpc.ready().await?;
    let codec = ProstCodec::<C, A>::default();
    Ok(grpc.unary(Request::new(call), PathAndQuery::from_static(path), codec).await?.into_inner())
}

/// A stream that tells of every change, and has said that it does.
async fn watch(grpc: &mut Grpc<Channel>) -> Result<Streaming<WatchAnswer>> {
    grpc.ready().await?;
    let codec = ProstCodec::<WatchRequest, WatchAnswer>::default();
    let request = WatchRequest { create: Some(Create { key: WATCHED.to_vec() }) };
    // As long as the requests have not ended, neither do the answers.
    let requests = once(request).chain(pending());
    let mut answers =
        grpc.streaming(Request::new(requests), PathAndQuery::from_static(WATCH), codec).await?.into_inner();
    match answers.message().await? {
        Some(WatchAnswer { created: true }) => Ok(answers),
        other => Err(format!("{other:?}").into()),
    }
}
