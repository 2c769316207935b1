//! What a client writes down.

use std::fmt;

use nix::time::{ClockId, clock_gettime};

/// One step of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was, in nanoseconds of a clock that all processes share. What is asked is written down before it is sent, and
    /// what is answered after it has come.
    pub at: u64,
    /// The number of the client.
    pub client: u64,
    /// The step.
    pub what: What,
}

/// A step of a client. An update is `Ask`, `Got`, `Enter`, `Value`, `Write`, `Wrote`, `End`, or less of it, with as many `Held`
/// in between as it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It asks for the lock of this name.
    Ask(String),
    /// It has got the lock, with this token.
    Got(u64),
    /// The lock was not lost at this time.
    Held,
    /// It asks the resource for its number, with its token.
    Enter,
    /// That is the number.
    Value(u64),
    /// The resource has refused its token.
    Fenced,
    /// It asks the resource to make this its number, with its token.
    Write(u64),
    /// The resource has done so.
    Wrote,
    /// It has no lock any more, or has none, for this reason.
    End(String),
    /// It asks the resource of this name for its number, without a lock.
    Look(String),
}

impl Event {
    /// Something that is now.
    pub fn now(client: u64, what: What) -> Self {
        Self { at: now(), client, what }
    }

    /// What stands in a line.
    ///
    /// # Panics
    ///
    /// When it is no event.
    #[track_caller]
    pub fn of(line: &str) -> Self {
        Self::parse(line).unwrap_or_else(|| panic!("no event: {line:?}"))
    }

    fn parse(line: &str) -> Option<Self> {
        let (at, rest) = line.split_once(' ')?;
        let (client, rest) = rest.split_once(' ')?;
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let what = match word {
            "ask" => What::Ask(more.to_owned()),
            "got" => What::Got(more.parse().ok()?),
            "held" => What::Held,
            "enter" => What::Enter,
            "value" => What::Value(more.parse().ok()?),
            "fenced" => What::Fenced,
            "write" => What::Write(more.parse().ok()?),
            "wrote" => What::Wrote,
            "end" => What::End(more.to_owned()),
            "look" => What::Look(more.to_owned()),
            _ => return None,
        };
        Some(Self { at: at.parse().ok()?, client: client.parse().ok()?, what })
    }
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every system has this clock");
    u64::try_from(std::time::Duration::from(now).as_nanos()).expect("no system runs for centuries")
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.at, self.client)?;
        match &self.what {
            What::Ask(name) => write!(f, "ask {name}"),
            What::Got(token) => write!(f, "got {token}"),
            What::Held => write!(f, "held"),
            What::Enter => write!(f, "enter"),
            What::Value(value) => write!(f, "value {value}"),
            What::Fenced => write!(f, "fenced"),
            What::Write(value) => write!(f, "write {value}"),
            What::Wrote => write!(f, "wrote"),
            What::End(how) => write!(f, "end {}", how.replace('\n', " ")),
            What::Look(name) => write!(f, "look {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_all() {
        let all = [
            What::Ask("a".to_owned()),
            What::Got(7),
            What::Held,
            What::Enter,
            What::Value(8),
            What::Fenced,
            What::Write(9),
            What::Wrote,
            What::End("it is lost: too late".to_owned()),
            What::Look("a".to_owned()),
        ];
        for what in all {
            let event = Event::now(3, what);
            assert_eq!(Event::of(&event.to_string()), event);
        }
    }
}
