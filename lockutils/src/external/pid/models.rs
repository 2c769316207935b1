//! The steps of taking and taking over under every schedule, with processes that are killed between any two of them.

use std::collections::HashMap;
use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use loom::thread;

use super::{Entered, Id, Names, Occupant, Slot, enter};

/// A directory: what the file system does is one step.
#[derive(Default)]
struct World {
    state: Mutex<State>,
    inside: AtomicUsize,
}

#[derive(Default)]
struct State {
    names: HashMap<Slot, Id>,
    dead: Vec<Id>,
}

impl World {
    /// The lock is that of somebody who has died.
    fn left_behind() -> Arc<Self> {
        let world = Self::default();
        world.change(|state| {
            state.names.insert(Slot::Lock, Id(0));
            state.dead.push(Id(0));
        });
        Arc::new(world)
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.lock().expect("a model that panics has failed already"))
    }
}

/// It was killed: it does nothing more.
#[derive(Debug)]
struct Killed;

struct Process {
    id: Id,
    world: Arc<World>,
    killed: Arc<AtomicBool>,
    /// What it asks for is done, but it is told that it was not, as by a server whose first answer was lost.
    is_misled: bool,
}

impl Process {
    fn step<R>(&self, change: impl FnOnce(&mut State) -> R) -> Result<R, Killed> {
        if self.killed.load(SeqCst) { Err(Killed) } else { Ok(self.world.change(change)) }
    }

    /// Takes the lock once, if it is to be had, and lets go.
    fn run(&self) {
        if self.visit().is_err() {
            self.world.change(|state| state.dead.push(self.id));
        }
    }

    fn visit(&self) -> Result<bool, Killed> {
        if enter(self, Slot::Lock)? == Entered::Busy {
            return Ok(false);
        }
        assert_eq!(self.world.inside.fetch_add(1, SeqCst), 0, "two have the lock");
        let here = self.step(|state| state.names.get(&Slot::Lock) == Some(&self.id));
        // Who is killed inside is not inside any more when it is dead.
        self.world.inside.fetch_sub(1, SeqCst);
        assert!(here?, "somebody lives and was replaced");
        self.unlink(Slot::Lock)?;
        Ok(true)
    }
}

impl Names for Process {
    type Failure = Killed;

    fn id(&self) -> Id {
        self.id
    }

    fn link(&self, slot: Slot) -> Result<bool, Killed> {
        self.step(|state| {
            let is_free = !state.names.contains_key(&slot);
            state.names.entry(slot).or_insert(self.id);
            is_free && !self.is_misled
        })
    }

    fn occupant(&self, slot: Slot) -> Result<Option<Occupant>, Killed> {
        self.step(|state| {
            let id = *state.names.get(&slot)?;
            Some(Occupant { id, may_live: !state.dead.contains(&id) })
        })
    }

    fn replace(&self, slot: Slot) -> Result<(), Killed> {
        self.step(|state| state.names.insert(slot, self.id))?;
        if self.is_misled { Err(Killed) } else { Ok(()) }
    }

    fn unlink(&self, slot: Slot) -> Result<(), Killed> {
        self.step(|state| state.names.remove(&slot)).map(drop)
    }
}

/// So many processes, the first of which is killed at some moment if `kills`; then one that must get the lock.
fn model(processes: u128, kills: bool) {
    loom::model(move || {
        let world = World::left_behind();
        let killed = Arc::new(AtomicBool::new(false));
        let processes: Vec<_> = (1..=processes)
            .map(|number| {
                let killed = if number == 1 { Arc::clone(&killed) } else { Arc::default() };
                let world = Arc::clone(&world);
                let process = Process { id: Id(number), world, killed, is_misled: false };
                thread::spawn(move || process.run())
            })
            .collect();
        if kills {
            killed.store(true, SeqCst);
        }
        processes.into_iter().for_each(|process| process.join().unwrap());
        let last = Process { id: Id(99), world, killed: Arc::default(), is_misled: false };
        assert!(last.visit().expect("nobody kills it"), "all others have ended, and it is still busy");
    });
}

#[test]
fn two_take_over_from_the_dead() {
    model(2, false);
}

#[test]
fn three_take_over_from_the_dead() {
    model(3, false);
}

#[test]
fn one_of_two_is_killed_while_it_takes_over() {
    model(2, true);
}

#[test]
fn one_of_three_is_killed_while_it_takes_over() {
    model(3, true);
}

/// What was done is seen to be done, whatever the answer was.
#[test]
fn answers_that_are_lost_are_not_believed() {
    loom::model(|| {
        let world = World::left_behind();
        for number in 1..=2 {
            let (world, killed) = (Arc::clone(&world), Arc::default());
            let misled = Process { id: Id(number), world, killed, is_misled: true };
            // The second one finds the name free.
            assert!(misled.visit().expect("nobody kills it"), "it has the lock");
        }
        let names = world.change(|state| state.names.len());
        assert_eq!(names, 0, "nothing is left");
    });
}
