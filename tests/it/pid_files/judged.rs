//! Who counts as dead, and who is respected although nothing is known of it.

use std::fs;
use std::time::Duration;

use lockutils_tests::{Place, eventually, needs_root};

use super::{content, taken, token};

/// A file as a killed holder leaves it.
fn left(place: &Place) -> String {
    let mut holder = place.holder("job");
    let left = content(place);
    holder.kill();
    assert_eq!(content(place), left, "nobody has cleaned up");
    left
}

/// The word that comes after `key` becomes another one.
fn with(content: &str, key: &str, value: &str) -> String {
    let start = content.find(key).expect("it is there") + key.len();
    let end = start + content[start..].find([' ', '\n']).expect("it ends");
    [&content[..start], value, &content[end..]].concat()
}

fn is_free(place: &Place, content: &str) -> bool {
    fs::write(place.file("job"), content).expect("it can be written");
    place.try_acquire("job").is_some()
}

/// The number that was given to another process means nobody; so does one that nobody has.
#[test]
fn pid_and_start_tell_the_dead() {
    let place = Place::of_pid_files("pid_and_start_tell_the_dead");
    let dead = left(&place);
    assert!(is_free(&place, &dead), "there is no such process");
    let me = std::process::id().to_string();
    let reused = with(&with(&dead, "\npid ", &me), "", &me);
    assert!(is_free(&place, &reused), "this process has its pid, and was started at another time");
}

/// What ran before the last boot has ended. But that a boot is another one proves nothing: containers are shown boots of
/// their own.
#[test]
fn a_boot_of_this_host_ends_all_that_ran_before() {
    let place = Place::of_pid_files("a_boot_of_this_host_ends_all_that_ran_before");
    let other = |content: &str| with(content, " boot ", "00000000-0000-0000-0000-000000000000");
    let dead = left(&place);
    assert!(is_free(&place, &other(&dead)));
    let holder = place.holder("job");
    let living = content(&place);
    assert!(!is_free(&place, &other(&living)), "it is there");
    assert!(!is_free(&place, &with(&living, "\nhost ", "renamed")), "it is there, and the host was renamed");
    assert!(is_free(&place, &with(&dead, "\nhost ", "renamed")), "of the same boot");
    drop(holder);
}

/// Of other hosts, pid namespaces and clocks nothing can be seen: what they hold is respected for ever.
#[test]
fn who_cannot_be_seen_is_respected() {
    let place = Place::of_pid_files("who_cannot_be_seen_is_respected");
    let dead = left(&place);
    let elsewhere = with(&with(&dead, " boot ", "00000000-0000-0000-0000-000000000000"), "\nhost ", "other");
    assert!(!is_free(&place, &elsewhere), "another host");
    assert!(!is_free(&place, &with(&dead, " namespace ", "1")), "another pid namespace");
    let holder = place.lock("job").holder().expect("no error").expect("it may live");
    assert!(holder.is_elsewhere());
    let error = place.lock("job").timeout(Duration::from_millis(5)).acquire().expect_err("busy").to_string();
    assert!(error.contains(" (helper) in another pid namespace for "), "{error}");
    let hint = "; a longer timeout may help, but nobody can see from here whether that process lives: if it has ended, \
                remove the file";
    assert!(error.ends_with(hint), "{error}");
    // The clock says when it was started, not whether it is there.
    let me = std::process::id().to_string();
    let living = with(&with(&dead, "\npid ", &me), "", &me);
    assert!(!is_free(&place, &with(&living, " clock ", "1")), "another clock, and the pid is there");
    assert!(is_free(&place, &with(&dead, " clock ", "1")), "another clock, and there is no such pid");
    assert!(!is_free(&place, &with(&living, " started ", "0")), "nobody knows when it was started");
}

/// What is torn, empty or somebody else's is not taken for free, and said to be in the way.
#[test]
fn what_names_no_holder_is_an_error() {
    let place = Place::of_pid_files("what_names_no_holder_is_an_error");
    let whole = left(&place);
    for content in ["", "4711\npython3\n", &whole[..whole.len() / 2], &"x".repeat(100_000)] {
        fs::write(place.file("job"), content).expect("it can be written");
        for lock in [place.lock("job"), place.lock("job").timeout(super::SOON)] {
            let error = lock.acquire().expect_err("not free");
            assert!(error.is_not_a_file());
            let text = format!(
                "lock file {} does not say who has it, as pid files do: another mechanism or program uses it, or the system \
                 crashed when it was made; remove it if nobody uses it, or choose another name",
                place.file("job").display()
            );
            assert_eq!(error.to_string(), text);
        }
        assert!(place.lock("job").holder().is_err());
        assert_eq!(fs::read_to_string(place.file("job")).expect("text"), content, "it is left alone");
    }
    fs::remove_file(place.file("job")).expect("it can be removed");
    std::os::unix::fs::symlink("/nowhere", place.file("job")).expect("it can be made");
    assert!(place.lock("job").acquire().expect_err("a link").is_not_a_file());
}

/// Who is about to take over is in the way of others, and is named: the dead one is not.
#[test]
fn who_takes_over_is_named_meanwhile() {
    let place = Place::of_pid_files("who_takes_over_is_named_meanwhile");
    let dead = left(&place);
    let pause = ["-e", "trace=renameat", "-e", "inject=renameat:delay_enter=2000000:when=1"];
    let (mut taker, _) = place.strace(&pause, &["actor", "job"]);
    taker.say("try");
    eventually("it has claimed the file", || place.lock("job").is_locked().expect("no error"));
    assert_eq!(content(&place), dead, "it has not taken over yet");
    let error = place.lock("job").timeout(Duration::from_millis(5)).acquire().expect_err("busy").to_string();
    assert!(error.contains("; its file is held by pid ") && error.contains(" (helper) for "), "{error}");
    taker.expect("held");
}

/// Tokens grow, also those of a clock that was set back, and whoever is killed while it takes over.
#[test]
fn tokens_of_the_dead_are_not_forgotten() {
    for (write, number) in [("its content", 1), ("the token before", 2), ("its own token", 3)] {
        let place = Place::of_pid_files("tokens_of_the_dead_are_not_forgotten");
        let ahead = token(&left(&place)) + 3_600_000_000_000;
        let content = with(&content(&place), " token=", &format!("{ahead:020}"));
        fs::write(place.file("job"), content).expect("it can be written");
        let kill = format!("inject=pwrite64:signal=SIGKILL:when={number}");
        let (mut taker, _) = place.strace(&["-e", "trace=pwrite64", "-e", &kill], &["actor", "job"]);
        taker.say("try");
        assert_eq!(taker.said_within(super::SOON), None, "it is killed when it writes {write}");
        let next = place.lock("job").timeout(super::SOON).acquire().expect("nobody lives");
        assert!(next.fencing_token() > ahead, "killed when it wrote {write}");
    }
}

/// A process lives as long as one of its threads does.
#[test]
fn a_process_whose_first_thread_has_ended_lives() {
    let place = Place::of_pid_files("a_process_whose_first_thread_has_ended_lives");
    let mut holder = place.helper(&["leader-ends", "job"]);
    holder.expect("held");
    assert!(place.try_acquire("job").is_none() && place.lock("job").is_locked().expect("no error"));
    holder.finish();
    drop(taken(&place));
}

/// A zombie has ended, although its number is still in use.
#[test]
fn a_process_that_nobody_has_waited_for_has_ended() {
    let place = Place::of_pid_files("a_process_that_nobody_has_waited_for_has_ended");
    let mut holder = place.holder("job");
    nix::sys::signal::kill(holder.pid(), nix::sys::signal::Signal::SIGKILL).expect("it can be killed");
    assert!(place.comes_free("job", super::SOON));
    holder.kill();
}

/// In a pid namespace whose `/proc` is that of another one, the numbers there mean other processes.
#[test]
fn a_foreign_proc_is_not_believed() {
    needs_root("makes a pid namespace");
    let place = Place::of_pid_files("a_foreign_proc_is_not_believed");
    let script = r#""$1" actor job < <(echo wait; exec sleep 1000) & first=$!
        until [ -s "$2/job" ]; do sleep 0.01; done
        echo try | "$1" actor job
        kill -9 $first; wait $first 2>/dev/null || true
        echo try | "$1" actor job"#;
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "bash", "-c", script, "bash"]);
    command.arg(lockutils_tests::helper()).arg(place.path());
    command.env("LOCKUTILS_LOCK_PATH", place.path()).env("LOCKUTILS_MECHANISM", "pid");
    let mut child = lockutils_tests::Child::spawn(&mut command);
    for line in ["held", "busy", "held"] {
        child.expect(line);
    }
}
