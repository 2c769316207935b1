//! A place in the queue of a lock, and whether its turn has come.

use std::sync::Arc;

use zookeeper_client::{Client, Error, Stat};

use super::super::{Failure, Grant, Loss, Request, Share};
use super::core::Core;
use super::held::Held;
use super::name;
use super::node::Node;
use super::permits::agree;
use super::problem;
use super::rules::{Number, Rules};
use super::session::Session;
use super::view::{Paths, View, stats};

/// Somebody asks for a lock.
pub(super) struct Ask {
    pub(super) core: Arc<Core>,
    pub(super) request: Request,
    pub(super) paths: Paths,
    pub(super) rules: Rules,
}

/// A node in a queue.
pub(super) struct Place {
    pub(super) node: Arc<Node>,
    number: Number,
    /// The transaction that has made it: by that, places in different queues are compared.
    age: i64,
}

/// Whether it is one's turn.
pub(super) enum Turn {
    Mine(Grant),
    /// It is when this has changed, at the earliest.
    Behind(Ahead),
    /// It has changed meanwhile: look again.
    Unclear,
    /// The place is gone: somebody has deleted it.
    Gone,
}

/// Who is in the way.
pub(super) enum Ahead {
    /// The one whose node this is.
    Node(String),
    /// The same, and it is the only one: when it is gone, it is one's turn. Numbers grow, so nobody comes in between.
    Last(String),
    /// The same, but it will be gone soon, without any lock being let go.
    Passing(String),
    /// So many permits are taken as there are.
    Permits,
}

impl Ask {
    pub(super) fn new(core: &Arc<Core>, request: Request) -> Result<Self, Failure> {
        let (root, layout) = (&core.options.root, core.options.layout);
        let rules = Rules::of(layout, &request)?;
        let step = name::escaped(&request.name);
        // Only below the root the server has nodes of its own.
        let step = if root.is_empty() { step } else { step.replace("%7Aookeeper", "zookeeper") };
        let directory = format!("{root}/{step}");
        let queue = layout.queue_of(&directory);
        Ok(Self { core: Arc::clone(core), request, paths: Paths { directory, queue }, rules })
    }

    /// How many permits there are, if one of them is asked for.
    pub(super) fn permits(&self) -> Option<u32> {
        match self.request.share {
            Share::Permit(permits) => Some(permits),
            _ => None,
        }
    }

    fn data(&self) -> &[u8] {
        self.request.identifier.as_bytes()
    }

    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.paths.directory)
    }

    /// Takes a place, and looks whether it is its turn: in one trip, since requests are answered in the order in which they
    /// are sent.
    pub(super) async fn queue(
        &self,
        session: &Arc<Session>,
        client: &Client,
    ) -> Result<(Place, Turn), Failure> {
        let node = self.place_of(session);
        let created = node.create(client, self.data());
        let view = self.paths.view(client, self.permits().is_some());
        let created = created.await;
        let view = view.await;
        let (age, is_first) = node.settle(client, created, self.data()).await?;
        let view = if is_first { view } else { self.view(client).await };
        let view = view.map_err(problem::failure)?;
        let place = Place { number: self.rules.number(node.name()), node, age };
        let turn = self.turn(&place, session, client, &view).await?;
        Ok((place, turn))
    }

    /// It goes with the session, also where the lock is to stay.
    fn place_of(&self, session: &Arc<Session>) -> Arc<Node> {
        let prefix = self.rules.layout.prefix(self.request.share);
        let directory = match (&self.paths.queue, self.permits()) {
            (Some(queue), Some(_)) => queue,
            _ => &self.paths.directory,
        };
        Node::new(&self.core, Some(Arc::clone(session)), directory, &prefix, true)
    }

    pub(super) async fn view(&self, client: &Client) -> Result<View, Error> {
        self.paths.view(client, self.permits().is_some()).await
    }

    /// Whether it is the turn of this place.
    pub(super) async fn turn(
        &self,
        place: &Place,
        session: &Arc<Session>,
        client: &Client,
        view: &View,
    ) -> Result<Turn, Failure> {
        match self.permits() {
            Some(permits) => self.turn_for_permit(place, permits, session, client, view).await,
            None => self.turn_for_lock(place, session, client, view).await,
        }
    }

    async fn turn_for_lock(
        &self,
        place: &Place,
        session: &Arc<Session>,
        client: &Client,
        view: &View,
    ) -> Result<Turn, Failure> {
        if !view.nodes.iter().any(|node| node == place.node.name()) {
            return Ok(Turn::Gone);
        }
        let node = |path| Ok(Turn::Behind(Ahead::Node(path)));
        if let Some(before) = self.rules.last_before(&view.nodes, Some(&place.number)) {
            let is_last = self.request.ephemeral && self.rules.is_next(view, &place.number);
            let ahead = if is_last { Ahead::Last } else { Ahead::Node };
            return Ok(Turn::Behind(ahead(self.path(before))));
        }
        let queue = self.paths.queue.as_deref().unwrap_or_default();
        let waiting = view.queue.iter().map(|name| format!("{queue}/{name}")).collect();
        match older(client, waiting, |stat| stat.czxid < place.age).await? {
            Older::Last(path) => return node(path),
            Older::Unclear => return Ok(Turn::Unclear),
            Older::None => {}
        }
        if let Some(permit) = self.rules.permit(&view.nodes) {
            return node(self.path(permit));
        }
        if self.request.ephemeral {
            return self.grant(session, &place.node, place.age).map(Turn::Mine);
        }
        // Another with the same number stands in the same place, for ours and for others.
        let name =
            self.rules.layout.prefix(self.request.share) + self.rules.number(place.node.name()).as_str();
        self.move_to(&name, place, session, client).await
    }

    async fn turn_for_permit(
        &self,
        place: &Place,
        permits: u32,
        session: &Arc<Session>,
        client: &Client,
        view: &View,
    ) -> Result<Turn, Failure> {
        let queue = self.paths.queue.as_deref().unwrap_or_default();
        if !view.queue.iter().any(|node| node == place.node.name()) {
            return Ok(Turn::Gone);
        }
        agree(client, self, permits, view, &place.number).await?;
        let permits = permits as usize;
        let locks = self.rules.locks(&view.nodes).into_iter().map(|name| self.path(name)).collect();
        // One that stays has it already, and its node was made when it had: it is younger than its place was.
        let is_before = |stat: &Stat| stat.czxid < place.age || stat.ephemeral_owner == 0;
        let lock = match older(client, locks, is_before).await? {
            Older::Last(path) => Some(path),
            Older::Unclear => return Ok(Turn::Unclear),
            Older::None => None,
        };
        if let Some(before) = self.rules.last_waiting_before(&view.queue, &place.number) {
            let passes = lock.is_none() && self.rules.taken(view, Some(&place.number)) < permits;
            let ahead = if passes { Ahead::Passing } else { Ahead::Node };
            return Ok(Turn::Behind(ahead(format!("{queue}/{before}"))));
        }
        if let Some(path) = lock {
            return Ok(Turn::Behind(Ahead::Node(path)));
        }
        if self.rules.permits(&view.nodes) >= permits {
            return Ok(Turn::Behind(Ahead::Permits));
        }
        let id = place.node.name().get(..32).unwrap_or_default();
        self.move_to(id, place, session, client).await
    }

    /// Makes the node as which the lock is held, and leaves the place: both or none. Nobody else does while the place is the
    /// first.
    async fn move_to(
        &self,
        name: &str,
        place: &Place,
        session: &Arc<Session>,
        client: &Client,
    ) -> Result<Turn, Failure> {
        let ephemeral = self.request.ephemeral.then(|| Arc::clone(session));
        let node = Node::new(&self.core, ephemeral, &self.paths.directory, name, false);
        let mut writer = client.new_multi_writer();
        let asked =
            writer.add_delete(&place.node.path(), None).and_then(|()| node.add_to(&mut writer, self.data()));
        asked.map_err(problem::failure)?;
        match writer.commit().await.map_err(Error::from) {
            Ok(_) => {
                node.is_made();
                place.node.leave();
                self.grant(session, &node, place.age).map(Turn::Mine)
            }
            // It may be done or not: all begins anew, and what was made is deleted.
            Err(error) if problem::passes(&error) || error == Error::NoNode => Ok(Turn::Gone),
            Err(error) => Err(problem::failure(error)),
        }
    }

    /// Its token is the transaction that has made its place: that grows from place to place, and whoever excludes another comes
    /// after it.
    ///
    /// # Errors
    ///
    /// [`Failure::Lost`] when it would be lost at once: nothing was heard of the session for too long.
    fn grant(&self, session: &Arc<Session>, node: &Arc<Node>, age: i64) -> Result<Grant, Failure> {
        if !session.is_alive() {
            return Err(Failure::Lost(session.loss().unwrap_or(Loss::Expired)));
        }
        let token = u64::try_from(age).unwrap_or_default();
        Ok(Held::grant(&self.core, session, node, token, self.request.expires))
    }

    /// The one that was [the last](Ahead::Last) is gone.
    pub(super) fn grant_to(&self, session: &Arc<Session>, place: &Place) -> Result<Grant, Failure> {
        self.grant(session, &place.node, place.age)
    }
}

/// Who has come before, of nodes that have no common numbers.
enum Older {
    None,
    /// The youngest of them.
    Last(String),
    /// One is gone. It may have become another, which was not listed.
    Unclear,
}

async fn older(
    client: &Client,
    paths: Vec<String>,
    is_before: impl Fn(&Stat) -> bool,
) -> Result<Older, Failure> {
    if paths.is_empty() {
        return Ok(Older::None);
    }
    let Some(stats) = stats(client, paths).await? else { return Ok(Older::Unclear) };
    let before = stats.into_iter().filter(|(_, stat)| is_before(stat));
    let last = before.max_by_key(|(_, stat)| stat.czxid);
    Ok(last.map_or(Older::None, |(path, _)| Older::Last(path)))
}
