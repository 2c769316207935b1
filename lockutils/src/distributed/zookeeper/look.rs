//! Those who hold a lock and those who wait for it, and how all of it is removed.

use std::sync::Arc;

use zookeeper_client::{Client, Error, Stat};

use super::super::{Contender, Failure, Request, Share};
use super::core::{Core, Pause};
use super::layout::{Layout, is_permit};
use super::permits;
use super::place::Ask;
use super::problem;
use super::rules::Rules;
use super::view::View;

/// A node of a contender.
struct Entry {
    path: String,
    share: Share,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lock,
    Permit,
    /// Of one who waits for a permit.
    Waiting,
}

/// Those of a lock, in the order in which they have their turn.
pub(super) async fn contenders(core: Arc<Core>, request: Request) -> Result<Vec<Contender>, Failure> {
    // All of them, whatever is asked for.
    let ask = Ask::new(&core, Request { share: Share::Write, ..request })?;
    core.in_time(async {
        let client = core.session().await?.client()?;
        let view = fresh(&client, &ask).await.map_err(problem::failure)?;
        let found = read(&client, entries(&ask, &view)).await.map_err(problem::failure)?;
        Ok(told(&ask, &view, found))
    })
    .await
}

/// What there is by now: the server that is asked may be behind.
async fn fresh(client: &Client, ask: &Ask) -> Result<View, Error> {
    let (synced, view) = (client.sync(&ask.paths.directory), ask.paths.view(client, true));
    synced.await?;
    view.await
}

fn entries(ask: &Ask, view: &View) -> Vec<Entry> {
    let permits = view.data.as_ref().and_then(|(data, _)| permits::number(data)).unwrap_or_default();
    let layout = ask.rules.layout;
    let in_directory = view.nodes.iter().filter_map(|name| {
        let path = ask.path(name);
        match layout.read(name) {
            Some((share, _)) => Some(Entry { path, share, kind: Kind::Lock }),
            None if layout == Layout::Kazoo && is_permit(name) => {
                Some(Entry { path, share: Share::Permit(permits), kind: Kind::Permit })
            }
            None => None,
        }
    });
    let queue = ask.paths.queue.as_deref().unwrap_or_default();
    // One that is just taking its permit has it.
    let waits = |name: &&String| {
        layout.read(name).is_some() && !view.nodes.iter().any(|node| name.get(..32) == Some(node.as_str()))
    };
    let waiting = view.queue.iter().filter(waits).map(|name| Entry {
        path: format!("{queue}/{name}"),
        share: Share::Permit(permits),
        kind: Kind::Waiting,
    });
    in_directory.chain(waiting).collect()
}

/// What is in each, asked for all at once. Those that are gone are left out.
async fn read(client: &Client, entries: Vec<Entry>) -> Result<Vec<(Entry, Vec<u8>, Stat)>, Error> {
    let answers: Vec<_> = entries.iter().map(|entry| client.get_data(&entry.path)).collect();
    let mut data = Vec::with_capacity(entries.len());
    for answer in answers {
        data.push(match answer.await {
            Ok(there) => Some(there),
            Err(Error::NoNode) => None,
            Err(error) => return Err(error),
        });
    }
    let both = entries.into_iter().zip(data);
    Ok(both.filter_map(|(entry, there)| there.map(|(data, stat)| (entry, data, stat))).collect())
}

fn told(ask: &Ask, view: &View, mut found: Vec<(Entry, Vec<u8>, Stat)>) -> Vec<Contender> {
    let oldest = found.iter().filter(|(entry, ..)| entry.kind == Kind::Waiting).map(|(.., stat)| stat.czxid);
    let oldest = oldest.min().unwrap_or(i64::MAX);
    let holds = |entry: &Entry, stat: &Stat| match entry.kind {
        Kind::Permit => true,
        Kind::Waiting => false,
        // One that stays was not made before it was held.
        Kind::Lock => (stat.czxid < oldest || stat.ephemeral_owner == 0) && is_first(ask, entry, view),
    };
    found.sort_by_key(|(entry, _, stat)| (!holds(entry, stat), stat.czxid));
    let tell = |(entry, data, stat): &(Entry, Vec<u8>, Stat)| {
        // That of a permit is the one of its place in the queue, which is gone; and so it is with a lock that is to stay.
        let is_shown = entry.kind == Kind::Lock && stat.ephemeral_owner != 0 && holds(entry, stat);
        let token = if is_shown { u64::try_from(stat.czxid).unwrap_or_default() } else { 0 };
        Contender::new(&*entry.path, entry.share, holds(entry, stat))
            .identified(String::from_utf8_lossy(data))
            .with_token(token)
    };
    found.iter().map(tell).collect()
}

/// Whether no node of the directory is in the way of this one.
fn is_first(ask: &Ask, entry: &Entry, view: &View) -> bool {
    let request = Request { share: entry.share, ..ask.request.clone() };
    let name = entry.path.rsplit('/').next().unwrap_or_default();
    let Ok(rules) = Rules::of(ask.rules.layout, &request).or_else(|_| Rules::of(Layout::Kazoo, &request))
    else {
        return false;
    };
    let before = rules.last_before(&view.nodes, Some(&rules.number(name)));
    before.is_none() && rules.permit(&view.nodes).is_none()
}

/// Removes all nodes of a lock, and its directory. Nodes of others stay.
pub(super) async fn destroy(core: Arc<Core>, request: Request) -> Result<(), Failure> {
    let ask = Ask::new(&core, Request { share: Share::Write, ..request })?;
    core.in_time(async {
        let mut pause = Pause::new();
        loop {
            let client = core.session().await?.client()?;
            match remove(&client, &ask).await {
                Ok(None) => return Ok(()),
                Ok(Some(other)) => {
                    return Err(Failure::Foreign(format!("the node {other:?} of somebody else")));
                }
                Err(error) if problem::passes(&error) => pause.wait().await,
                Err(error) => return Err(problem::failure(error)),
            }
        }
    })
    .await
}

/// Says what else is there.
async fn remove(client: &Client, ask: &Ask) -> Result<Option<String>, Error> {
    let view = fresh(client, ask).await?;
    let (directory, queue) = (&ask.paths.directory, ask.paths.queue.as_deref());
    let is_ours = |name: &&String| ask.rules.layout.read(name).is_some() || is_permit(name);
    let mut paths: Vec<_> =
        last_first(ask, view.queue.iter()).map(|name| [queue.unwrap_or_default(), name]).collect();
    paths.extend(last_first(ask, view.nodes.iter().filter(is_ours)).map(|name| [directory, name]));
    let mut paths: Vec<_> = paths.into_iter().map(|path| path.join("/")).collect();
    paths.extend(queue.map(str::to_owned));
    paths.push(directory.clone());
    let forgotten =
        view.data.filter(|(data, _)| !data.is_empty()).map(|_| client.set_data(directory, b"", None));
    // All in one trip.
    let answers: Vec<_> = paths.iter().map(|path| client.delete(path, None)).collect();
    if let Some(forgotten) = forgotten {
        may_be_gone(forgotten.await.map(drop))?;
    }
    for answer in answers {
        may_be_gone(answer.await)?;
    }
    let other = view.nodes.iter().find(|name| !is_ours(name));
    Ok(other.map(|name| ask.path(name)))
}

/// So nobody has its turn by that before its own place is gone: who waits is to queue anew. Permits have no number, and are the
/// last.
fn last_first<'a>(ask: &Ask, names: impl Iterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    let mut names: Vec<_> =
        names.map(|name| (ask.rules.layout.read(name).map(|(_, at)| at), name.as_str())).collect();
    names.sort_unstable_by(|one, other| other.cmp(one));
    names.into_iter().map(|(_, name)| name)
}

/// It is no error if it was deleted, or if somebody has queued anew below it.
fn may_be_gone(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::NoNode | Error::NotEmpty) => Ok(()),
        answer => answer,
    }
}
