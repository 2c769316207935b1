//! Redis: the commands of its own page on locks, on a blocking connection.

use redis::{Connection, Script, Value};

use super::Raw;
use crate::Result;

const KEY: &str = "bench-raw";
const CHANNEL: &str = "bench-raw";
const TOKEN: &str = "5f3a0190c5a94e7f8d21b6c3e4f50718";
const UNLOCK: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

pub(super) struct Redis {
    connection: Connection,
    unlock: Script,
}

impl Redis {
    pub(super) fn connect(url: &str) -> Result<Self> {
        let connection = redis::Client::open(url)?.get_connection()?;
        Ok(Self { connection, unlock: Script::new(UNLOCK) })
    }
}

impl Raw for Redis {
    fn take(&mut self) -> Result<()> {
        let mut set = redis::cmd("SET");
        let set = set.arg(KEY).arg(TOKEN).arg("NX").arg("PX").arg(10_000);
        ours(set.query(&mut self.connection)?)
    }

    fn free(&mut self) -> Result<()> {
        ours(self.unlock.key(KEY).arg(TOKEN).invoke(&mut self.connection)?)
    }

    fn watch(&mut self) -> Result<Box<dyn FnOnce() -> Result<()> + '_>> {
        let mut subscription = self.connection.as_pubsub();
        subscription.subscribe(CHANNEL)?;
        Ok(Box::new(move || {
            subscription.get_message()?;
            Ok(())
        }))
    }

    fn tell(&mut self) -> Result<()> {
        let heard: u32 = match redis::cmd("PUBLISH").arg(CHANNEL).arg("free").query(&mut self.connection)? {
            Value::Int(heard) => u32::try_from(heard)?,
            other => return Err(format!("{other:?}").into()),
        };
        if heard == 1 { Ok(()) } else { Err(format!("{heard} have heard it").into()) }
    }
}

fn ours(is_ours: bool) -> Result<()> {
    if is_ours { Ok(()) } else { Err("somebody else has it".into()) }
}
