//! The waiters of one lock, threads and tasks alike, in order of arrival: a list linked through a slab,
//! so that a waiter leaves from anywhere in constant time and nothing points into anybody's stack.

use std::task::Waker;

use smallvec::SmallVec;

use super::word::{self, CLOSED, Mode, QUEUED, WOKEN};

/// Wakers of one step; they are called after the queue has been let go.
pub(crate) type Wakers = SmallVec<[Waker; 2]>;

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

const NONE: u32 = u32::MAX;

/// How often the head is woken to try for itself. The next turn after that is handed to it.
const PATIENCE: u8 = 4;

/// How many slots an empty queue keeps.
const KEPT: usize = 8;

struct Waiter {
    mode: Mode,
    waker: Waker,
    /// Somebody let it in while it slept; the holder's rights are its own already. It is not linked any more.
    granted: bool,
    /// Nobody may overtake while it waits.
    insists: bool,
    /// How often it was woken as the head.
    wakes: u8,
    prev: u32,
    next: u32,
}

pub(crate) struct Queue {
    /// Vacant slots are `Err` with the next vacant one.
    slots: Vec<Result<Waiter, u32>>,
    vacant: u32,
    head: u32,
    tail: u32,
    /// How many of the linked ones insist.
    insisting: u32,
    /// How many slots are not vacant: the linked ones and those who have not yet seen that they are in.
    stored: u32,
}

/// What happens to the queue when the word becomes `word`.
pub(crate) struct Plan {
    pub(crate) word: u64,
    granted: u32,
    wakes_head: bool,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), vacant: NONE, head: NONE, tail: NONE, insisting: 0, stored: 0 }
    }

    /// Adds a waiter at the end.
    pub(crate) fn push(&mut self, mode: Mode, fair: bool, waker: Waker) -> Ticket {
        let waiter =
            Waiter { mode, waker, granted: false, insists: fair, wakes: 0, prev: self.tail, next: NONE };
        let slot = self.store(waiter);
        match self.tail {
            NONE => self.head = slot,
            tail => self.at(tail).next = slot,
        }
        self.tail = slot;
        self.insisting += u32::from(fair);
        Ticket(slot)
    }

    pub(crate) fn is_head(&self, ticket: Ticket) -> bool {
        self.head == ticket.0
    }

    pub(crate) fn is_granted(&mut self, ticket: Ticket) -> bool {
        self.at(ticket.0).granted
    }

    /// How many wait.
    pub(crate) fn linked(&self) -> u32 {
        let waits = |slot: &&Result<Waiter, u32>| slot.as_ref().is_ok_and(|waiter| !waiter.granted);
        u32::try_from(self.slots.iter().filter(waits).count()).unwrap_or(u32::MAX)
    }

    /// Gives the old waker back: dropping it may run code of the user, which must not meet the queue.
    pub(crate) fn set_waker(&mut self, ticket: Ticket, waker: &Waker) -> Option<Waker> {
        let kept = &mut self.at(ticket.0).waker;
        (!kept.will_wake(waker)).then(|| std::mem::replace(kept, waker.clone()))
    }

    /// Takes a waiter out, linked or granted. Says whether it had been granted, and gives its waker back.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> (bool, Option<Waker>) {
        let granted = self.at(ticket.0).granted;
        if !granted {
            self.unlink(ticket.0);
        }
        let left = std::mem::replace(&mut self.slots[ticket.0 as usize], Err(self.vacant));
        self.vacant = ticket.0;
        self.stored -= 1;
        if self.stored == 0 {
            self.forget_slots();
        }
        (granted, left.ok().map(|waiter| waiter.waker))
    }

    /// The flags of the word for the queue without its head, which is about to be let in.
    pub(crate) fn flags_behind_head(&mut self) -> u64 {
        let head = self.head;
        let (next, insists) = (self.at(head).next, self.at(head).insists);
        flags(next != NONE, self.insisting > u32::from(insists))
    }

    /// Who comes in when the word, but for the queue's flags, becomes `word`.
    pub(crate) fn plan(&mut self, word: u64) -> Plan {
        let mut plan = Plan { word: word::with_flags(word, 0), granted: 0, wakes_head: false };
        let (mut slot, mut insisting) = (self.head, self.insisting);
        while slot != NONE {
            let waiter = self.at(slot);
            if waiter.mode == Mode::Write && insisting == 0 && waiter.wakes < PATIENCE {
                break;
            }
            let Some(entered) = waiter.mode.enter(plan.word) else { break };
            let (insists, next) = (waiter.insists, waiter.next);
            plan.word = entered;
            plan.granted += 1;
            insisting -= u32::from(insists);
            slot = next;
        }
        if slot != NONE {
            plan.wakes_head = self.at(slot).mode == Mode::Write && !word::is_held(plan.word);
            plan.word |= flags(true, insisting > 0) | if plan.wakes_head { WOKEN } else { 0 };
        }
        plan
    }

    /// Does what `plan` says; the word has been changed already.
    pub(crate) fn carry_out(&mut self, plan: &Plan) -> Wakers {
        let mut wakers = Wakers::new();
        for _ in 0..plan.granted {
            let head = self.head;
            self.unlink(head);
            let waiter = self.at(head);
            waiter.granted = true;
            wakers.push(waiter.waker.clone());
        }
        if plan.wakes_head {
            let head = self.head;
            let waiter = self.at(head);
            waiter.wakes = waiter.wakes.saturating_add(1);
            wakers.push(waiter.waker.clone());
        }
        wakers
    }

    /// Nobody is left. A crowd's memory goes, a pair's stays for the next time.
    fn forget_slots(&mut self) {
        self.vacant = NONE;
        self.slots.clear();
        if self.slots.capacity() > KEPT {
            self.slots = Vec::new();
        }
    }

    fn store(&mut self, waiter: Waiter) -> u32 {
        self.stored += 1;
        if self.vacant == NONE {
            self.slots.push(Ok(waiter));
            return u32::try_from(self.slots.len() - 1).expect("fewer than 2^27 waiters have a reference");
        }
        let slot = self.vacant;
        let vacated = std::mem::replace(&mut self.slots[slot as usize], Ok(waiter));
        self.vacant = vacated.err().expect("the vacant list holds vacant slots only");
        slot
    }

    fn unlink(&mut self, slot: u32) {
        let waiter = self.at(slot);
        let (prev, next, insists) = (waiter.prev, waiter.next, waiter.insists);
        match prev {
            NONE => self.head = next,
            prev => self.at(prev).next = next,
        }
        match next {
            NONE => self.tail = prev,
            next => self.at(next).prev = prev,
        }
        self.insisting -= u32::from(insists);
    }

    fn at(&mut self, slot: u32) -> &mut Waiter {
        self.slots[slot as usize].as_mut().expect("a ticket or a link names a stored waiter")
    }
}

fn flags(queued: bool, closed: bool) -> u64 {
    (if queued { QUEUED } else { 0 }) | (if queued && closed { CLOSED } else { 0 })
}
