//! ZooKeeper: a node with a number, the list of all, and the end of the node, with a session that is there already.

use std::time::Duration;

use tokio::runtime::Runtime;
use zookeeper_client::{Acls, Client, CreateMode, Error};

use super::{Raw, runtime};
use crate::Result;

const DIRECTORY: &str = "/bench-raw";
const WATCHED: &str = "/bench-raw-watched";

pub(super) struct ZooKeeper {
    client: Client,
    runtime: Runtime,
    /// The node.
    taken: String,
}

impl ZooKeeper {
    pub(super) fn connect(url: &str) -> Result<Self> {
        let (runtime, hosts) = (runtime()?, url.replace("zookeeper://", ""));
        let connector = Client::connector().with_session_timeout(Duration::from_secs(10));
        let client = runtime.block_on(connector.connect(&hosts))?;
        for path in [DIRECTORY, WATCHED] {
            make(&runtime, &client, path)?;
        }
        Ok(Self { client, runtime, taken: String::new() })
    }
}

impl Raw for ZooKeeper {
    fn take(&mut self) -> Result<()> {
        let (client, front) = (&self.client, format!("{DIRECTORY}/lock-"));
        self.taken = self.runtime.block_on(async {
            let options = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
            // Requests are sent in the order in which they are made, and answered in it: none waits for the other.
            let (created, listed) =
                (client.create(&front, b"raw", &options), client.list_children(DIRECTORY));
            let (_, number) = created.await?;
            let own = format!("lock-{number}");
            if listed.await?.iter().min() != Some(&own) {
                return Err("somebody else has it".into());
            }
            Result::Ok(format!("{DIRECTORY}/{own}"))
        })?;
        Ok(())
    }

    fn free(&mut self) -> Result<()> {
        Ok(self.runtime.block_on(self.client.delete(&self.taken, None))?)
    }

    fn watch(&mut self) -> Result<Box<dyn FnOnce() -> Result<()> + '_>> {
        make(&self.runtime, &self.client, WATCHED)?;
        let (_, _, watched) = self.runtime.block_on(self.client.get_and_watch_data(WATCHED))?;
        let runtime = &self.runtime;
        Ok(Box::new(move || {
            runtime.block_on(watched.changed());
            Ok(())
        }))
    }

    fn tell(&mut self) -> Result<()> {
        Ok(self.runtime.block_on(self.client.delete(WATCHED, None))?)
    }
}

fn make(runtime: &Runtime, client: &Client, path: &str) -> Result<()> {
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    match runtime.block_on(client.create(path, b"", &options)) {
        Ok(_) | Err(Error::NodeExists) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
