//! Records that nobody has written who has the lock: torn, strange, from elsewhere, or left behind. They decide
//! nothing, and name nobody who cannot be the holder.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use lockutils::{Evidence, Holder};
use lockutils_tests::{Child, Peer, Place, eventually, helper, needs_root};

/// The record of a process that lives.
fn live_record(place: &Place) -> (Child, String) {
    let child = place.holder("live");
    (child, fs::read_to_string(place.file("live")).expect("text"))
}

/// Whoever reads this content of a lock file finds the lock free when it is, and held when it is: by nobody
/// whom the kernel would name, so that the record is all there is. Says who seems to have it.
#[track_caller]
fn holder_by(place: &Place, content: &[u8]) -> Holder {
    let (lock, file) = (place.lock("job"), place.file("job"));
    fs::write(&file, content).expect("written");
    assert_eq!(lock.holder().expect("no error"), None);
    assert!(!lock.is_locked().expect("no error"));
    assert!(lock.try_acquire().expect("no error").is_some(), "the kernel knows of no lock");
    fs::write(&file, content).expect("written");
    let _ofd = Peer::NAMELESS.holder(&file);
    assert!(lock.is_locked().expect("no error"));
    assert!(lock.try_acquire().expect("no error").is_none(), "the kernel knows of a lock");
    lock.holder().expect("no error").expect("it is held")
}

/// A record that looks live, in a file that nobody has locked: the lock is free. While somebody has it whom the kernel
/// does not name, the record may be true, and is told as what it is.
#[test]
fn a_live_record_without_a_lock_keeps_nobody_out() {
    let place = Place::new("a_live_record_without_a_lock_keeps_nobody_out");
    let (live, record) = live_record(&place);
    let seen = holder_by(&place, record.as_bytes());
    assert_eq!(seen.evidence(), Evidence::Record);
    assert_eq!(seen.pid(), Some(live.pid().as_raw().cast_unsigned()));
}

/// Numbers that no process has, and times that no clock shows.
#[test]
fn strange_numbers_name_nobody() {
    let place = Place::new("strange_numbers_name_nobody");
    let (live, record) = live_record(&place);
    let pid = format!("pid {} ", live.pid());
    for strange in ["pid 0 ", "pid -1 ", "pid 2147483648 ", "pid 4294967296 ", "pid NaN ", "pid ", "pid \0 "]
    {
        let seen = holder_by(&place, record.replace(&pid, strange).as_bytes());
        assert_eq!((seen.evidence(), seen.pid()), (Evidence::Nothing, None), "{strange}");
    }
    for strange in ["since NaN", "since -1", "since 9999-12-31T23:59:59Z", "since 0000-00-00T00:00:00Z"] {
        let (before, _) = record.split_once("since ").expect("a time");
        let seen = holder_by(&place, format!("{before}{strange}\n").as_bytes());
        assert!(seen.to_string().starts_with(&pid), "{strange}: {seen}");
    }
}

/// A record that was cut off anywhere: a part of a number would be that of somebody else.
#[test]
fn a_torn_record_names_nobody() {
    let place = Place::new("a_torn_record_names_nobody");
    let (live, record) = live_record(&place);
    let whole = record.find("since ").expect("the last line") + "since 2".len();
    for length in [0, 1, 11, 12, 20, 44, 50, 60, 80, 150, 200, whole - 2, whole, 511] {
        let seen = holder_by(&place, &record.as_bytes()[..length]);
        let live = (length >= whole).then_some(live.pid().as_raw().cast_unsigned());
        let evidence = if live.is_some() { Evidence::Record } else { Evidence::Nothing };
        assert_eq!((seen.evidence(), seen.pid()), (evidence, live), "{length}: {seen:?}");
    }
}

/// What is not text, and what does not end: nobody reads more than a record.
#[test]
fn huge_files_are_not_read() {
    let place = Place::new("huge_files_are_not_read");
    let (_live, record) = live_record(&place);
    for beginning in [&b""[..], b"lockutils 1 held \xff\xfe\n", record.as_bytes()] {
        holder_by(&place, beginning);
        let file = File::options().write(true).open(place.file("job")).expect("it is there");
        file.set_len(1 << 40).expect("a file with a hole");
        file.write_all_at(b"pid 1 ", 1 << 39).expect("written");
        drop(file);
        assert_eq!(place.lock("job").holder().expect("no error"), None);
        assert!(place.try_acquire("job").is_some());
    }
}

/// Another host, another boot, another pid namespace: a pid of there means nothing here, so a record of another boot of
/// this host is over, and those of other places are told, but not checked.
#[cfg_attr(lockutils_portable, ignore = "boots and namespaces are not known there")]
#[test]
fn records_from_elsewhere() {
    let place = Place::new("records_from_elsewhere");
    let (_live, record) = live_record(&place);
    for (key, evidence) in
        [("boot ", Evidence::Nothing), ("host ", Evidence::Record), ("namespace ", Evidence::Record)]
    {
        let seen = holder_by(&place, record.replace(key, &format!("{key}1")).as_bytes());
        assert_eq!(seen.evidence(), evidence, "{key}");
        // A host that has another name since it was booted is still this one.
        assert_eq!(seen.is_elsewhere(), key == "namespace ", "{key}");
    }
}

/// A program in a pid namespace of its own.
fn in_a_pid_namespace(place: &Place, words: &[&str]) -> Child {
    needs_root("makes a pid namespace");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).args(words);
    Child::spawn(command.env("HELPER", helper()).env("LOCKUTILS_LOCK_PATH", place.path()))
}

/// A container's process has another number here, by which the kernel knows it: it is named by that one. In there,
/// nobody sees a process out here; its record is told.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn holders_in_other_pid_namespaces_are_named() {
    let place = Place::new("holders_in_other_pid_namespaces_are_named");
    let program = helper().display().to_string();
    let mut inside = in_a_pid_namespace(&place, &[&program, "actor", "job"]);
    inside.take();
    let children = format!("/proc/{0}/task/{0}/children", inside.pid());
    let children = fs::read_to_string(children).expect("the kernel lists children");
    // The kernel's list of locks is read in pieces; what others change meanwhile may hide a line.
    eventually("the kernel names it", || {
        let seen = place.lock("job").holder().expect("no error").expect("it is held");
        assert_eq!(seen.program(), Some("helper"));
        seen.evidence() == Evidence::Both && seen.pid().is_some_and(|pid| pid.to_string() == children.trim())
    });
    inside.release();

    let outside = place.holder("job");
    let line = in_a_pid_namespace(&place, &[&program, "holder", "job"]).line();
    let text = format!("pid {} (helper) in another pid namespace for ", outside.pid());
    assert!(line.starts_with(&text), "{line}");
}

/// A holder dies, and its number goes to another process while its record is still there.
const REUSE: &str = r#"
coproc dead { exec "$HELPER" take job; }
pid=$dead_PID
read -r said <&"${dead[0]}"
began=$(cut -d' ' -f22 /proc/$pid/stat)
kill -KILL $pid
wait $pid 2>/dev/null || :
# The clock by which processes are told apart has ticks of 10 ms.
while
    echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
    sleep 1000 &
    [ $! = $pid ] && [ "$(cut -d' ' -f22 /proc/$pid/stat)" = "$began" ]
do
    kill -KILL $pid
    wait $pid 2>/dev/null || :
done
echo "$said $pid $!"
read -r _
exec "$HELPER" holder job
"#;

/// A number that belongs to another process by now: that one is not named, whoever has the lock.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn a_reused_pid_is_not_named() {
    let place = Place::new("a_reused_pid_is_not_named");
    let mut inside = in_a_pid_namespace(&place, &["bash", "-uc", REUSE]);
    let line = inside.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert!(words.len() == 3 && words[0] == "held" && words[1] == words[2], "no number was reused: {line}");
    let record = fs::read_to_string(place.file("job")).expect("text");
    assert!(record.contains(&format!("\npid {} started ", words[1])), "{record}");
    let _ofd = Peer::NAMELESS.holder(&place.file("job"));
    inside.say("look");
    inside.expect("a process that the kernel does not name");
}
