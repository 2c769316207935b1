//! Who comes when several processes wait, and who may overtake whom.

use std::thread;
use std::time::{Duration, Instant};

use lockutils::{Config, Locks};
use lockutils_tests::{BOUND, Child, Place, eventually};

/// The ways in which a process waits.
const WAYS: [&[&str]; 3] = [&[], &["timeout=60000"], &["async"]];

/// Whoever has come first is first, however it waits.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn processes_come_in_the_order_of_their_arrival() {
    let place = Place::new("processes_come_in_the_order_of_their_arrival");
    let mut holder = place.holder("job");
    let mut queue: Vec<Child> =
        (0..6).map(|number| place.waiter("job", &[WAYS[number % 3], &["fair"]].concat())).collect();
    while !queue.is_empty() {
        holder.release();
        holder = queue.remove(0);
        holder.expect("held");
        assert!(queue.iter_mut().all(Child::is_silent));
    }
}

/// Readers come together, but none before a writer who came earlier, and that one after the readers before it.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn readers_and_writers_come_in_the_order_of_their_arrival() {
    let place = Place::new("readers_and_writers_come_in_the_order_of_their_arrival");
    let mut inside = vec![place.holder("job")];
    let turns: [&[&str]; 4] = [&["write"], &["read", "read"], &["write"], &["read", "read", "read"]];
    let mut queue: Vec<Vec<Child>> = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let words =
            |kind: &str| [WAYS[number % 3], if kind == "read" { &["read"][..] } else { &[] }].concat();
        queue.push(turn.iter().map(|kind| place.waiter("job", &words(kind))).collect());
    }
    while !queue.is_empty() {
        let mut next = queue.remove(0);
        for holder in &mut inside {
            assert!(next.iter_mut().all(Child::is_silent), "not before all have let go");
            holder.release();
        }
        for child in &mut next {
            child.expect("held");
        }
        assert!(queue.iter_mut().flatten().all(Child::is_silent));
        inside = next;
    }
}

/// Those who die or give up while they wait are skipped, and the others keep their order.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn the_dead_and_those_who_gave_up_are_skipped() {
    let place = Place::new("the_dead_and_those_who_gave_up_are_skipped");
    let mut holder = place.holder("job");
    let mut queue: Vec<Child> = Vec::new();
    for words in [&[][..], &["async"], &["timeout=200"], &["timeout=60000"], &["read"], &[]] {
        queue.push(place.waiter("job", words));
    }
    queue[2].expect("timeout");
    for number in [0, 4] {
        queue[number].kill();
    }
    let (mut left, _gone): (Vec<_>, Vec<_>) =
        queue.into_iter().enumerate().partition(|(number, _)| [1, 3, 5].contains(number));
    while !left.is_empty() {
        holder.release();
        holder = left.remove(0).1;
        holder.expect("held");
        assert!(left.iter_mut().all(|(_, child)| child.is_silent()));
    }
}

/// Who asks for strict order does not take a lock that is free as long as somebody waits for it who has not woken
/// up yet. The same holds for readers.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn a_fair_newcomer_never_overtakes() {
    for way in WAYS {
        let place = Place::new("a_fair_newcomer_never_overtakes");
        let newcomers = [place.lock("job").fair(), place.lock("job").read()];
        for _ in 0..50 {
            let held = place.try_acquire("job").expect("nobody has it");
            let mut waiter = place.waiter("job", way);
            drop(held);
            for newcomer in &newcomers {
                assert!(newcomer.try_acquire().expect("no error").is_none(), "overtook {way:?}");
            }
            waiter.expect("held");
            waiter.finish();
        }
    }
}

/// Who does not ask for it may overtake, but only for some milliseconds.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn overtaking_ends() {
    let place = Place::new("overtaking_ends");
    let lock = place.lock("job");
    for way in WAYS {
        let mut held = lock.try_acquire().expect("no error");
        let mut waiter = place.waiter("job", way);
        let started = Instant::now();
        let mut times = 0;
        while let Some(guard) = held {
            assert!(started.elapsed() < Duration::from_secs(1), "overtook {way:?} {times} times");
            times += 1;
            // Long holds and short pauses: one who has to wake up first never finds it free by chance.
            let until = Instant::now() + Duration::from_micros(300);
            while Instant::now() < until {}
            drop(guard);
            held = lock.try_acquire().expect("no error");
        }
        waiter.expect("held");
        waiter.finish();
    }
}

/// Readers of one process share one lock of the file, which they need not take again. They stop to let others join
/// them when a writer of another process waits.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn readers_of_one_process_do_not_starve_a_writer_of_another() {
    let place = Place::new("readers_of_one_process_do_not_starve_a_writer_of_another");
    let read = place.lock("job").read();
    for way in WAYS {
        let mut inside = read.try_acquire().expect("no error").expect("free");
        let mut writer = place.waiter("job", way);
        eventually("readers have to wait", || match read.try_acquire().expect("no error") {
            Some(next) => {
                inside = next;
                false
            }
            None => true,
        });
        thread::scope(|scope| {
            let waits = scope.spawn(|| read.acquire().map(drop));
            place.has_waiters("job", 2);
            drop(inside);
            writer.expect("held");
            assert!(!waits.is_finished(), "a writer has it");
            writer.release();
            waits.join().expect("no panic").expect("its turn");
        });
    }
}

/// Readers who ask for strict order stop at once.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn a_fair_reader_never_joins_past_a_writer() {
    let place = Place::new("a_fair_reader_never_joins_past_a_writer");
    let read = place.lock("job").read().fair();
    for way in WAYS {
        let inside = read.acquire().expect("free");
        let mut writer = place.waiter("job", way);
        assert!(read.try_acquire().expect("no error").is_none(), "{way:?}");
        drop(inside);
        writer.expect("held");
        writer.finish();
    }
}

/// Who is stopped while it waits keeps its place: the others do not pass it, and are told why nobody has the lock.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn a_stopped_waiter_keeps_its_place() {
    for way in WAYS {
        let place = Place::new("a_stopped_waiter_keeps_its_place");
        let mut holder = place.holder("job");
        let mut stopped = place.waiter("job", way);
        stopped.stop();
        holder.release();
        assert!(place.try_acquire("job").is_none());
        let error = place.lock("job").timeout(Duration::from_millis(50)).acquire().expect_err("not its turn");
        let text = "; nobody holds its file, but one who came first has not taken it yet: if that process is stopped, it keeps \
                    its place until it goes on or ends; a longer timeout may help";
        assert!(error.is_timeout() && error.to_string().ends_with(text), "{error}");
        stopped.go_on();
        stopped.expect("held");
        stopped.release();
        assert!(place.comes_free("job", BOUND));
    }
}

/// A wait that was given up leaves its place; who takes it up has one again, which newcomers see.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn a_wait_that_is_taken_up_again_has_a_place() {
    let place = Place::new("a_wait_that_is_taken_up_again_has_a_place");
    let newcomer = Locks::new(Config::new().lock_path(place.path())).expect("a registry");
    let newcomer = newcomer.lock("job").external().read();
    let reads = || newcomer.try_acquire().expect("no error").is_some();
    let mut reader = place.holder_with("job", &["read"]);
    let mut writer = place.actor("job", &["timeout=20"]);
    writer.say("wait");
    writer.expect("timeout");
    assert!(reads(), "nobody waits who could be overtaken");
    let again = thread::spawn({
        let lock = place.lock("job").timeout(Duration::from_millis(20));
        move || lock.acquire().map(drop)
    });
    assert!(again.join().expect("no panic").expect_err("another reads").is_timeout());
    thread::scope(|scope| {
        // It takes up the wait of the one before it.
        let waits = scope.spawn(|| place.lock("job").timeout(BOUND).acquire().map(drop));
        eventually("newcomers see it", || !reads());
        reader.release();
        waits.join().expect("no panic").expect("its turn");
    });
    assert!(reads());
}

/// A thread that reads already and cannot let go would wait for itself behind the writer: so it passes it.
#[test]
fn a_nested_read_passes_a_writer_of_another_process() {
    let place = Place::new("a_nested_read_passes_a_writer_of_another_process");
    // Who asks for strict order looks each time whether somebody waits.
    let read = place.lock("job").read().fair();
    let mut writer = place.actor("job", &[]);
    read.run(|| {
        writer.say("wait");
        place.has_waiters("job", 1);
        let again = read.clone().timeout(Duration::from_secs(5));
        again.run(|| again.run(|| ()).expect("it reads")).expect("it reads already");
        assert!(writer.is_silent());
    })
    .expect("free");
    writer.expect("held");
}

/// When the writer gives up for whom they have waited, readers join those who still read.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn readers_go_on_when_the_writer_has_given_up() {
    let place = Place::new("readers_go_on_when_the_writer_has_given_up");
    let read = place.lock("job").read();
    for words in [&["timeout=100"][..], &["async"]] {
        let inside = read.acquire().expect("free");
        let mut writer = place.waiter("job", words);
        eventually("readers have to wait", || read.try_acquire().expect("no error").is_none());
        thread::scope(|scope| {
            let joins = scope.spawn(|| read.acquire());
            if words == ["async"] {
                place.has_waiters("job", 2);
                writer.kill();
            } else {
                writer.expect("timeout");
            }
            let joined = joins.join().expect("no panic").expect("shared");
            drop(inside);
            assert!(!place.actor("job", &[]).try_take(), "one still reads");
            drop(joined);
            assert!(place.actor("job", &[]).try_take());
        });
    }
}
