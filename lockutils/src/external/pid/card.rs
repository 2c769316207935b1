//! What stands in a pid file: who has it. It is written before the file gets its name. Only the token is written after that,
//! since it is drawn when the lock is there.
//!
//! ```text
//! 4711
//! nova-compute
//! lockutils pid 1 id=8f14e45fceea167a5a36dedd4bea2543 token=01795341234567890123
//! pid 4711 started 881234 boot 5f0c0a6b-… namespace 4026531836 clock 4026531834
//! host web-3
//! …
//! ```
//!
//! The first two lines are those of openlock; the others are those of a [record](super::super::record).

use std::time::SystemTime;

use super::super::record::{PID_MAGIC, Record, Taker};
use super::live;
use super::slot::Id;
use crate::process::Identity;
use crate::token::LARGEST;

/// How much of a file is read.
pub(super) const LONGEST: usize = 4096;

/// Who has a file.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) id: Id,
    pub(super) token: u64,
    pub(super) record: Record,
}

/// The content of a file of this process, with a token of 0, and where that stands.
pub(super) fn write(id: Id, taker: &Taker) -> (Vec<u8>, u64) {
    let Identity { pid, program, .. } = Identity::current();
    let program: String = program.chars().filter(|c| !c.is_control()).collect();
    let head = format!("{pid}\n{program}\n{PID_MAGIC}id={id} token=");
    let lines = taker.lines(SystemTime::now());
    ([head.as_bytes(), digits(0).as_bytes(), b"\n", &lines].concat(), head.len() as u64)
}

/// A token in the room that there is for it.
pub(super) fn digits(token: u64) -> String {
    format!("{token:020}")
}

impl Card {
    /// `None`: that is none.
    pub(super) fn parse(content: &[u8]) -> Option<Self> {
        let text = str::from_utf8(content).ok()?;
        let mut lines = text.lines();
        let pid: u32 = lines.next()?.parse().ok()?;
        let (id, token) =
            lines.nth(1)?.strip_prefix(PID_MAGIC)?.strip_prefix("id=")?.split_once(" token=")?;
        let id = Id(u128::from_str_radix(id, 16).ok()?);
        let token = token.parse().ok().filter(|token| *token <= LARGEST)?;
        let record = Record::of_lines(token, lines).filter(|record| record.process.pid == pid)?;
        Some(Self { id, token, record })
    }

    /// `false`: its owner has died, or it is a file of this process that nobody uses any more.
    pub(super) fn may_live(&self) -> bool {
        let owner = &self.record.process;
        if owner.is_me() { live::is(self.id) } else { owner.may_live() }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    fn written() -> (Id, Vec<u8>) {
        let id = live::Number::new().expect("random numbers").id();
        (id, content(id, 7))
    }

    fn content(id: Id, token: u64) -> Vec<u8> {
        let (mut content, at) = write(id, &Taker::new(Location::caller(), Some("f"), false));
        let at = usize::try_from(at).expect("a short file");
        content[at..at + 20].copy_from_slice(digits(token).as_bytes());
        content
    }

    #[test]
    fn what_is_written_is_read() {
        let (id, content) = written();
        let card = Card::parse(&content).expect("a card");
        assert_eq!((card.id, card.token), (id, 7));
        assert_eq!(&card.record.process, Identity::current());
        let text = String::from_utf8(content).expect("text");
        let me = Identity::current();
        assert!(text.starts_with(&format!("{}\n{}\nlockutils pid 1 ", me.pid, me.program)), "{text}");
    }

    /// What is not whole is nobody's, and never free.
    #[test]
    fn parts_and_other_files_are_no_cards() {
        let (_, content) = written();
        for end in 0..content.len() - 1 {
            assert!(Card::parse(&content[..end]).is_none(), "{}", String::from_utf8_lossy(&content[..end]));
        }
        for other in [&b""[..], b"4711\npython3\n", b"lockutils 1 free token=00000000000000000001\n", b"\xff"]
        {
            assert!(Card::parse(other).is_none());
        }
    }

    #[test]
    fn a_file_that_this_process_has_forgotten_is_free() {
        let number = live::Number::new().expect("random numbers");
        let used = Card::parse(&content(number.id(), 7)).expect("a card");
        assert!(used.may_live());
        drop(number);
        assert!(!used.may_live());
    }
}
