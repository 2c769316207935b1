//! A node of ours: a place in the queue of a lock, or a permit.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Acquire},
};
use std::sync::{Arc, OnceLock};

use zookeeper_client::{Client, CreateMode, CreateOptions, CreateSequence, Error, MultiWriter, Stat};

use super::super::Failure;
use super::core::{Core, Pause};
use super::problem;
use super::session::Session;

/// A node that is ours alone. It is deleted when this is dropped, whether or not it is known that it was made.
pub(super) struct Node {
    core: Arc<Core>,
    /// With which it goes; `None`: it stays.
    session: Option<Arc<Session>>,
    directory: String,
    /// Its path as it was asked for. If it gets a number, that comes behind.
    asked: String,
    is_numbered: bool,
    name: OnceLock<String>,
    is_left: AtomicBool,
}

/// What came of the request to make it.
pub(super) type Created = Result<(Stat, CreateSequence), Error>;

impl Node {
    /// One that has not been made. `session`: with which it is to go, `None` if it stays.
    pub(super) fn new(
        core: &Arc<Core>,
        session: Option<Arc<Session>>,
        directory: &str,
        prefix: &str,
        is_numbered: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            core: Arc::clone(core),
            session,
            directory: directory.to_owned(),
            asked: format!("{directory}/{prefix}"),
            is_numbered,
            name: OnceLock::new(),
            is_left: AtomicBool::new(false),
        })
    }

    /// The session in which something can be done with it.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Failure> {
        match &self.session {
            Some(session) => Ok(Arc::clone(session)),
            None => self.core.session().await,
        }
    }

    /// What it is called, once it is known.
    pub(super) fn name(&self) -> &str {
        self.name.get().map_or("", String::as_str)
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.directory, self.name())
    }

    /// Whether it was given up.
    pub(super) fn is_left(&self) -> bool {
        self.is_left.load(Acquire)
    }

    /// Whether it stays when sessions end.
    pub(super) fn stays(&self) -> bool {
        self.session.is_none()
    }

    /// Sends the request to make it.
    pub(super) fn create<'a>(
        &'a self,
        client: &'a Client,
        data: &[u8],
    ) -> impl Future<Output = Created> + Send + 'a {
        client.create(&self.asked, data, &self.options())
    }

    /// Adds the request to make it to others that are done with it or not at all.
    pub(super) fn add_to(&self, writer: &mut MultiWriter<'_>, data: &[u8]) -> Result<(), Error> {
        writer.add_create(&self.asked, data, &self.options())
    }

    /// That was done. It has no number.
    pub(super) fn is_made(&self) {
        let _first = self.name.set(self.asked[self.directory.len() + 1..].to_owned());
    }

    fn options(&self) -> CreateOptions<'static> {
        let mode = match (self.is_numbered, self.stays()) {
            (true, true) => CreateMode::PersistentSequential,
            (true, false) => CreateMode::EphemeralSequential,
            (false, true) => CreateMode::Persistent,
            (false, false) => CreateMode::Ephemeral,
        };
        mode.with_acls(self.core.options.acls())
    }

    /// Sees to it that it is there, whatever came of the first request. Says the transaction that has made it, and whether
    /// that was the first request's.
    pub(super) async fn settle(
        &self,
        client: &Client,
        first: Created,
        data: &[u8],
    ) -> Result<(i64, bool), Failure> {
        let (mut created, mut is_first, mut pause) = (first, true, Pause::new());
        loop {
            let is_known = match created {
                Ok((stat, number)) => return Ok((self.made(&stat, number)?, is_first)),
                Err(Error::NoNode) => self.make_directory(client).await.map(|()| true)?,
                // Only one without a number can be there already, and nobody else has its name.
                Err(Error::NodeExists) => false,
                Err(error) if problem::passes(&error) => {
                    pause.wait().await;
                    false
                }
                Err(error) => return Err(problem::failure(error)),
            };
            is_first = false;
            created = match if is_known { Ok(None) } else { self.find(client).await } {
                Ok(Some(stat)) => return Ok((stat.czxid, false)),
                Ok(None) => self.create(client, data).await,
                Err(error) => Err(error),
            };
        }
    }

    fn made(&self, stat: &Stat, number: CreateSequence) -> Result<i64, Failure> {
        let front = self.asked[self.directory.len() + 1..].to_owned();
        let name = if self.is_numbered { format!("{front}{number}") } else { front };
        let _first = self.name.set(name);
        match &self.session {
            Some(session) if !session.owns(stat.ephemeral_owner) => {
                Err(Failure::Lost(super::super::Loss::Ended))
            }
            _ => Ok(stat.czxid),
        }
    }

    /// The directory stays when nobody is in it any more, as kazoo has it.
    async fn make_directory(&self, client: &Client) -> Result<(), Failure> {
        let options = CreateMode::Persistent.with_acls(self.core.options.acls());
        match client.mkdir(&self.directory, &options).await {
            Err(error) if !problem::passes(&error) => Err(problem::failure(error)),
            _ => Ok(()),
        }
    }

    /// Looks for it when the answer to its creation was lost. The server that is asked may be another now, and behind: it is
    /// brought up to date first, or else a second one would be made.
    async fn find(&self, client: &Client) -> Result<Option<Stat>, Error> {
        let Some(name) = self.all(client).await?.into_iter().next() else { return Ok(None) };
        let stat = client.check_stat(&format!("{}/{name}", self.directory)).await?;
        if stat.is_some() {
            let _first = self.name.set(name);
        }
        Ok(stat)
    }

    /// All that were made of it: one, or none.
    async fn all(&self, client: &Client) -> Result<Vec<String>, Error> {
        let (synced, listed) = (client.sync(&self.directory), client.list_children(&self.directory));
        synced.await?;
        let mut names = match listed.await {
            Err(Error::NoNode) => Vec::new(),
            names => names?,
        };
        let front = &self.asked[self.directory.len() + 1..];
        names.retain(|name| if self.is_numbered { name.starts_with(front) } else { name == front });
        Ok(names)
    }

    /// It is given up from now on. `false`: it was before.
    pub(super) fn leave(&self) -> bool {
        !self.is_left.swap(true, AcqRel)
    }

    /// Deletes it; says whether it was there. Goes on until it is surely gone.
    pub(super) async fn delete(&self) -> Result<bool, Failure> {
        let (mut pause, mut is_sure) = (Pause::new(), true);
        loop {
            let session = self.session().await?;
            let result = match (self.name.get(), session.client()) {
                (_, Err(lost)) if !self.stays() => return Err(lost),
                (_, Err(_)) => Err(Error::ConnectionLoss),
                (Some(_), Ok(client)) => client.delete(&self.path(), None).await,
                (None, Ok(client)) => self.delete_all(&client).await,
            };
            match result {
                Ok(()) => return Ok(true),
                // The one that was not answered may have done it.
                Err(Error::NoNode) => return Ok(!is_sure),
                Err(error) if problem::passes(&error) || (problem::ends(&error) && self.stays()) => {
                    is_sure = false;
                    pause.wait().await;
                }
                Err(error) => return Err(problem::failure(error)),
            }
        }
    }

    async fn delete_all(&self, client: &Client) -> Result<(), Error> {
        for name in self.all(client).await? {
            match client.delete(&format!("{}/{name}", self.directory), None).await {
                Ok(()) | Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives it up in the background, if it was not given up before.
    pub(super) fn abandon(&self) {
        // A forked child has a copy of it, and must not touch what threads of its parent may have had locked.
        if self.core.is_here() && self.leave() {
            self.delete_later();
        }
    }

    /// Deletes it in the background.
    pub(super) fn delete_later(&self) {
        if self.session.as_ref().is_some_and(|session| session.loss().is_some()) {
            return;
        }
        let name = OnceLock::new();
        if let Some(known) = self.name.get() {
            let _first = name.set(known.clone());
        }
        let again = Self {
            core: Arc::clone(&self.core),
            session: self.session.clone(),
            directory: self.directory.clone(),
            asked: self.asked.clone(),
            is_numbered: self.is_numbered,
            name,
            is_left: AtomicBool::new(true),
        };
        let going = self.core.background.begin();
        self.core.spawn(async move {
            // What is not deleted here goes with the session.
            let _ = again.delete().await;
            drop(going);
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.abandon();
    }
}
