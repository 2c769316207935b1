//! Getting a place in a queue.

use std::sync::Arc;

use super::client::Client;
use super::place::{Own, Place};
use super::queue::{Queue, Standing};
use super::rpc::{Compare, KeyValue, Range, RequestOp, Txn, TxnResponse};
use crate::distributed::{Failure, Loss, Request, Share};

/// So often a place may be lost before it is taken, with its session or alone.
const TRIES: u32 = 3;

/// A place, and who stands before it.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) own: Own,
    pub(super) queue: Queue,
    /// The revision at which that was so.
    pub(super) revision: i64,
}

/// Takes a place; `None` if others have the lock and this one does not wait. It must not be dropped before it is ready: a
/// request that is on its way may still be done.
pub(super) async fn join(client: Arc<Client>, request: Request) -> Result<Option<Joined>, Failure> {
    let mut left = TRIES;
    loop {
        let session = client.session().await?;
        let own = Own::new(&client, Arc::clone(&session), &request);
        match own.join(&request).await {
            Ok(joined) => return Ok(joined.map(|(queue, revision)| Joined { own, queue, revision })),
            Err(Failure::Lost(loss)) if left > 0 && !client.is_closed() => {
                if loss == Loss::Ended {
                    session.lose(loss);
                }
                left -= 1;
            }
            Err(failure) => return Err(failure),
        }
    }
}

impl Own {
    async fn join(&self, request: &Request) -> Result<Option<(Queue, i64)>, Failure> {
        let place = self.place();
        if request.waits && !matches!(request.share, Share::Permit(_)) {
            return place.put_behind_all().await.map(Some);
        }
        match place.put_if_free().await? {
            None if request.waits => {
                let joined = place.put_behind_all().await?;
                joined.0.agree()?;
                Ok(Some(joined))
            }
            joined => Ok(joined),
        }
    }
}

impl Place {
    /// One trip, whoever is there: the answer tells who.
    async fn put_behind_all(&self) -> Result<(Queue, i64), Failure> {
        let success = vec![self.put().into(), self.others().into()];
        let failure = vec![Range { keys_only: true, ..Range::one(&self.key) }.into()];
        let mut answer = self.make(Txn { compare: self.is_new(), success, failure }).await?;
        let (standing, revision) = if answer.succeeded {
            self.is_there(answer.revision());
            let read = answer.read(1);
            (Standing::read(&self.keys, self.share, self.token(), &read), answer.revision())
        } else {
            // An earlier request has made it, whose answer was lost.
            let own = answer.read(0).pop().ok_or_else(|| Failure::other("a new key was there before"))?;
            self.is_there(own.create_revision);
            self.look().await?
        };
        match standing {
            Standing::At(queue) => Ok((queue, revision)),
            Standing::Gone => Err(Failure::Lost(Loss::Removed)),
        }
    }

    /// Makes the key only if nobody is in its way: so nobody ever sees one that is not to stay. `None`: somebody is.
    async fn put_if_free(&self) -> Result<Option<(Queue, i64)>, Failure> {
        let mut seen = 0;
        let mut queue = Queue::of(&self.keys, self.share, &[]);
        loop {
            let mut answer = self.make(self.put_unless_newer(seen)).await?;
            if answer.succeeded {
                self.is_there(answer.revision());
                return Ok(Some((queue, answer.revision())));
            }
            seen = answer.revision();
            let kvs = answer.read(0);
            if let Some(at) = kvs.iter().position(|kv| kv.key == self.key) {
                return Ok(Some(self.found(&kvs[at..], seen)));
            }
            queue = Queue::of(&self.keys, self.share, &kvs);
            queue.agree()?;
            if !queue.is_free() {
                let mut state = self.state.lock();
                // One that may still be made is removed.
                state.is_put = state.is_doubtful;
                return Ok(None);
            }
        }
    }

    /// Only if nobody has come since it was at this revision.
    fn put_unless_newer(&self, seen: i64) -> Txn {
        let mut compare = self.is_new();
        compare.push(Compare::none_after(self.keys.first(), self.keys.end(), seen));
        let all = Range { limit: 0, ..self.others() };
        Txn { compare, success: vec![self.put().into()], failure: vec![RequestOp::from(all)] }
    }

    /// An earlier request has made the key, whose answer was lost.
    fn found(&self, own_and_before: &[KeyValue], revision: i64) -> (Queue, i64) {
        self.is_there(own_and_before[0].create_revision);
        (Queue::of(&self.keys, self.share, &own_and_before[1..]), revision)
    }

    async fn make(&self, txn: Txn) -> Result<TxnResponse, Failure> {
        self.state.lock().is_put = true;
        let asked = self.client.net.ask(&txn).await;
        let mut state = self.state.lock();
        // With a later answer, an earlier request may still be on its way.
        state.is_doubtful |= asked.is_doubtful;
        state.is_put = state.is_doubtful || asked.answer.is_ok();
        asked.answer
    }
}
