//! The scripts. Each does one thing in one trip: what is looked at and what is changed by it is one step for everybody.

use std::sync::LazyLock;

use redis::{Cmd, Connection, ErrorKind, RedisResult, ServerErrorKind, Value};

use super::entry::{Asked, Life, kind};
use super::keys::Keys;

/// A script that the server remembers by its hash.
pub(super) struct Script {
    code: String,
    hash: String,
}

macro_rules! script {
    ($name:ident, $file:literal) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));
    };
}

script!(ENTER, "lua/enter.lua");
script!(LEAVE, "lua/leave.lua");
script!(RENEW, "lua/renew.lua");
script!(LOOK, "lua/look.lua");
script!(DESTROY, "lua/destroy.lua");

impl Script {
    fn new(own: &str) -> Self {
        let code = format!("{}{own}", include_str!("lua/queue.lua"));
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }
}

/// A script and what it is given.
pub(super) struct Call<'a> {
    script: &'a Script,
    keys: &'a Keys,
    arguments: Vec<Vec<u8>>,
}

impl<'a> Call<'a> {
    fn new(script: &'a Script, keys: &'a Keys, arguments: &[&str]) -> Self {
        Self { script, keys, arguments: arguments.iter().map(|text| text.as_bytes().to_vec()).collect() }
    }

    /// Takes the lock, or a place in the queue that counts for so many milliseconds unless it looks again.
    pub(super) fn enter(asked: &'a Asked, length: u64, queues: Option<u64>) -> Self {
        let (kind, permits) = kind(asked.share);
        let (waits, valid) = if queues.is_some() { ("1", queues.unwrap_or_default()) } else { ("0", 0) };
        let is_kept = if asked.life == Life::Kept { "0" } else { "1" };
        let [permits, length, valid] = [permits.into(), length, valid].map(|number: u64| number.to_string());
        let arguments = [&*asked.entry, &kind.to_string(), &permits, &length, waits, &valid, is_kept];
        Self::new(&ENTER, &asked.keys, &arguments)
    }

    /// Lets it go, or gives up its place. If a request may still be under way that takes it, the server remembers for so many
    /// milliseconds that it was given up.
    pub(super) fn leave(asked: &'a Asked, remember: u64, only_the_place: bool) -> Self {
        let (kind, flag) = (kind(asked.share).0.to_string(), |is_set| if is_set { "1" } else { "0" });
        let (remember, stays) = (remember.to_string(), flag(asked.life == Life::Stays));
        let arguments = [&*asked.entry, &*kind, &*remember, stays, flag(only_the_place)];
        Self::new(&LEAVE, &asked.keys, &arguments)
    }

    /// Lets it last for so many milliseconds; 0 only looks.
    pub(super) fn renew(asked: &'a Asked, length: u64) -> Self {
        let (kind, _) = kind(asked.share);
        Self::new(&RENEW, &asked.keys, &[&asked.entry, &kind.to_string(), &length.to_string()])
    }

    pub(super) fn look(keys: &'a Keys) -> Self {
        Self::new(&LOOK, keys, &[])
    }

    pub(super) fn destroy(keys: &'a Keys) -> Self {
        Self::new(&DESTROY, keys, &[])
    }

    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    pub(super) fn by_code(&self) -> Cmd {
        self.command("EVAL", &self.script.code)
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script);
        self.keys.add_to(&mut command);
        command.arg(&self.arguments);
        command
    }

    /// One trip; two when the server does not know the script, as after a restart.
    pub(super) fn run(&self, connection: &mut Connection) -> RedisResult<Value> {
        let answer = self.by_hash().query(connection);
        if answer.as_ref().is_err_and(|error: &redis::RedisError| error.kind() == NO_SCRIPT) {
            return self.by_code().query(connection);
        }
        answer
    }
}

/// It must be told the code of the script.
const NO_SCRIPT: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributed::redis::entry::Entries;
    use crate::distributed::{Request, Share};

    fn words(command: &Cmd) -> Vec<String> {
        let simple = |argument| match argument {
            redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        command.args_iter().map(simple).collect()
    }

    #[test]
    fn a_call_has_the_keys_and_the_arguments_of_its_script() {
        let asked = Entries::new("p:").asked(&Request::new("x", Share::Permit(3)).identified("me"));
        let words = words(&Call::enter(&asked, 10_000, Some(5)).by_hash());
        assert_eq!((&*words[0], words[1].len(), &*words[2]), ("EVALSHA", 40, "5"));
        assert_eq!(words[3..7], ["p:x", "{p:x}/fence", "{p:x}/queue", "{p:x}/alive"]);
        assert_eq!(words[8..], [&*asked.entry, "p", "3", "10000", "1", "5", "0"]);
    }

    #[test]
    fn every_script_has_what_it_calls() {
        let scripts = [&ENTER, &LEAVE, &RENEW, &LOOK, &DESTROY];
        assert!(
            scripts
                .iter()
                .all(|script| script.code.contains("local function walk") && script.hash.len() == 40)
        );
    }
}
