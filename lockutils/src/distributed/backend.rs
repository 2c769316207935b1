//! What every engine has to do.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Caller, Contender, Entered, Failure, Grant, Promises, Request};

/// What an engine says, later. It can be awaited on every runtime and on none.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// A client of an engine that keeps locks for all hosts.
///
/// # What it must promise
///
/// 1. **Exclusion.** While a grant is not released and its [`Lease`](super::Lease) is not lost, the engine grants the lock to nobody that this
///    grant excludes: a writer excludes everybody, readers exclude writers and permits, so many permits as there are exclude one
///    more. Where the engine can break that by itself (a failover that forgets), it must not [promise](Self::promises)
///    otherwise.
/// 2. **No loss in silence.** The lease of a grant is lost before the engine may grant the lock to another. What others take
///    away by hand (they destroy the lock, remove its entry, end the session) is lost at the next sign of life at the latest.
/// 3. **Tokens grow.** Each grant has a larger token than all grants of this lock before it that it could not share the lock
///    with, and none is 0. Those who can share a lock may share a token.
/// 4. **Nothing is left behind.** An [`enter`](Self::enter) that fails, says [`Busy`](Entered::Busy), or is dropped at any
///    moment leaves no place in the queue, and neither does a [queued](Entered::Queued) wait that fails or is dropped. What
///    cannot be done at once goes on in the background, and ends with the session at the latest.
/// 5. **What nobody sees is given back.** A grant that is dropped without [`release`](Self::release) lets the lock go in the
///    background.
/// 6. **The order.** Among those who wait with `fair`, it is that in which they were queued, if the engine promises
///    [`ArrivalOrder`](super::Promise::ArrivalOrder). Nobody starves, whether fair or not.
/// 7. **One request, one effect.** When the answer to a request gets lost, it is asked again in a way that cannot take the lock
///    twice or leave a second place in the queue.
/// 8. **No call takes for ever.** Every request to the engine has a deadline, after which the answer is
///    [`Failure::Unreachable`]. A [queued](Entered::Queued) wait is not a request: it survives a connection that comes back,
///    queues itself anew when its session was lost, and ends only with a grant or with something that does not pass.
///
/// The threads and tasks of one process never compete through a backend for one lock: the one who asks has the lock in its
/// process. Several readers or holders of permits may.
///
/// # Who does the work
///
/// Answers are awaited by threads without a runtime and by tasks of every runtime. So an engine has threads or a runtime of its
/// own, and an answer is what comes back from there. When the [`Caller`] is a thread, the engine may do the work on that
/// thread, when the answer is asked for or when it is polled first: that saves the way to another thread and back.
///
/// A backend is not used in a forked child: that makes its own. When the last `Arc` of one is dropped, its session is
/// [closed](Self::close), unless a grant of it is left.
pub trait Backend: fmt::Debug + Send + Sync {
    /// What this engine promises, in its present configuration.
    fn promises(&self) -> Promises;

    /// Where it is, for messages: without user, password and whatever else is secret.
    fn location(&self) -> &str;

    /// Enters the queue of a lock, and takes the lock if nobody is in the way.
    ///
    /// # Errors
    ///
    /// - [`Failure::Mismatch`] when a semaphore of the name has another number of permits.
    /// - [`Failure::Unsupported`], [`Failure::Foreign`], [`Failure::Denied`], [`Failure::Untrusted`], [`Failure::Unreachable`].
    fn enter(&self, request: Request) -> Answer<Entered>;

    /// Lets the lock go. It begins with the call, and goes on when the answer is dropped. A grant that was released before is
    /// let go already: to do it again does nothing, and is no failure. What was released is not lost by that: nobody is told.
    ///
    /// # Errors
    ///
    /// [`Failure::Lost`] when the lock was lost before: what somebody else holds by then is not touched. With every other
    /// failure the lock may be held until its lease ends; the engine goes on to try.
    fn release(&self, grant: Arc<Grant>, caller: Caller) -> Answer<()>;

    /// Asks the engine whether the lock is still held by this grant, which it is not when it was released.
    ///
    /// # Errors
    ///
    /// [`Failure::Lost`] when it is not; the lease knows it by then.
    fn verify(&self, grant: Arc<Grant>, caller: Caller) -> Answer<()>;

    /// Lets a lock that [expires](Request::expires) last for this long from now on, whether that is later or earlier than before.
    /// It never touches what is somebody else's.
    ///
    /// # Errors
    ///
    /// [`Failure::Lost`] when it has expired; [`Failure::Unsupported`] for a lock whose lease is kept alive.
    fn extend(&self, grant: Arc<Grant>, length: Duration, caller: Caller) -> Answer<()>;

    /// Those who hold the lock of this request and those who wait for it, in the order in which they have their turn. A lock is
    /// its name: readers and holders of permits are shown to those who ask for a writer's lock, too.
    fn contenders(&self, request: Request) -> Answer<Vec<Contender>>;

    /// Removes all that the engine has of this lock, which is its name as above. Those who hold it lose it ([`Loss::Destroyed`](super::Loss::Destroyed)
    /// where that can be told from a removal), and those who wait for it queue anew.
    fn destroy(&self, request: Request) -> Answer<()>;

    /// What tells this cluster from others: the id of an etcd cluster, the run id of a Redis server, the chroot of a ZooKeeper
    /// ensemble.
    fn cluster(&self, caller: Caller) -> Answer<String>;

    /// Is ready when what was given up, such as the place of a wait that was dropped, is gone from the engine, or sooner where nobody is
    /// held up by it. Who may end soon waits for that a moment, since the engine learns of the end of a process late. The default is
    /// ready at once.
    fn settled(&self) -> Answer<()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Ends the session: all that it holds is let go, in the background, but what is not [ephemeral](Request::ephemeral). The
    /// leases of its grants are lost by then ([`Loss::Closed`](super::Loss::Closed)), and its waits end with that. No other call
    /// follows; a grant that is dropped afterwards touches nothing.
    fn close(&self);
}
