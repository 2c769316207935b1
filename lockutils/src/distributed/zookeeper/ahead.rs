//! What one waits for: that a node which is ahead goes.

use zookeeper_client::{Error, EventType, OneshotWatcher, WatchedEvent};

use super::super::Failure;
use super::either::{Either, either, now};
use super::problem;
use super::session::Session;

/// Waits until a node has changed, or may have.
pub(super) async fn changed(session: &Session, path: &str) -> Result<(), Failure> {
    let client = session.client()?;
    let watched = client.get_and_watch_data(path).await;
    // The session must be able to end while this waits.
    drop(client);
    match watched {
        Ok((_, _, watch)) => told(session, watch).await.map(drop),
        Err(Error::NoNode) => Ok(()),
        Err(error) => Err(problem::failure(error)),
    }
}

/// The same; says whether it is gone, and one's own node was not before it.
///
/// What a client has missed while it had no connection it is told in any order. So that says nothing.
pub(super) async fn is_gone(session: &Session, path: &str, own: &str) -> Result<bool, Failure> {
    let client = session.client()?;
    let mut connection = client.state_watcher();
    let _now = connection.state();
    let (own, watched) = (client.get_and_watch_data(own), client.get_and_watch_data(path));
    let (own, watched) = (own.await, watched.await);
    drop(client);
    let (own, watch) = match (own, watched) {
        (Ok((_, _, own)), Ok((_, _, watch))) => (own, watch),
        (Err(Error::NoNode), _) | (_, Err(Error::NoNode)) => return Ok(false),
        (Err(error), _) | (_, Err(error)) => return Err(problem::failure(error)),
    };
    let is_gone = told(session, watch).await?.event_type == EventType::NodeDeleted;
    let is_certain = now(own.changed()).await.is_none() && now(connection.changed()).await.is_none();
    Ok(is_gone && is_certain)
}

/// Waits for what a watch tells.
pub(super) async fn told(session: &Session, watch: OneshotWatcher) -> Result<WatchedEvent, Failure> {
    match either(watch.changed(), session.ended()).await {
        Either::First(event) => Ok(event),
        Either::Second(loss) => Err(Failure::Lost(loss)),
    }
}
