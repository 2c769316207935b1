//! What there is of a lock.

use zookeeper_client::{Client, Error, Stat};

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
    /// Asks what there is; the requests are sent at once. The queue is listed before the directory: who leaves it for a permit
    /// has that before, so one of both is seen.
    pub(super) fn view<'a>(
        &'a self,
        client: &'a Client,
        with_data: bool,
    ) -> impl Future<Output = Result<View, Error>> + 'a {
        let queue = self.queue.as_deref().map(|queue| client.list_children(queue));
        let data = with_data.then(|| client.get_data(&self.directory));
        let nodes = client.list_children(&self.directory);
        async move {
            let mut view = View::default();
            if let Some(queue) = queue {
                view.queue = there(queue.await)?.unwrap_or_default();
            }
            if let Some(data) = data {
                view.data = there(data.await)?.map(|(data, stat)| (data, stat.version));
            }
            view.nodes = there(nodes.await)?.unwrap_or_default();
            Ok(view)
        }
    }
}

/// What is not there is no error.
fn there<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is known of nodes, asked for all at once. Those that are gone are left out.
pub(super) async fn stats(client: &Client, paths: Vec<String>) -> Result<Vec<(String, Stat)>, Failure> {
    let answers: Vec<_> = paths.iter().map(|path| client.check_stat(path)).collect();
    let mut stats = Vec::with_capacity(paths.len());
    for answer in answers {
        stats.push(answer.await.map_err(super::problem::failure)?);
    }
    Ok(paths.into_iter().zip(stats).filter_map(|(path, stat)| Some((path, stat?))).collect())
}
