//! Those who hold one lock, and those who wait for it.

use std::sync::{Arc, Weak};
use std::task::Waker;

use super::waiting::Slot;
use crate::distributed::{Contender, Failure, Lease, Loss, Request, Share};

/// In the order of arrival. Invariant: those who hold stand where they came, and nobody waits who could hold.
#[derive(Debug, Default)]
pub(super) struct Queue(Vec<Entry>);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    /// `None`: it stays although its session has ended.
    pub(super) session: Option<u64>,
    pub(super) request: Request,
    /// 0: it waits.
    pub(super) token: u64,
    pub(super) lease: Arc<Lease>,
    /// Where its grant is to go, if it waits.
    pub(super) slot: Weak<Slot>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// Whether this share could be held if it were asked for at this place of the queue.
    fn admits(&self, share: Share, before: usize) -> bool {
        match share {
            Share::Write => before == 0,
            Share::Read => self.0[..before].iter().all(|other| other.request.share == Share::Read),
            Share::Permit(permits) => {
                let all =
                    self.0[..before].iter().all(|other| matches!(other.request.share, Share::Permit(_)));
                all && before < permits as usize
            }
        }
    }

    /// The same for one who comes last.
    pub(super) fn is_free_for(&self, share: Share) -> bool {
        self.admits(share, self.0.len())
    }

    /// Semaphores have the number of permits of those who hold or want one.
    pub(super) fn agree(&self, share: Share) -> Result<(), Failure> {
        let Share::Permit(asked) = share else { return Ok(()) };
        let other = self.0.iter().find_map(|entry| match entry.request.share {
            Share::Permit(agreed) if agreed != asked => Some(agreed),
            _ => None,
        });
        other.map_or(Ok(()), |agreed| Err(Failure::Mismatch { agreed }))
    }

    /// The next one whose turn has come.
    pub(super) fn next(&mut self) -> Option<&mut Entry> {
        let at = (0..self.0.len())
            .find(|at| self.0[*at].token == 0 && self.admits(self.0[*at].request.share, *at))?;
        Some(&mut self.0[at])
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Entry> {
        let at = self.0.iter().position(|entry| entry.id == id)?;
        Some(self.0.remove(at))
    }

    /// Takes those out for which `which` says so.
    pub(super) fn take(&mut self, which: impl FnMut(&mut Entry) -> bool) -> Vec<Entry> {
        self.0.extract_if(.., which).collect()
    }

    pub(super) fn of(&mut self, session: u64) -> impl Iterator<Item = &mut Entry> {
        self.0.iter_mut().filter(move |entry| entry.session == Some(session))
    }

    pub(super) fn holds(&self, id: u64) -> bool {
        self.0.iter().any(|entry| entry.id == id && entry.token != 0)
    }

    pub(super) fn contenders(&self) -> Vec<Contender> {
        self.0.iter().map(Entry::contender).collect()
    }
}

impl Entry {
    /// It has no place any more, for this reason. Says whom to wake.
    pub(super) fn lost(&self, why: Loss) -> Option<Waker> {
        self.lease.lose(why);
        self.slot.upgrade().filter(|_| self.token == 0)?.give(Err(Failure::Lost(why)))
    }

    /// Whether it is to hold the lock also when its session has ended.
    pub(super) fn stays(&self) -> bool {
        self.token != 0 && !self.request.ephemeral && self.request.expires.is_none()
    }

    /// It holds the lock on, and its holder can do nothing about it any more: under this number it does not know it.
    pub(super) fn disown(&mut self, id: u64) {
        self.lease.lose(Loss::Closed);
        self.id = id;
        self.session = None;
    }

    fn contender(&self) -> Contender {
        Contender::new(self.id.to_string(), self.request.share, self.token != 0)
            .identified(&*self.request.identifier)
            .with_token(self.token)
    }
}
