//! How a lock is taken.

use std::sync::Arc;

use zookeeper_client::{Client, Error};

use super::super::{Answer, Entered, Failure, Grant, Loss, Request};
use super::ahead;
use super::core::{Core, Pause};
use super::permits;
use super::place::{Ahead, Ask, Place, Turn};
use super::problem;
use super::session::Session;
use super::task::waiting_task;

/// What came of the first look.
enum Begun {
    Held(Grant),
    Busy,
    Queued(Place, Ahead),
}

/// Enters the queue of a lock.
pub(super) async fn enter(core: Arc<Core>, request: Request) -> Result<Entered, Failure> {
    let ask = Ask::new(&core, request)?;
    match core.in_time(ask.begin()).await? {
        Begun::Held(grant) => Ok(Entered::Held(grant)),
        Begun::Busy => Ok(Entered::Busy),
        Begun::Queued(place, ahead) => {
            let waits: Answer<Grant> = waiting_task(&core, ask.wait(place, ahead))?;
            Ok(Entered::Queued(waits))
        }
    }
}

impl Ask {
    async fn begin(&self) -> Result<Begun, Failure> {
        let mut pause = Pause::new();
        loop {
            match self.try_begin().await {
                Ok(Some(begun)) => return Ok(begun),
                Err(Failure::Lost(_)) if self.core.is_closed() => return Err(Failure::Lost(Loss::Closed)),
                // The place was deleted, or went with its session.
                Ok(None) | Err(Failure::Lost(_)) => {}
                Err(failure) if failure.may_pass() => {}
                Err(failure) => return Err(failure),
            }
            pause.wait().await;
        }
    }

    async fn try_begin(&self) -> Result<Option<Begun>, Failure> {
        let session = self.core.session().await?;
        let client = session.client()?;
        if !self.request.waits && self.is_busy(&client).await? {
            return Ok(Some(Begun::Busy));
        }
        let (place, mut turn) = self.queue(&session, &client).await?;
        loop {
            match turn {
                Turn::Mine(grant) => return Ok(Some(Begun::Held(grant))),
                Turn::Gone => return Ok(None),
                Turn::Unclear => {}
                Turn::Behind(ahead) if self.request.waits => return Ok(Some(Begun::Queued(place, ahead))),
                Turn::Behind(Ahead::Passing(path)) => ahead::changed(&session, &path).await?,
                Turn::Behind(_) => {
                    place.node.delete().await?;
                    place.node.leave();
                    return Ok(Some(Begun::Busy));
                }
            }
            let view = self.view(&client).await.map_err(problem::failure)?;
            turn = self.turn(&place, &session, &client, &view).await?;
        }
    }

    /// Looks whether somebody is in the way, without a place that others could see.
    async fn is_busy(&self, client: &Client) -> Result<bool, Failure> {
        let view = self.view(client).await.map_err(problem::failure)?;
        let Some(permits) = self.permits() else {
            let is_free = self.rules.last_before(&view.nodes, None).is_none()
                && view.queue.is_empty()
                && self.rules.permit(&view.nodes).is_none();
            return Ok(!is_free);
        };
        let data = view.data.as_ref().map_or(b"".as_slice(), |(data, _)| data);
        let _said = permits::check(self, permits, data, self.rules.taken(&view, None) > 0)?;
        Ok(!self.rules.locks(&view.nodes).is_empty() || self.rules.taken(&view, None) >= permits as usize)
    }

    /// Waits until it is the turn of this place, or of another one when it was lost.
    async fn wait(self, place: Place, ahead: Ahead) -> Result<Grant, Failure> {
        let mut waits = Waits { place: Some(place), ahead: Some(ahead) };
        let mut pause = Pause::new();
        loop {
            match self.advance(&mut waits).await {
                Ok(Some(grant)) => return Ok(grant),
                Ok(None) => {
                    pause = Pause::new();
                    continue;
                }
                Err(Failure::Lost(_)) if self.core.is_closed() => return Err(Failure::Lost(Loss::Closed)),
                Err(Failure::Lost(_)) => waits.place = None,
                Err(failure) if failure.may_pass() => {}
                Err(failure) => return Err(failure),
            }
            pause.wait().await;
        }
    }

    async fn advance(&self, waits: &mut Waits) -> Result<Option<Grant>, Failure> {
        let turn = if let Some(place) = &waits.place {
            let session = place.node.session().await?;
            if let Some(ahead) = &waits.ahead
                && self.is_next_by(ahead, place, &session).await?
            {
                return self.grant_to(&session, place).map(Some);
            }
            waits.ahead = None;
            let client = session.client()?;
            let view = self.view(&client).await.map_err(problem::failure)?;
            self.turn(place, &session, &client, &view).await?
        } else {
            let session = self.core.session().await?;
            let (place, turn) = self.queue(&session, &*session.client()?).await?;
            waits.place = Some(place);
            turn
        };
        match turn {
            Turn::Mine(grant) => return Ok(Some(grant)),
            Turn::Behind(ahead) => waits.ahead = Some(ahead),
            Turn::Unclear => {}
            Turn::Gone => waits.place = None,
        }
        Ok(None)
    }

    /// Waits until what is ahead has changed, or may have. Says whether it is one's turn by that, so that nobody need be asked.
    async fn is_next_by(&self, ahead: &Ahead, place: &Place, session: &Session) -> Result<bool, Failure> {
        match ahead {
            Ahead::Node(path) | Ahead::Passing(path) => ahead::changed(session, path).await?,
            Ahead::Last(path) => return ahead::is_gone(session, path, &place.node.path()).await,
            Ahead::Permits => self.permits_changed(session).await?,
        }
        Ok(false)
    }

    async fn permits_changed(&self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let listed = client.list_and_watch_children(&self.paths.directory).await;
        drop(client);
        match listed {
            Ok((nodes, watch)) if self.is_full(&nodes) => ahead::told(session, watch).await.map(drop),
            Ok(_) | Err(Error::NoNode) => Ok(()),
            Err(error) => Err(problem::failure(error)),
        }
    }

    fn is_full(&self, nodes: &[String]) -> bool {
        self.permits().is_some_and(|permits| self.rules.permits(nodes) >= permits as usize)
    }
}

/// Where one waits, if there is a place, and for what, if that is known.
struct Waits {
    place: Option<Place>,
    ahead: Option<Ahead>,
}
