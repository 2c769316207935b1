//! Readers and writers of several processes.

use std::mem;
use std::time::Duration;

use lockutils_tests::Place;

/// How many readers may overtake a writer that waits.
const TURNS: u32 = 100;

#[test]
fn readers_of_several_processes_share() {
    let place = Place::new("readers_of_several_processes_share");
    let mut readers: Vec<_> = (0..3).map(|_| place.holder_with("job", &["read"])).collect();
    let mut writer = place.actor("job", &[]);
    for reader in &mut readers {
        let guard = place.lock("job").read().try_acquire().expect("no error");
        assert!(guard.is_some_and(|guard| guard.is_shared()));
        assert!(!writer.try_take(), "somebody reads");
        reader.release();
    }
    assert!(writer.try_take(), "nobody reads any more");
    assert!(place.lock("job").read().try_acquire().expect("no error").is_none());
}

/// Several readers of one process have one share of the file: the last one gives it back.
#[test]
fn readers_of_one_process_share_one_lock() {
    let place = Place::new("readers_of_one_process_share_one_lock");
    let read = || place.lock("job").read().acquire().expect("nobody writes");
    let (first, second) = (read(), read());
    let mut writer = place.actor("job", &[]);
    drop(first);
    assert!(!writer.try_take(), "one still reads");
    drop(second);
    assert!(writer.try_take());
}

#[test]
fn a_writer_waits_for_the_readers_of_all_processes() {
    let place = Place::new("a_writer_waits_for_the_readers_of_all_processes");
    let mut readers: Vec<_> = (0..2).map(|_| place.holder_with("job", &["read"])).collect();
    let mut writer = place.waiter("job", &[]);
    for reader in &mut readers {
        assert!(writer.is_silent());
        reader.release();
    }
    writer.expect("held");
}

/// What was taken alone and is shared from now on lets other processes read, and nobody write.
#[test]
fn a_downgraded_lock_shares_with_other_processes() {
    let place = Place::new("a_downgraded_lock_shares_with_other_processes");
    let (mut reader, mut writer) = (place.actor("job", &["read"]), place.actor("job", &[]));
    let guard = place.lock("job").acquire().expect("a free lock");
    assert!(!reader.try_take());
    let guard = guard.downgrade().expect("no error");
    assert!(reader.try_take());
    assert!(!writer.try_take());
    drop(guard);
    assert!(!writer.try_take(), "the other one still reads");
    reader.release();
    assert!(writer.try_take());
}

/// Two processes that read by turns, so that there is always one inside, do not keep a writer out for ever:
/// sooner or later the next reader has to wait behind it.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn readers_of_other_processes_do_not_starve_a_writer() {
    for words in [&[][..], &["timeout=25000"], &["async"]] {
        let place = Place::new("readers_of_other_processes_do_not_starve_a_writer");
        let (mut inside, mut next) = (place.holder_with("job", &["read"]), place.actor("job", &["read"]));
        let mut writer = place.waiter("job", words);
        let overtakes = |_: &u32| {
            next.say("wait");
            let overtaken = next.said_within(Duration::from_secs(1)).is_some();
            inside.release();
            mem::swap(&mut inside, &mut next);
            overtaken
        };
        let readers = (0..TURNS).take_while(overtakes).count();
        assert!(readers < TURNS as usize, "{readers} readers have overtaken the writer {words:?}");
        writer.expect("held");
        writer.release();
        inside.expect("held");
    }
}
