//! What is left by those who were killed while they took a lock, and who takes it away.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use lockutils_tests::Place;

use super::names;

/// The calls in which a process can be killed on its way to the lock of a dead one.
const CALLS: [&str; 4] = ["linkat", "renameat", "unlinkat", "fdatasync"];

/// However far it has come, and whoever was killed on the same way before it, the next one gets the lock; and `clean`
/// leaves nothing.
#[test]
fn who_is_killed_on_its_way_is_in_nobody_s_way() {
    let mut killed = 0;
    for call in CALLS {
        for number in 1..=4 {
            let place = Place::of_pid_files("who_is_killed_on_its_way_is_in_nobody_s_way");
            place.holder("job").kill();
            let inject = format!("inject={call}:signal=SIGKILL:when={number}");
            for _ in 0..3 {
                let (mut child, _) =
                    place.strace(&["-e", &format!("trace={call}"), "-e", &inject], &["actor", "job"]);
                child.say("try");
                let said = child.said_within(super::SOON);
                killed += usize::from(said.is_none());
                child.kill();
            }
            fs::remove_file(place.file("strace.log")).expect("strace has written");
            assert!(place.comes_free("job", super::SOON), "{call} {number}: {:?}", names(&place));
            place.locks().clean("*", Duration::ZERO).expect("it can be cleaned");
            assert_eq!(names(&place), [""; 0], "{call} {number}");
        }
    }
    assert!(killed >= 20, "only {killed} were killed on their way");
}

#[test]
fn clean_removes_what_the_dead_have_left() {
    let place = Place::of_pid_files("clean_removes_what_the_dead_have_left");
    let _held = place.try_acquire("held").expect("free");
    place.holder("dead").kill();
    let cleaned = place.locks().clean("*", Duration::ZERO).expect("it can be cleaned");
    assert_eq!((cleaned.removed, cleaned.busy), (vec!["dead".to_owned()], vec!["held".to_owned()]));
    // Of a file without content nobody can say whose it is. If that one lives, it makes another.
    let unwritten = place.file(".lockutils-pid-new-00000000000000000000000000000000");
    let file = fs::File::create(&unwritten).expect("it can be made");
    file.set_modified(SystemTime::now() - Duration::from_secs(2)).expect("its time can be set");
    place.locks().clean("*", Duration::ZERO).expect("it can be cleaned");
    assert!(!unwritten.exists());
}

/// Cleaning beside those who take locks disturbs nobody.
#[test]
fn cleaning_is_in_nobody_s_way() {
    let place = Place::of_pid_files("cleaning_is_in_nobody_s_way");
    let (locks, end) = (place.locks().clone(), Instant::now() + Duration::from_secs(1));
    let cleaner = std::thread::spawn(move || {
        while Instant::now() < end {
            locks.clean("*", Duration::ZERO).expect("it can be cleaned");
        }
    });
    while Instant::now() < end {
        place.lock("job").acquire().expect("nobody else wants it").release().expect("it was there");
    }
    cleaner.join().expect("no panic");
}
