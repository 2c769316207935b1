//! What there is of a lock.

use zookeeper_client::{Client, Error, MultiReadResult, MultiReader, Stat};

use super::super::Failure;

/// Where the nodes of a lock stand.
#[derive(Debug)]
pub(super) struct Paths {
    /// Those of locks in the order of their numbers, and permits. Its data is the number of permits, if it is a semaphore.
    pub(super) directory: String,
    /// Those who wait for a permit. `None`: there are no semaphores.
    pub(super) queue: Option<String>,
}

/// Names of nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Those of the directory.
    pub(super) nodes: Vec<String>,
    /// Those of the queue.
    pub(super) queue: Vec<String>,
    /// What is in the directory's own node, and how often it was changed. `None`: there is no directory.
    pub(super) data: Option<(Vec<u8>, i32)>,
}

impl Paths {
    /// Asks what there is; the request is sent at once. It is one for all: a second one would wait in this system until the
    /// first is answered, since the client library does not ask for anything else (`TCP_NODELAY`).
    ///
    /// The queue is listed before the directory: who leaves it for a permit has that before, so one of both is seen.
    pub(super) fn view<'a>(
        &self,
        client: &'a Client,
        with_data: bool,
    ) -> impl Future<Output = Result<View, Error>> + use<'a> {
        let mut reader = client.new_multi_reader();
        let added = self.add_to(&mut reader, with_data).map(|()| reader.commit());
        let has_queue = self.queue.is_some();
        async move { View::of(added?.await?, has_queue) }
    }

    fn add_to(&self, reader: &mut MultiReader<'_>, with_data: bool) -> Result<(), Error> {
        if let Some(queue) = &self.queue {
            reader.add_get_children(queue)?;
        }
        reader.add_get_children(&self.directory)?;
        if with_data {
            reader.add_get_data(&self.directory)?;
        }
        Ok(())
    }
}

impl View {
    /// What is not there is no error.
    fn of(answers: Vec<MultiReadResult>, has_queue: bool) -> Result<Self, Error> {
        let mut lists = Vec::new();
        let mut view = Self::default();
        for answer in answers {
            match answer {
                MultiReadResult::Children { children } => lists.push(children),
                MultiReadResult::Data { data, stat } => view.data = Some((data, stat.version)),
                MultiReadResult::Error { err: Error::NoNode } => lists.push(Vec::new()),
                MultiReadResult::Error { err } => return Err(err),
                _ => return Err(Error::RuntimeInconsistent),
            }
        }
        let mut lists = lists.into_iter();
        if has_queue {
            view.queue = lists.next().unwrap_or_default();
        }
        view.nodes = lists.next().unwrap_or_default();
        Ok(view)
    }
}

/// What is known of nodes, asked for all at once. `None`: one of them is gone.
pub(super) async fn stats(
    client: &Client,
    paths: Vec<String>,
) -> Result<Option<Vec<(String, Stat)>>, Failure> {
    let answers: Vec<_> = paths.iter().map(|path| client.check_stat(path)).collect();
    let mut stats = Vec::with_capacity(paths.len());
    for answer in answers {
        stats.push(answer.await.map_err(super::problem::failure)?);
    }
    let stats = paths.into_iter().zip(stats).map(|(path, stat)| Some((path, stat?)));
    Ok(stats.collect())
}
