//! The scripts. Each does one thing in one trip: what is looked at and what is changed by it is one step for everybody.

use std::sync::LazyLock;

use redis::{Connection, ConnectionLike as _, ErrorKind, RedisResult, ServerErrorKind, Value};

use super::entry::{Asked, Life};
use super::keys::Keys;
use super::words::Words;
use crate::distributed::Failure;

/// A script that the server remembers by its hash.
pub(super) struct Script {
    code: &'static str,
    hash: String,
}

macro_rules! script {
    ($name:ident, $($file:literal),*) => {
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("lua/head.lua"), $(include_str!($file)),*)));
    };
}

// The short ways come first: they do without functions, which cost as much as commands when they are made.
script!(ENTER, "lua/draw.lua", "lua/enter_free.lua", "lua/queue.lua", "lua/enter.lua");
script!(LEAVE, "lua/leave_free.lua", "lua/draw.lua", "lua/leave_given.lua", "lua/queue.lua", "lua/leave.lua");
script!(RENEW, "lua/draw.lua", "lua/queue.lua", "lua/renew.lua");
script!(LOOK, "lua/draw.lua", "lua/queue.lua", "lua/look.lua");
script!(DESTROY, "lua/draw.lua", "lua/queue.lua", "lua/destroy.lua");

impl Script {
    fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }
}

/// A script and what it is given: every word of it costs the server time.
pub(super) struct Call<'a> {
    script: &'a Script,
    keys: &'a Keys,
    /// With the last of its keys.
    with_last: bool,
    entry: Option<&'a str>,
    numbers: [Option<u64>; 2],
}

impl<'a> Call<'a> {
    fn of(script: &'a Script, asked: &'a Asked, numbers: [Option<u64>; 2]) -> Self {
        Self { script, keys: &asked.keys, with_last: false, entry: Some(&asked.entry), numbers }
    }

    /// Takes the lock, or a place in the queue that counts for so many milliseconds unless it looks again.
    pub(super) fn enter(asked: &'a Asked, length: u64, queues: Option<u64>) -> Self {
        let with_last = asked.life != Life::Kept;
        Self { with_last, ..Self::of(&ENTER, asked, [Some(length), queues]) }
    }

    /// Lets it go, or gives up its place. If a request may still be under way that takes it, the server remembers for so many
    /// milliseconds that it was given up.
    pub(super) fn leave(asked: &'a Asked, remember: u64, only_the_place: bool) -> Self {
        let how = u64::from(asked.life == Life::Stays) + 2 * u64::from(only_the_place);
        let numbers = if remember + how > 0 { [Some(remember), Some(how)] } else { [None; 2] };
        Self { with_last: remember > 0, ..Self::of(&LEAVE, asked, numbers) }
    }

    /// Lets it last for so many milliseconds; 0 only looks. If a request may still be under way that takes it, that has no effect
    /// from now on, as above.
    pub(super) fn renew(asked: &'a Asked, length: u64, remember: u64) -> Self {
        let with_last = length > 0 && remember > 0;
        Self { with_last, ..Self::of(&RENEW, asked, [Some(length), with_last.then_some(remember)]) }
    }

    pub(super) fn look(keys: &'a Keys) -> Self {
        Self { script: &LOOK, keys, with_last: false, entry: None, numbers: [None; 2] }
    }

    pub(super) fn destroy(keys: &'a Keys) -> Self {
        Self { script: &DESTROY, ..Self::look(keys) }
    }

    /// In the place of one of its keys there is something else. What stands in that of the lock itself has the lock.
    pub(super) fn foreign(&self, what: &str) -> Failure {
        Failure::Foreign(format!("{what}: one of {}", self.keys.beside()))
    }

    /// As the server is asked.
    pub(super) fn by_hash(&self) -> Vec<u8> {
        self.words("EVALSHA", &self.script.hash)
    }

    pub(super) fn by_code(&self) -> Vec<u8> {
        self.words("EVAL", self.script.code)
    }

    fn words(&self, verb: &str, script: &str) -> Vec<u8> {
        const NUMBERS: usize = 64;
        let numbers = self.numbers.into_iter().flatten();
        let count = 3
            + Keys::count(self.with_last)
            + u64::from(self.entry.is_some())
            + numbers.clone().count() as u64;
        let length = verb.len() + script.len() + self.keys.len() + self.entry.map_or(0, str::len) + NUMBERS;
        let mut words = Words::new(count, length);
        words.add(verb);
        words.add(script);
        self.keys.add_to(&mut words, self.with_last);
        if let Some(entry) = self.entry {
            words.add(entry);
        }
        for number in numbers {
            words.number(number);
        }
        words.into_bytes()
    }

    /// One trip; two when the server does not know the script, as after a restart.
    pub(super) fn run(&self, connection: &mut Connection) -> RedisResult<Value> {
        let answer = connection.req_packed_command(&self.by_hash())?.extract_error();
        if answer.as_ref().is_err_and(|error| error.kind() == NO_SCRIPT) {
            return connection.req_packed_command(&self.by_code())?.extract_error();
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

    fn words(command: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(command);
        let words: Vec<_> = text.lines().filter(|line| !line.starts_with('$')).map(str::to_owned).collect();
        assert_eq!(words[0], format!("*{}", words.len() - 1));
        words[1..].to_vec()
    }

    #[test]
    fn a_call_has_the_keys_and_the_arguments_of_its_script() {
        let asked = Entries::new("p:").asked(&Request::new("x", Share::Permit(3)).identified("me"));
        let enter = words(&Call::enter(&asked, 10_000, Some(5)).by_hash());
        assert_eq!((&*enter[0], enter[1].len(), &*enter[2]), ("EVALSHA", 40, "4"));
        assert_eq!(enter[3..7], ["p:x", "{p:x}/fence", "{p:x}/queue", "{p:x}/alive"]);
        assert_eq!(enter[7..], [&*asked.entry, "10000", "5"]);
        assert_eq!(words(&Call::leave(&asked, 0, false).by_hash())[7..], [&*asked.entry]);
        let given_up = words(&Call::leave(&asked, 7, true).by_hash());
        assert!(given_up[2] == "5" && given_up[7].starts_with("{p:x}/gone/"));
        assert_eq!(given_up[8..], [&*asked.entry, "7", "2"]);
        assert_eq!(words(&Call::renew(&asked, 0, 9).by_hash())[7..], [&*asked.entry, "0"]);
        let renew = words(&Call::renew(&asked, 1, 9).by_hash());
        assert!(renew[2] == "5" && renew[7].starts_with("{p:x}/gone/"));
        assert_eq!(renew[8..], [&*asked.entry, "1", "9"]);
        assert_eq!(words(&Call::destroy(&asked.keys).by_hash()).len(), 7);
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
