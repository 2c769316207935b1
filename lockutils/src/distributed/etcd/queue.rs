//! Who stands before a contender, and whether that is in its way.

use super::key::Keys;
use super::rpc::KeyValue;
use crate::distributed::{Failure, Share};

/// So many contenders before it a waiter follows one by one. Of more it watches only the one that is so far ahead: a release
/// wakes no more waiters than this, and a waiter that has its turn has nothing to ask any more.
pub(super) const NEAR: usize = 8;

/// One who stands before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) key: Vec<u8>,
    pub(super) share: Share,
}

/// Those who were there before a contender: the nearest first. Nobody is ever added to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    share: Share,
    before: Vec<Other>,
}

/// What is seen of a place in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Those before it; empty or not in its way means that it holds the lock.
    At(Queue),
    /// It is not there any more.
    Gone,
}

/// How many of those before one who wants this are worth to know; 0: all.
pub(super) fn worth(share: Share) -> i64 {
    // A writer waits for everybody, and so has to know how many there are only while there are few.
    if share == Share::Write { i64::try_from(NEAR + 2).unwrap_or(0) } else { 0 }
}

impl Standing {
    /// Of what was read: the newest first, and nobody who came after the contender that was made at `token`.
    pub(super) fn read(keys: &Keys, share: Share, token: i64, kvs: &[KeyValue]) -> Self {
        match kvs.split_first() {
            Some((own, before)) if own.create_revision == token => Self::At(Queue::of(keys, share, before)),
            _ => Self::Gone,
        }
    }
}

impl Queue {
    /// Of those who are before, the nearest first.
    pub(super) fn of(keys: &Keys, share: Share, before: &[KeyValue]) -> Self {
        let other = |kv: &KeyValue| Other { key: kv.key.clone(), share: keys.share(&kv.key) };
        Self { share, before: before.iter().map(other).collect() }
    }

    /// Whether nobody is in the way.
    pub(super) fn is_free(&self) -> bool {
        admits(self.share, self.before.iter().map(|other| other.share))
    }

    /// Semaphores have the number of permits of the first who holds or wants one.
    pub(super) fn agree(&self) -> Result<(), Failure> {
        let Share::Permit(asked) = self.share else { return Ok(()) };
        let first = self.before.iter().rev().find_map(|other| match other.share {
            Share::Permit(agreed) => Some(agreed),
            _ => None,
        });
        match first {
            Some(agreed) if agreed != asked => Err(Failure::Mismatch { agreed }),
            _ => Ok(()),
        }
    }

    /// The one to wait for, if there are so many that they are not followed one by one. It is in the way, and while it is
    /// there so is this contender.
    pub(super) fn far(&self) -> Option<&Other> {
        match self.share {
            // Whoever goes makes room.
            Share::Permit(_) => None,
            share => self.before.iter().filter(|other| is_in_the_way(share, other.share)).nth(NEAR),
        }
    }

    /// These are gone.
    pub(super) fn remove(&mut self, gone: &[Vec<u8>]) {
        self.before.retain(|other| !gone.contains(&other.key));
    }
}

fn is_in_the_way(share: Share, before: Share) -> bool {
    !(share == Share::Read && before == Share::Read)
}

/// Whether this share can be held behind these.
pub(super) fn admits(share: Share, mut before: impl Iterator<Item = Share>) -> bool {
    match share {
        Share::Permit(permits) => {
            let (mut count, mut all) = (0, true);
            for other in before {
                count += 1;
                all &= matches!(other, Share::Permit(_));
            }
            all && count < permits
        }
        share => !before.any(|other| is_in_the_way(share, other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributed::Share::{Permit, Read, Write};

    fn keys() -> Keys {
        Keys::of("", "x")
    }

    fn kv(share: Share, revision: i64) -> KeyValue {
        let key = keys().contender(&format!("1-{revision}"), share);
        KeyValue { key, create_revision: revision, ..KeyValue::default() }
    }

    /// The oldest first, as one reads.
    fn queue(share: Share, before: &[Share]) -> Queue {
        let mut kvs: Vec<_> = before.iter().zip(1..).map(|(share, at)| kv(*share, at)).collect();
        kvs.reverse();
        Queue::of(&keys(), share, &kvs)
    }

    #[test]
    fn only_those_before_are_in_the_way() {
        for (share, before, free) in [
            (Write, &[][..], true),
            (Write, &[Read], false),
            (Write, &[Permit(2)], false),
            (Read, &[], true),
            (Read, &[Read, Read], true),
            (Read, &[Read, Write, Read], false),
            (Read, &[Permit(9)], false),
            (Permit(2), &[], true),
            (Permit(2), &[Permit(2)], true),
            (Permit(2), &[Permit(2), Permit(2)], false),
            (Permit(2), &[Read], false),
            (Permit(2), &[Write], false),
        ] {
            assert_eq!(queue(share, before).is_free(), free, "{share:?} behind {before:?}");
        }
    }

    #[test]
    fn the_first_permit_says_how_many_there_are() {
        assert!(queue(Permit(2), &[Write, Permit(2), Permit(3)]).agree().is_ok());
        assert!(queue(Write, &[Permit(2)]).agree().is_ok());
        let wrong = queue(Permit(2), &[Permit(3), Permit(2)]).agree().expect_err("there are 3");
        assert!(matches!(wrong, Failure::Mismatch { agreed: 3 }));
    }

    #[test]
    fn a_place_is_there_only_as_it_was_made() {
        let there = [kv(Write, 7), kv(Write, 5)];
        let Standing::At(queue) = Standing::read(&keys(), Write, 7, &there) else { panic!("it is there") };
        assert!(!queue.is_free());
        for token in [6, 8] {
            assert_eq!(Standing::read(&keys(), Write, token, &there), Standing::Gone);
        }
        assert_eq!(Standing::read(&keys(), Write, 7, &[]), Standing::Gone);
    }

    #[test]
    fn those_who_go_make_room() {
        let mut waiting = queue(Permit(2), &[Permit(2), Permit(2)]);
        waiting.remove(&[kv(Permit(2), 9).key, kv(Permit(2), 1).key]);
        assert!(waiting.is_free());
        let mut waiting = queue(Write, &[Write, Read]);
        waiting.remove(&[kv(Write, 1).key]);
        assert!(!waiting.is_free());
        waiting.remove(&[kv(Read, 2).key]);
        assert!(waiting.is_free());
    }

    #[test]
    fn of_many_the_ninth_is_watched() {
        let few = vec![Write; NEAR];
        assert_eq!(queue(Write, &few).far(), None);
        let many = vec![Write; NEAR + 3];
        assert_eq!(queue(Write, &many).far().map(|other| &other.key), Some(&kv(Write, 3).key));
        // Readers are not in the way of readers.
        let mut mixed = vec![Write; NEAR + 1];
        mixed.extend([Read; 20]);
        assert_eq!(queue(Read, &mixed).far().map(|other| &other.key), Some(&kv(Write, 1).key));
        assert_eq!(queue(Permit(1), &[Permit(1); 50]).far(), None);
    }
}
