//! Which locks the calling thread reads under guards that cannot leave it. A thread that reads may read again
//! past a waiting writer, which waits for it; and it may not wait for itself to write.

use std::cell::RefCell;
use std::panic::Location;

use crate::registry::CellId;

struct Reading {
    lock: CellId,
    times: u32,
    place: &'static Location<'static>,
}

thread_local! {
    static READING: RefCell<Vec<Reading>> = const { RefCell::new(Vec::new()) };
}

/// The thread reads `lock` once more. While the thread ends, nothing is noted: that only loses a warning.
pub(crate) fn begin(lock: CellId, place: &'static Location<'static>) {
    let _ = READING.try_with(|reading| {
        let mut reading = reading.borrow_mut();
        match reading.iter_mut().find(|one| one.lock == lock) {
            Some(one) => one.times += 1,
            None => reading.push(Reading { lock, times: 1, place }),
        }
    });
}

/// The thread reads `lock` once less.
pub(crate) fn end(lock: CellId) {
    let _ = READING.try_with(|reading| {
        let mut reading = reading.borrow_mut();
        if let Some(at) = reading.iter().position(|one| one.lock == lock) {
            reading[at].times -= 1;
            if reading[at].times == 0 {
                reading.swap_remove(at);
            }
        }
    });
}

/// How often the thread reads `lock`, and where it began.
pub(crate) fn of(lock: CellId) -> Option<(u32, &'static Location<'static>)> {
    let found = |reading: &RefCell<Vec<Reading>>| {
        reading.borrow().iter().find(|one| one.lock == lock).map(|one| (one.times, one.place))
    };
    READING.try_with(found).ok().flatten()
}
