//! Semaphores between processes: so many holders on the whole host, whoever they are and however they end.

use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use lockutils::{Config, Error, Lock, Locks, synchronized};
use lockutils_tests::{BOUND, Child, Peer, Place, eventually};

const TWO: &str = "semaphore=2";
/// The ways in which a process waits for one of two permits.
const WAYS: [&[&str]; 4] =
    [&[TWO], &[TWO, "timeout=60000"], &[TWO, "async"], &[TWO, "fair", "async", "timeout=60000"]];

/// Much longer than to be woken takes, and shorter than the look of those who are not woken.
const SOON: Duration = Duration::from_millis(500);

fn permits(place: &Place, number: u32) -> Lock {
    place.locks().semaphore("job", number).external()
}

/// A process that waits for a permit: in the queue or as the first one.
fn waiter(place: &Place, words: &[&str]) -> Child {
    let mut waiter = place.actor("job", words);
    waiter.say("wait");
    eventually("it waits in the queue or watches the file", || waiter.sleeps_with_its_threads());
    waiter
}

#[test]
fn a_semaphore_admits_its_number_of_processes() {
    let place = Place::new("a_semaphore_admits_its_number_of_processes");
    let mut actors: Vec<Child> = (0..3).map(|_| place.actor("job", &[TWO])).collect();
    assert!(actors[0].try_take() && actors[1].try_take());
    assert!(!actors[2].try_take());
    assert!(permits(&place, 2).try_acquire().expect("no error").is_none());
    for last in 0..2 {
        actors[last].release();
        assert!(actors[2].try_take(), "a permit is back");
        actors[2].release();
        assert!(actors[last].try_take());
    }
    assert!(place.lock("job").is_locked().expect("no error"));
}

/// Permits of one process count one by one, and come back in any order.
#[test]
fn permits_of_one_process_count_too() {
    let place = Place::new("permits_of_one_process_count_too");
    let semaphore = permits(&place, 4);
    let take = || semaphore.try_acquire().expect("no error");
    let mut other = place.actor("job", &["semaphore=4"]);
    let (one, two, three) = (take().expect("free"), take().expect("free"), take().expect("free"));
    assert!(other.try_take());
    assert!(take().is_none(), "all four are out");
    drop(two);
    let again = take().expect("it is back");
    drop((one, three));
    let mut fifth = place.actor("job", &["semaphore=4"]);
    assert!(fifth.try_take());
    drop(again);
    other.release();
    fifth.release();
    assert!(place.try_acquire("job").is_some(), "nobody has one any more");
}

/// Whoever waits is woken by a permit that comes back: let go of, by the end of its process, or by its violent end.
#[test]
fn a_permit_that_comes_back_wakes_the_next() {
    for words in WAYS {
        for end in ["release", "finish", "kill"] {
            let place = Place::new("a_permit_that_comes_back_wakes_the_next");
            let mut holders: Vec<Child> = (0..2).map(|_| place.holder_with("job", &[TWO])).collect();
            for holder in &mut holders {
                // From the second time on the file stays open, so that no close tells that a permit is back.
                holder.release();
                holder.take();
            }
            let mut next = waiter(&place, words);
            assert!(next.is_silent());
            let mut leaver = holders.remove(0);
            match end {
                "release" => leaver.release(),
                "kill" => leaver.kill(),
                _ => drop(leaver.finish()),
            }
            assert_eq!(next.said_within(SOON).as_deref(), Some("held"), "{words:?} {end}");
            assert!(permits(&place, 2).try_acquire().expect("no error").is_none());
        }
    }
}

/// A peer that unlocks and keeps the file open gives no sign: the kernel tells the one who waits all the same.
#[test]
#[expect(clippy::disallowed_methods, reason = "a peer, not the library")]
fn a_flock_that_ends_without_a_close_wakes_the_next() {
    let place = Place::new("a_flock_that_ends_without_a_close_wakes_the_next");
    drop(place.try_acquire("job"));
    let file = fs::File::options().read(true).write(true).open(place.file("job")).expect("it is there");
    for words in WAYS {
        file.lock().expect("a flock");
        let mut next = waiter(&place, words);
        place.has_waiters("job", 1);
        file.unlock().expect("unlocked");
        assert_eq!(next.said_within(SOON).as_deref(), Some("held"), "{words:?}");
        next.finish();
    }
}

/// A future that is polled again and again keeps one waker, and not all that it was given.
#[test]
fn a_wait_for_a_permit_keeps_one_waker() {
    let place = Place::new("a_wait_for_a_permit_keeps_one_waker");
    let holder = place.holder_with("job", &["semaphore=1"]);
    let semaphore = permits(&place, 1);
    let mut waiting = std::pin::pin!(semaphore.acquire_async());
    let wakers: Vec<Arc<Quiet>> = (0..2_000).map(|_| Arc::new(Quiet)).collect();
    for _ in 0..3 {
        for waker in &wakers {
            let waker = Waker::from(Arc::clone(waker));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    let kept: usize = wakers.iter().map(|waker| Arc::strong_count(waker) - 1).sum();
    assert!(kept <= 2, "{kept} wakers are kept");
    drop(holder);
}

struct Quiet;

impl Wake for Quiet {
    fn wake(self: Arc<Self>) {}
}

/// The order of arrival, for permits and locks alike: a writer that waits is not passed by those who want permits.
#[test]
fn permits_are_given_in_the_order_of_arrival() {
    let place = Place::new("permits_are_given_in_the_order_of_arrival");
    let mut inside: Vec<Child> = (0..2).map(|_| place.holder_with("job", &[TWO])).collect();
    let mut first = waiter(&place, WAYS[0]);
    let mut second = place.waiter("job", WAYS[2]);
    let mut writer = place.waiter("job", &["timeout=60000"]);
    let mut third = place.waiter("job", WAYS[1]);
    inside.pop().expect("two").release();
    first.expect("held");
    first.release();
    second.expect("held");
    second.release();
    assert!(writer.is_silent() && third.is_silent(), "one permit is still out, and the writer comes next");
    assert!(!place.actor("job", &[TWO]).try_take(), "a newcomer does not pass the writer");
    inside.pop().expect("one").release();
    writer.expect("held");
    assert!(third.is_silent());
    writer.release();
    third.expect("held");
}

#[test]
fn who_gives_up_or_dies_while_it_waits_is_skipped() {
    let place = Place::new("who_gives_up_or_dies_while_it_waits_is_skipped");
    let mut inside: Vec<Child> = (0..2).map(|_| place.holder_with("job", &[TWO])).collect();
    let mut hasty = waiter(&place, &[TWO, "timeout=100"]);
    hasty.expect("timeout");
    let mut dead = waiter(&place, &[TWO]);
    let mut last = place.waiter("job", &[TWO, "async"]);
    dead.kill();
    inside.pop().expect("two").release();
    last.expect("held");
    hasty.say("try");
    hasty.expect("busy");
    last.release();
    assert!(hasty.try_take(), "who gave up can come again");
}

/// Permits exclude whoever takes the file in another way, and are excluded by it; those who share by `flock` do.
#[test]
fn permits_and_everybody_else_exclude_each_other() {
    for peer in Peer::ALL.into_iter().filter(|peer| !peer.shared) {
        let place = Place::new("permits_and_everybody_else_exclude_each_other");
        let permit = permits(&place, 2).acquire().expect("free");
        let mut other = peer.actor(&place.file("job"));
        assert!(!other.try_take(), "{peer:?} got in");
        drop(permit);
        assert!(other.try_take(), "{peer:?}");
        assert!(permits(&place, 2).try_acquire().expect("no error").is_none(), "beside {peer:?}");
        thread::scope(|scope| {
            let waits = scope.spawn(|| permits(&place, 2).acquire().map(drop));
            other.release();
            waits.join().expect("no panic").expect("its turn");
        });
    }
}

#[test]
fn permits_and_locks_of_other_processes_exclude_each_other() {
    let place = Place::new("permits_and_locks_of_other_processes_exclude_each_other");
    let semaphore = permits(&place, 2);
    for words in [&[][..], &["read"]] {
        let mut other = place.holder_with("job", words);
        assert!(semaphore.try_acquire().expect("no error").is_none(), "beside {words:?}");
        thread::scope(|scope| {
            let waits = scope.spawn(|| semaphore.acquire());
            place.has_waiters("job", 1);
            other.release();
            let permit = waits.join().expect("no panic").expect("its turn");
            assert!(!other.try_take(), "{words:?} got in");
            drop(permit);
        });
        assert!(other.try_take());
    }
}

/// One number for one name, on the whole host. Who asks for another gets an error, and the others notice nothing.
#[test]
fn another_number_is_refused() {
    let place = Place::new("another_number_is_refused");
    let mut two = place.holder_with("job", &[TWO]);
    for (asked, words) in [(3, "semaphore=3"), (1, "semaphore=1")] {
        let error = permits(&place, asked).acquire().expect_err("two are agreed on");
        assert!(error.is_mismatch(), "{error}");
        let text = format!(
            "semaphore `job` is in use with 2 permits, but {asked} were asked for; use one number for one name"
        );
        assert_eq!(error.to_string(), text);
        let mut other = place.actor("job", &[words]);
        other.say("wait");
        assert!(other.line().starts_with("error mismatch: "));
    }
    assert!(place.actor("job", &[TWO]).try_take(), "there is one left");
    two.release();
    eventually("nobody has a permit", || permits(&place, 3).try_acquire().expect("no error").is_some());
}

/// Those who ask for a wrong number, again and again, are in nobody's way.
#[test]
fn another_number_disturbs_nobody() {
    let place = Place::new("another_number_disturbs_nobody");
    let mut two = place.holder_with("job", &[TWO]);
    let other = Locks::new(Config::new().lock_path(place.path())).expect("a configuration");
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3_000 {
                let wrong = other.semaphore("job", 3).external().try_acquire();
                assert!(wrong.expect_err("two are agreed on").is_mismatch());
            }
        });
        let semaphore = permits(&place, 2);
        for _ in 0..3_000 {
            let taken = semaphore.try_acquire().expect("the right number");
            assert!(taken.is_some(), "one is left");
        }
    });
    two.release();
}

/// Two who come at once with different numbers, one of them held up at any of its calls, do not both get in.
#[test]
fn one_of_two_numbers_gets_in() {
    for when in 2..=5 {
        let place = Place::new("one_of_two_numbers_gets_in");
        drop(place.try_acquire("job"));
        let (file, pause) =
            (place.file("job").display().to_string(), format!("inject=fcntl:delay_enter=200000:when={when}"));
        let (mut slow, log) =
            place.strace(&["-e", "trace=fcntl", "-e", &pause, "-P", &file], &["actor", "job", TWO]);
        slow.say("try");
        let calls = || fs::read_to_string(&log).unwrap_or_default().lines().count();
        eventually("it is on its way", || calls() + 1 >= when);
        let mut fast = place.actor("job", &["semaphore=3"]);
        fast.say("try");
        let said = [slow.line(), fast.line()];
        assert!(said.iter().filter(|line| *line == "held").count() < 2, "{when}: {said:?}");
    }
}

/// A number that is wrong is told while one waits, too.
#[test]
fn another_number_is_refused_after_a_wait() {
    let place = Place::new("another_number_is_refused_after_a_wait");
    let mut writer = place.holder("job");
    let (mut two, mut three) = (waiter(&place, &[TWO]), place.actor("job", &["semaphore=3"]));
    three.say("wait");
    place.has_waiters("job", 2);
    writer.release();
    two.expect("held");
    let line = three.line();
    assert!(line.starts_with("error mismatch: "), "{line}");
}

/// Never more than the number at once, under load, with deaths.
#[test]
fn no_more_than_the_number_under_load() {
    let place = Place::new("no_more_than_the_number_under_load");
    let log = place.file("log").display().to_string();
    let visitors = |words: &[&str]| place.helper(&[&["visit", "job", &log, "120"], words].concat());
    let mut all: Vec<Child> = WAYS.iter().map(|words| visitors(words)).collect();
    let mut doomed = place.holder_with("job", &[TWO]);
    doomed.kill();
    for visitor in &mut all {
        visitor.expect("done");
    }
    let (mut inside, mut most) = (0_i32, 0);
    for line in fs::read_to_string(&log).expect("a log").lines() {
        inside += if line.starts_with("in ") { 1 } else { -1 };
        assert!((0..=2).contains(&inside), "{inside} at once");
        most = most.max(inside);
    }
    assert_eq!((inside, most), (0, 2));
}

/// Who waits for a permit sleeps, but for a look from time to time.
#[test]
fn waiting_for_a_permit_is_no_poll() {
    let place = Place::new("waiting_for_a_permit_is_no_poll");
    let _holder = place.holder_with("job", &["semaphore=1"]);
    let (mut waiter, log) = place.strace(&[], &["take", "job", "semaphore=1", "timeout=4000"]);
    waiter.expect("timeout");
    let calls = fs::read_to_string(&log).expect("a log");
    let looks = calls.lines().filter(|line| line.contains("F_OFD_SETLK,") || line.contains("ppoll(")).count();
    assert!(looks < 60, "{looks} looks in 4 s");
}

#[synchronized("job", external, semaphore = 2, lock_path = path)]
fn annotated<T>(path: &std::path::Path, work: impl FnOnce() -> T) -> Result<T, Error> {
    Ok(work())
}

#[test]
fn the_attribute_takes_a_permit_between_processes() {
    let place = Place::new("the_attribute_takes_a_permit_between_processes");
    let mut other = place.actor("job", &[TWO]);
    let mut third = place.actor("job", &[TWO]);
    annotated(place.path(), || {
        assert!(other.try_take());
        assert!(!third.try_take());
    })
    .expect("free");
    assert!(third.try_take());
}

/// The kernel knows which processes have permits, and a message names one of them.
#[test]
fn holders_of_permits_are_named() {
    let place = Place::new("holders_of_permits_are_named");
    let others: Vec<Child> = (0..2).map(|_| place.holder_with("job", &[TWO])).collect();
    let holders = permits(&place, 2).holders().expect("no error");
    let mut named: Vec<_> = holders.iter().filter_map(lockutils::Holder::pid).collect();
    named.sort_unstable();
    let mut expected: Vec<_> = others.iter().map(|child| child.pid().as_raw().cast_unsigned()).collect();
    expected.sort_unstable();
    assert_eq!(named, expected);
    let error = permits(&place, 2).timeout(Duration::from_millis(20)).acquire().expect_err("all are out");
    assert!(error.to_string().contains("; its file is held by pid "), "{error}");
    assert!(error.to_string().ends_with(" (helper), and 1 more; a longer timeout may help"), "{error}");
}

/// The file went away under the permits of this process: there are none to be had beside them.
#[test]
fn permits_of_a_removed_file_are_lost() {
    let place = Place::new("permits_of_a_removed_file_are_lost");
    let semaphore = permits(&place, 3);
    let one = semaphore.acquire().expect("free");
    fs::remove_file(place.file("job")).expect("removed");
    assert!(one.check().expect_err("gone").is_lost());
    assert!(semaphore.try_acquire().expect_err("gone").is_lost());
    drop(one);
    let again = semaphore.timeout(BOUND).acquire().expect("a new file");
    assert!(!again.is_lost().expect("a look"));
}

/// A permit that the kernel does not take back costs none of the others of its process. Whether anybody waits is looked at
/// once in a tick of the clock, so the number of the call differs from run to run by one.
#[test]
fn a_permit_that_cannot_be_let_go_costs_no_other() {
    let has_failed = |when| {
        let place = Place::new("a_permit_that_cannot_be_let_go_costs_no_other");
        let (file, inject) =
            (place.file("job").display().to_string(), format!("inject=fcntl:error=EIO:when={when}"));
        let options = ["-e", "trace=fcntl", "-e", &inject, "-P", &file];
        let (mut child, _) = place.strace(&options, &["release-one-of-two", "job"]);
        let line = child.line();
        let has_failed = line.starts_with("error io: cannot unlock");
        let has_one = line == "released" || has_failed;
        assert!(!has_one || place.try_acquire("job").is_none(), "{when}: {line}, and nobody has a permit");
        has_failed
    };
    assert!(
        (0..10).any(|_| (9..=20).filter(|when| has_failed(*when)).count() > 0),
        "unlocking has never failed"
    );
}

/// Those who wait are woken without a write: a peer may be about to cut the file off, and a late byte would make it one of
/// others.
#[test]
fn a_permit_that_comes_back_writes_nothing() {
    let place = Place::new("a_permit_that_comes_back_writes_nothing");
    drop(place.try_acquire("job"));
    let (mut holder, log) = place.strace(&["-e", "trace=pwrite64"], &["actor", "job", "semaphore=1"]);
    holder.take();
    let mut next = waiter(&place, &["semaphore=1"]);
    fs::write(place.file("job"), "").expect("it can be cut off");
    holder.release();
    assert_eq!(next.said_within(SOON).as_deref(), Some("held"));
    let calls = fs::read_to_string(log).expect("a log");
    assert!(!calls.contains("pwrite64("), "{calls}");
}

/// Permits have the token of the writer before them, and leave a file that is not of this crate as it is.
#[test]
fn permits_share_a_token_and_write_nothing_into_the_files_of_others() {
    let place = Place::new("permits_share_a_token_and_write_nothing_into_the_files_of_others");
    let written = place.try_acquire("job").expect("free").fencing_token();
    let semaphore = permits(&place, 2);
    let (one, two) = (semaphore.acquire().expect("free"), semaphore.acquire().expect("free"));
    assert_eq!((one.fencing_token(), two.fencing_token()), (written, written));
    drop((one, two));
    fs::write(place.file("job"), "4711\n").expect("written");
    let mut waiting = place.holder_with("job", &["semaphore=1"]);
    let mut next = waiter(&place, &["semaphore=1"]);
    waiting.release();
    next.expect("held");
    assert_eq!(fs::read_to_string(place.file("job")).expect("text"), "4711\n");
}
