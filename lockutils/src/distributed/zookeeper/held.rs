//! A lock that is held.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;
use zookeeper_client::{Error, EventType};

use super::super::memory::KEPT_ALIVE;
use super::super::{Failure, Grant, Loss};
use super::core::{Core, Pause};
use super::either::{Either, either};
use super::hold::Hold;
use super::node::Node;
use super::problem;
use super::session::Session;

/// What a grant keeps: its node, which is deleted when this is dropped.
pub(super) struct Held {
    node: Arc<Node>,
    hold: Arc<Hold>,
}

impl Held {
    /// The lock has been granted to this node. The node goes when the lease is lost, and the lease when the node is.
    pub(super) fn grant(
        core: &Core,
        session: &Session,
        node: &Arc<Node>,
        token: u64,
        expires: Option<Duration>,
    ) -> Grant {
        let hold = if node.stays() { core.hold() } else { session.hold(expires) };
        let lease = Arc::clone(&hold.lease);
        let lost = Arc::downgrade(node);
        lease.on_loss(move |_| {
            if let Some(node) = lost.upgrade() {
                node.abandon();
            }
        });
        core.spawn(watch(Arc::downgrade(node), Arc::downgrade(&hold)));
        Grant::new(token, lease, Self { node: Arc::clone(node), hold })
    }

    /// Lets it go.
    pub(super) async fn release(&self, core: &Core) -> Result<(), Failure> {
        if let Err(lost) = self.check() {
            self.node.abandon();
            return Err(lost);
        }
        if !self.node.leave() {
            return Ok(());
        }
        match core.in_time(self.node.delete()).await {
            Ok(true) => {
                self.hold.release();
                Ok(())
            }
            Ok(false) => Err(self.lose(Loss::Removed)),
            Err(Failure::Lost(loss)) => Err(self.lose(loss)),
            Err(failure) => {
                self.node.delete_later();
                Err(failure)
            }
        }
    }

    /// Asks whether the node is there.
    pub(super) async fn verify(&self, core: &Core) -> Result<(), Failure> {
        self.check()?;
        if self.node.is_left() {
            return Err(self.lose(Loss::Removed));
        }
        match core.in_time(self.is_there()).await {
            Ok(true) => self.check(),
            Ok(false) => Err(self.lose(Loss::Removed)),
            Err(Failure::Lost(loss)) => Err(self.lose(loss)),
            Err(failure) => Err(failure),
        }
    }

    /// The server that is asked may be behind: it is brought up to date first.
    async fn is_there(&self) -> Result<bool, Failure> {
        let mut pause = Pause::new();
        loop {
            let client = self.node.session().await?.client()?;
            let path = self.node.path();
            let (synced, there) = (client.sync(&path), client.check_stat(&path));
            match (synced.await, there.await) {
                (Ok(()), Ok(stat)) => return Ok(stat.is_some()),
                (Err(error), _) | (_, Err(error)) if problem::passes(&error) => pause.wait().await,
                (Err(error), _) | (_, Err(error)) => return Err(problem::failure(error)),
            }
        }
    }

    /// Lets it last for so long from now on.
    pub(super) async fn extend(&self, core: &Core, length: Duration) -> Result<(), Failure> {
        self.check()?;
        if !self.hold.expires() {
            return Err(KEPT_ALIVE);
        }
        self.verify(core).await?;
        self.hold.extend(length);
        self.node.session().await?.renew(&self.hold);
        self.check()
    }

    fn check(&self) -> Result<(), Failure> {
        self.hold.lease.loss().map_or(Ok(()), |loss| Err(Failure::Lost(loss)))
    }

    fn lose(&self, why: Loss) -> Failure {
        self.hold.lease.lose(why);
        Failure::Lost(self.hold.lease.loss().unwrap_or(why))
    }
}

/// A lock that is held for less is not watched: that would be a request more.
const UNWATCHED: Duration = Duration::from_millis(50);

/// Watches the node as long as the lock is held: who deletes it takes the lock away.
async fn watch(node: Weak<Node>, hold: Weak<Hold>) {
    sleep(UNWATCHED).await;
    let mut pause = Pause::new();
    while let Some(there) = node.upgrade().filter(|node| !node.is_left()) {
        let Ok(session) = there.session().await else { return };
        let Ok(client) = session.client() else { return };
        let path = there.path();
        drop(there);
        let watched = client.get_and_watch_data(&path).await;
        drop(client);
        let is_gone = match watched {
            Ok((_, _, watch)) => match either(watch.changed(), session.ended()).await {
                Either::First(event) => event.event_type == EventType::NodeDeleted,
                Either::Second(_) => false,
            },
            Err(Error::NoNode) => true,
            Err(error) if problem::passes(&error) => {
                pause.wait().await;
                false
            }
            Err(_) => return,
        };
        if is_gone {
            return lost(&node, &hold);
        }
    }
}

fn lost(node: &Weak<Node>, hold: &Weak<Hold>) {
    let is_held = node.upgrade().is_some_and(|node| !node.is_left());
    if let Some(hold) = hold.upgrade().filter(|_| is_held) {
        hold.lose(Loss::Removed);
    }
}
