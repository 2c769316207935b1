//! Looking at all lock files of a directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, SystemTime};

use lockutils::{Config, Evidence, FileState, FileStatus, Holder, Locks};
use lockutils_tests::{Child, Counter, Peer, Place, eventually};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn files(place: &Place) -> Vec<FileStatus> {
    let files = place.locks().files().expect("a directory that can be read");
    files.map(|file| file.expect("no error")).collect()
}

fn names(files: &[FileStatus]) -> Vec<String> {
    files.iter().map(|file| file.name().into_owned()).collect()
}

/// The one file there is.
#[track_caller]
fn only(place: &Place) -> FileStatus {
    let mut files = files(place);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn pid(child: &Child) -> u32 {
    child.pid().as_raw().cast_unsigned()
}

#[test]
fn a_file_tells_who_has_it_and_that_nobody_has() {
    let place = Place::new("a_file_tells_who_has_it");
    assert_eq!(files(&place), []);
    let before = SystemTime::now() - Duration::from_secs(1);
    let mut other = place.holder("job");
    let status = only(&place);
    assert_eq!((&*status.name(), status.path()), ("job", &*place.file("job")));
    assert_eq!((status.state(), status.is_held(), status.why()), (FileState::Write, true, None));
    let [holder] = status.holders() else { panic!("{status:?}") };
    assert_eq!((holder.pid(), holder.program()), (Some(pid(&other)), Some("helper")));
    assert_eq!(holder.evidence(), if cfg!(lockutils_portable) { Evidence::Record } else { Evidence::Both });
    assert!(holder.since().is_some() && holder.place().is_some(), "{holder:?}");
    assert!(status.changed().is_some_and(|changed| changed >= before));
    assert!(status.fencing_token().is_some() && status.fencing_token() == holder.fencing_token());
    other.release();
    let after = only(&place);
    assert_eq!((after.state(), after.holders().len()), (FileState::Free, 0));
    assert_eq!(after.fencing_token(), status.fencing_token(), "the file keeps it");
    assert_eq!(Some(after), place.lock("job").file_status().expect("no error"), "one file is told like many");
}

#[test]
fn this_process_is_told_as_such() {
    let place = Place::new("this_process_is_told_as_such");
    let guard = place.try_acquire("job").expect("free");
    for status in [only(&place), place.lock("job").file_status().expect("no error").expect("external")] {
        assert_eq!(status.holders()[0].evidence(), Evidence::Own);
        assert_eq!(status.fencing_token(), Some(guard.fencing_token()));
    }
}

#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn readers_are_told_each_by_its_process() {
    let place = Place::new("readers_are_told_each_by_its_process");
    let readers = [place.holder_with("job", &["read"]), place.holder_with("job", &["read"])];
    let status = only(&place);
    assert_eq!(status.state(), FileState::Read);
    let mut seen: Vec<_> = status.holders().iter().filter_map(Holder::pid).collect();
    let mut expected: Vec<_> = readers.iter().map(pid).collect();
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let _writer = place.waiter("job", &[]);
    assert_eq!((only(&place).state(), only(&place).waiters()), (FileState::Read, Some(1)));
}

#[test]
fn readers_are_told_from_a_writer() {
    let place = Place::new("readers_are_told_from_a_writer");
    let readers = [place.holder_with("job", &["read"]), place.holder_with("job", &["read"])];
    assert_eq!(only(&place).state(), FileState::Read);
    drop(readers);
    let _writer = place.holder("job");
    assert_eq!(only(&place).state(), FileState::Write);
}

#[cfg_attr(lockutils_portable, ignore = "there are no semaphores between processes there")]
#[test]
fn permits_are_counted() {
    let place = Place::new("permits_are_counted");
    let permits = |taken| FileState::Permits { taken, of: 3 };
    let _own = place.locks().semaphore("job", 3).external().acquire().expect("free");
    assert_eq!((only(&place).state(), only(&place).holders().len()), (permits(1), 1));
    let here = place.locks().semaphore("job", 3).external().acquire().expect("free");
    assert_eq!((only(&place).state(), only(&place).holders().len()), (permits(2), 1), "both are here");
    let _other = place.holder_with("job", &["semaphore=3"]);
    assert_eq!((only(&place).state(), only(&place).holders().len()), (permits(3), 2));
    assert_eq!(only(&place).waiters(), Some(0));
    let mut first = place.actor("job", &["semaphore=3"]);
    first.say("wait");
    eventually("it waits", || only(&place).waiters() == Some(1));
    let _second = place.waiter("job", &["semaphore=3"]);
    assert_eq!((only(&place).state(), only(&place).waiters()), (permits(3), Some(2)));
    drop(here);
    first.expect("held");
    assert_eq!(only(&place).state(), permits(3));
}

/// However they wait. Those who have given up count no more, though their threads may still be in the kernel.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn those_who_wait_are_counted() {
    let place = Place::new("those_who_wait_are_counted");
    let _holder = place.holder("job");
    let waits = [&[][..], &["timeout=25000"], &["async"], &["read"]];
    let mut waiters: Vec<Child> = waits.iter().map(|words| place.waiter("job", words)).collect();
    assert_eq!((only(&place).state(), only(&place).waiters()), (FileState::Write, Some(4)));
    let mut gives_up = place.actor("job", &["timeout=50"]);
    gives_up.say("wait");
    gives_up.expect("timeout");
    assert_eq!(only(&place).waiters(), Some(4));
    waiters.pop();
    eventually("the dead count no more", || only(&place).waiters() == Some(3));
}

/// Those of other programs, and the ones of this crate that wait for those.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn programs_of_others_are_told() {
    for peer in Peer::ALL {
        let place = Place::new("programs_of_others_are_told");
        let other = peer.holder(&place.file("job"));
        let status = only(&place);
        let state = if peer.shared { FileState::Read } else { FileState::Write };
        assert_eq!((status.state(), status.waiters()), (state, Some(0)), "{peer:?}");
        let [holder] = status.holders() else { panic!("{peer:?}: {status:?}") };
        assert_eq!(holder.evidence(), Evidence::Kernel, "{peer:?}");
        // `flock(1)` takes the lock for the shell that has started it, and ends.
        let has_ended = holder.to_string().contains(", which has ended ");
        assert!(
            if peer.kind == "flock(1)" { has_ended } else { holder.pid() == Some(pid(&other)) },
            "{peer:?}: {holder}"
        );
        let _ours = place.waiter("job", &[]);
        let status = only(&place);
        assert_eq!((status.state(), status.waiters()), (state, Some(1)), "{peer:?}");
        assert_eq!(status.holders().len(), 1, "{peer:?}: who waits has nothing: {status:?}");
    }
}

#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn a_program_that_the_kernel_does_not_name_is_told() {
    let place = Place::new("a_program_that_the_kernel_does_not_name_is_told");
    let _nameless = Peer::NAMELESS.holder(&place.file("job"));
    let status = only(&place);
    assert_eq!(status.state(), FileState::Write);
    assert_eq!(status.holders()[0].evidence(), Evidence::Nothing);
}

#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn threads_of_others_that_wait_are_counted() {
    let place = Place::new("threads_of_others_that_wait_are_counted");
    let _holder = place.holder("job");
    let mut others =
        [Peer::alone("flock(1)"), Peer::alone("lockf")].map(|peer| peer.actor(&place.file("job")));
    for (number, other) in others.iter_mut().enumerate() {
        other.say("wait");
        place.has_waiters("job", number + 1);
    }
    assert_eq!((only(&place).state(), only(&place).waiters()), (FileState::Write, Some(2)));
}

#[test]
fn what_is_no_lock_file_is_foreign() {
    let place = Place::new("what_is_no_lock_file_is_foreign");
    fs::create_dir(place.file("directory")).expect("a directory");
    mkfifo(&place.file("fifo"), Mode::S_IRWXU).expect("a FIFO");
    symlink("nowhere", place.file("link")).expect("a link");
    fs::write(place.file("notes"), "4711\n").expect("a file of others");
    fs::write(place.file("pid-file"), "1\ninit\nlockutils pid 1 id=1 token=1\n").expect("a pid file");
    fs::write(place.file(".lockutils-removed-1-1"), "").expect("a file beside the locks");
    let (is_none, is_others) = ("it is not a regular file", "it has content that is not of this crate");
    let expected = [
        ("directory", is_none),
        ("fifo", is_none),
        ("link", is_none),
        ("notes", is_others),
        ("pid-file", "it is a pid file"),
    ];
    for (status, (name, why)) in files(&place).iter().zip(expected) {
        assert_eq!((status.state(), status.why()), (FileState::Foreign, Some(why)), "{name}");
        assert_eq!((&*status.name(), status.waiters(), status.is_held()), (name, None, false));
        assert!(status.changed().is_some(), "{name}");
    }
    assert_eq!(names(&files(&place)), expected.map(|(name, _)| name));
    let _user = Peer::alone("flock(1)").holder(&place.file("notes"));
    let notes = place.lock("notes").file_status().expect("no error").expect("external");
    assert_eq!((notes.state(), notes.why()), (FileState::Write, None), "who has it keeps others out");
}

/// By the bytes of their names, whatever these are.
#[test]
fn files_come_in_the_order_of_their_names() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new("files_come_in_the_order_of_their_names");
    for name in ["b", "a-10", "a-2", "Z", "é", "\u{1b}[31m", ".hidden"] {
        fs::write(place.file(name), "").expect("a file");
    }
    let no_text = std::ffi::OsStr::from_bytes(b"no-text-\xff");
    fs::write(place.path().join(no_text), "").expect("a file");
    let files = files(&place);
    let expected = ["\u{1b}[31m", ".hidden", "Z", "a-10", "a-2", "b", "no-text-\u{fffd}", "é"];
    assert_eq!(names(&files), expected);
    let foreign = files.iter().find(|file| file.state() == FileState::Foreign).expect("one is no text");
    assert_eq!(foreign.path().file_name(), Some(no_text));
}

#[test]
fn only_files_of_the_prefix_are_told() {
    let place = Place::with("only_files_of_the_prefix_are_told", |config| config.lock_file_prefix("nova"));
    for name in ["nova-a", "nova-b", "nova", "novax-a", "cinder-a"] {
        fs::write(place.file(name), "").expect("a file");
    }
    assert_eq!(names(&files(&place)), ["nova-a", "nova-b"]);
    let all: Vec<_> = place.locks().with_prefix("").files().expect("no error").collect();
    assert_eq!(all.len(), 5);
}

#[test]
fn a_directory_that_is_missing_has_no_files_and_is_not_made() {
    let place = Place::new("a_directory_that_is_missing_has_no_files");
    fs::remove_dir(place.path()).expect("an empty directory");
    assert_eq!(files(&place), []);
    let status = place.lock("job").file_status().expect("no error").expect("external");
    assert_eq!((status.state(), status.changed()), (FileState::Free, None));
    assert!(!place.path().exists());
    fs::create_dir(place.path()).expect("the fixture removes it");
}

#[test]
fn what_is_no_directory_is_an_error() {
    let place = Place::new("what_is_no_directory_is_an_error");
    fs::write(place.file("file"), "").expect("a file");
    let locks = Locks::new(Config::new().lock_path(place.file("file"))).expect("a configuration");
    let error = locks.files().expect_err("it is a file");
    assert!(error.is_io() && error.to_string().contains("read the lock directory"), "{error}");
    let none = Locks::new(Config::new()).expect("a configuration");
    if none.lock_path().is_none() {
        assert!(none.files().expect_err("there is none").is_no_lock_path());
    }
    assert!(none.lock("x").file_status().expect("internal").is_none());
}

#[test]
fn files_that_vanish_meanwhile_are_left_out() {
    let place = Place::new("files_that_vanish_meanwhile_are_left_out");
    for name in ["a", "b", "c", "d"] {
        fs::write(place.file(name), "").expect("a file");
    }
    fs::create_dir(place.file("e")).expect("a directory");
    let mut files = place.locks().files().expect("no error");
    assert_eq!(files.next().expect("there are some").expect("no error").name(), "a");
    for gone in ["b", "d"] {
        fs::remove_file(place.file(gone)).expect("it is there");
    }
    fs::remove_dir(place.file("e")).expect("it is there");
    assert_eq!(names(&files.by_ref().map(Result::unwrap).collect::<Vec<_>>()), ["c"]);
    assert!(files.next().is_none(), "and then there is nothing for ever");
}

#[test]
fn the_directory_may_go_meanwhile() {
    let place = Place::new("the_directory_may_go_meanwhile");
    fs::write(place.file("a"), "").expect("a file");
    let files = place.locks().files().expect("no error");
    place.renew();
    assert_eq!(files.count(), 0);
}

/// Others take and let go all the time, so that the kernel's list changes while it is read; who has a lock all the while, by
/// the kind that is seen in that list alone, never vanishes from it.
#[test]
fn a_file_that_stays_held_is_never_told_as_free() {
    let place = Place::new("a_file_that_stays_held_is_never_told_as_free");
    let _steady = Peer::alone("flock(1)").holder(&place.file("steady"));
    let is_over = AtomicBool::new(false);
    let takes = |thread: usize| {
        for number in (0_usize..).take_while(|_| !is_over.load(SeqCst)) {
            drop(place.try_acquire(&format!("busy-{thread}-{}", number % 7)));
        }
    };
    let looks = thread::scope(|scope| {
        let takes = &takes;
        (0..2).for_each(|thread| drop(scope.spawn(move || takes(thread))));
        let looks: Vec<_> = (0..200).map(|_| files(&place)).collect();
        is_over.store(true, SeqCst);
        looks
    });
    for files in looks {
        let steady = files.iter().find(|file| file.name() == "steady").expect("it stays");
        assert_eq!(steady.state(), FileState::Write, "{steady:?}");
        // Without the kernel's list, two questions about a file may have two answers.
        let told = |state| {
            matches!(state, FileState::Free | FileState::Write)
                || cfg!(lockutils_portable) && state == FileState::Read
        };
        assert!(files.iter().all(|file| told(file.state())), "{files:?}");
    }
}

/// A lock that goes from hand to hand is told with a holder that it had, or as free.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn a_lock_that_changes_hands_is_told_as_it_was_or_will_be() {
    let place = Place::new("a_lock_that_changes_hands");
    let counter = Counter::new(place.file("counter")).path().display().to_string();
    let words = ["count", "job", &counter, "1000000", "threads=1"];
    let mut fleet: Vec<Child> = (0..3).map(|_| place.helper(&words)).collect();
    for child in &mut fleet {
        child.expect("ready");
        child.say("go");
    }
    eventually("they are at it", || place.file("job").exists());
    let pids: Vec<_> = fleet.iter().map(pid).collect();
    for _ in 0..200 {
        let status = place.locks().files().expect("no error").find_map(|file| {
            let file = file.expect("no error");
            (file.name() == "job").then_some(file)
        });
        let status = status.expect("it stays");
        match status.state() {
            FileState::Write => {
                assert!(!status.holders().is_empty(), "{status:?}");
                let known = |holder: &Holder| holder.pid().is_none_or(|pid| pids.contains(&pid));
                assert!(status.holders().iter().all(known), "{pids:?}: {status:?}");
            }
            FileState::Free | FileState::Waited => assert_eq!(status.holders().len(), 0, "{status:?}"),
            other => panic!("{other:?}: {status:?}"),
        }
    }
}

/// As the library looks at each file: a place in the middle of the names is as good as the beginning.
#[test]
fn an_iterator_can_be_dropped_at_any_time() {
    let place = Place::new("an_iterator_can_be_dropped_at_any_time");
    let _held = place.holder("b");
    for name in ["a", "c"] {
        fs::write(place.file(name), "").expect("a file");
    }
    let files = place.locks().files().expect("no error");
    let held: Vec<_> = files.map(Result::unwrap).filter(FileStatus::is_held).take(1).collect();
    assert_eq!(names(&held), ["b"]);
}
