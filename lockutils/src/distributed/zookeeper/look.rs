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
    let share = request.share;
    // All of them, whatever is asked for.
    let ask = Ask::new(&core, Request { share: Share::Write, ..request })?;
    let _ = share;
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
        Kind::Lock => stat.czxid < oldest && is_first(ask, entry, view),
    };
    found.sort_by_key(|(entry, _, stat)| (!holds(entry, stat), stat.czxid));
    let tell = |(entry, data, stat): &(Entry, Vec<u8>, Stat)| {
        // That of a permit is the one of its place in the queue, which is gone.
        let token =
            if entry.kind == Kind::Permit { 0 } else { u64::try_from(stat.czxid).unwrap_or_default() };
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
                Err(error) if error == Error::NotEmpty || problem::passes(&error) => {}
                Err(error) => return Err(problem::failure(error)),
                Ok(None) => return Ok(()),
                Ok(Some(other)) => {
                    return Err(Failure::Foreign(format!("the node {other:?} of somebody else")));
                }
            }
            // Those who wait are queueing anew.
            pause.wait().await;
        }
    })
    .await
}

/// Says what else is there.
async fn remove(client: &Client, ask: &Ask) -> Result<Option<String>, Error> {
    let view = fresh(client, ask).await?;
    let queue = ask.paths.queue.as_deref().unwrap_or_default();
    let is_ours = |name: &str| ask.rules.layout.read(name).is_some() || is_permit(name);
    let (ours, others): (Vec<_>, Vec<_>) = view.nodes.iter().partition(|name| is_ours(name));
    let mut paths: Vec<_> = view.queue.iter().map(|name| format!("{queue}/{name}")).collect();
    paths.extend(ours.into_iter().map(|name| ask.path(name)));
    paths.extend(ask.paths.queue.clone());
    if others.is_empty() {
        paths.push(ask.paths.directory.clone());
    } else if view.data.is_some() {
        client.set_data(&ask.paths.directory, b"", None).await?;
    }
    // All at once: who queues anew in between comes too late for none of them.
    let answers: Vec<_> = paths.iter().map(|path| client.delete(path, None)).collect();
    let mut result = Ok(());
    for answer in answers {
        if let Err(error) = answer.await
            && error != Error::NoNode
        {
            result = Err(error);
        }
    }
    result.map(|()| others.first().map(|name| ask.path(name)))
}
