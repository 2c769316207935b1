//! File systems that are full, read-only, immutable, layered, or keep no locks.

use std::fs;
use std::path::Path;
use std::process::Command;

use lockutils_tests::{Mounts, Place, eventually, needs_root};

/// Takes a lock in each way, which is to be an error that begins like this and says this.
fn refused(mounts: &Mounts<'_>, name: &str, start: &str, says: &str) {
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        let line = mounts.helper("there", &[&["take", name], words].concat()).line();
        assert!(line.starts_with(&format!("error {start}: ")) && line.contains(says), "{words:?}: {line}");
    }
}

/// There is no room for another file: an error that says so, and a lock as soon as there is.
#[test]
fn no_room_for_a_file() {
    let place = Place::new("no_room_for_a_file");
    let mounts =
        Mounts::new(&place, "mkdir there; mount -t tmpfs -o nr_inodes=2 none there; touch there/other");
    refused(&mounts, "job", "io", "No space left on device (os error 28); no space for a new file");
    mounts.helper("there", &["take", "other"]).expect("held");
    mounts.run("rm there/other");
    mounts.helper("there", &["take", "job"]).expect("held");
}

/// The same where a quota is used up, which the kernel says when the file is made.
#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn no_quota_for_a_file() {
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        let place = Place::new("no_quota_for_a_file");
        // The first two calls open the directory and find no file; the next two are the ways to make one.
        let directory = place.path().display().to_string();
        let options = ["-e", "trace=openat", "-e", "inject=openat:error=EDQUOT:when=3..4", "-P", &directory];
        let (mut child, log) = place.strace(&options, &[&["take", "job"], words].concat());
        let line = child.line();
        assert!(line.starts_with("error io: cannot open lock file "), "{words:?}: {line}");
        assert!(line.contains("(os error 122)"), "{words:?}: {line}");
        child.finish();
        let log = fs::read_to_string(log).expect("a log");
        assert_eq!(log.matches("INJECTED").count(), 2, "{log}");
        assert!(!place.file("job").exists());
    }
}

/// A file that is there needs no room to be locked; its record does, so the kernel alone names the holder.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn a_full_file_system_costs_no_lock() {
    let place = Place::new("a_full_file_system_costs_no_lock");
    let fill = "dd if=/dev/zero of=there/other bs=4096 count=1 status=none";
    let mounts = Mounts::new(&place, &format!("mkdir there; mount -t tmpfs -o size=4k none there; {fill}"));
    let mut holder = mounts.helper("there", &["actor", "job"]);
    for full in [true, false] {
        holder.take();
        assert!(!mounts.helper("there", &["actor", "job"]).try_take());
        let start = format!("pid {} (helper)", holder.pid());
        // The kernel's list of locks is read in pieces; what others change meanwhile may hide a line.
        eventually("the kernel names it", || {
            let line = mounts.helper("there", &["holder", "job"]).line();
            // Since when and where, only the record knows.
            if full { line == start } else { line.starts_with(&format!("{start} for ")) }
        });
        holder.release();
        mounts.run(if full { "test ! -s there/job; rm there/other" } else { "test -s there/job" });
    }
}

/// Nothing can be locked where nothing can be written, not even what is there; it can be looked at.
#[test]
fn a_read_only_file_system_is_refused() {
    let place = Place::new("a_read_only_file_system_is_refused");
    let mounts = Mounts::new(
        &place,
        "mkdir there; touch there/job; mount --bind there there; mount -o remount,bind,ro there",
    );
    let says = "Read-only file system (os error 30); the file system is mounted read-only";
    for name in ["job", "new"] {
        refused(&mounts, name, "permission io", says);
        mounts.helper("there", &["holder", name]).expect("nobody");
    }
    let mut holder = place.helper_at("there", &["actor", "job"]);
    holder.take();
    let line = mounts.helper("there", &["holder", "job"]).line();
    assert!(line.starts_with(&format!("pid {} (helper) for ", holder.pid())), "{line}");
}

/// What chattr(1) has made immutable, and what it makes changeable again at the end.
struct Immutable<'a>(&'a Path);

impl<'a> Immutable<'a> {
    #[track_caller]
    fn new(path: &'a Path) -> Self {
        needs_root("makes files immutable");
        assert!(
            chattr("+i", path),
            "the file system of {} knows no immutable files: set TMPDIR to one that does",
            path.display()
        );
        Self(path)
    }
}

impl Drop for Immutable<'_> {
    fn drop(&mut self) {
        chattr("-i", self.0);
    }
}

fn chattr(change: &str, path: &Path) -> bool {
    Command::new("chattr").arg(change).arg(path).status().expect("chattr(1) can be started").success()
}

/// Neither an immutable file nor a file in an immutable directory is for us: an error, also for root.
#[test]
fn an_immutable_file_or_directory_is_refused() {
    let place = Place::new("an_immutable_file_or_directory_is_refused");
    let (file, directory) = (place.file("job"), place.file("closed"));
    drop(place.try_acquire("job"));
    fs::create_dir(&directory).expect("a directory");
    let immutable = [Immutable::new(&file), Immutable::new(&directory)];
    for lock in [place.lock("job"), place.lock("job").read(), place.lock("new").lock_path(&directory)] {
        let error = lock.try_acquire().expect_err("it may not be opened for writing");
        assert!(error.is_permission() && error.to_string().contains("(os error 1)"), "{error}");
    }
    assert_eq!(place.lock("job").holder().expect("it can be looked at"), None);
    drop(immutable);
    assert!(place.try_acquire("job").is_some());
}

/// A file system that says yes to both kinds of lock and keeps neither, as some network mounts do, cannot be
/// told from one that keeps them: both hold.
#[test]
fn a_file_system_that_grants_and_forgets_is_not_noticed() {
    let place = Place::new("a_file_system_that_grants_and_forgets_is_not_noticed");
    let file = place.file("job").display().to_string();
    let forgets = ["-e", "trace=flock,fcntl", "-e", "inject=flock,fcntl:retval=0", "-P", &file];
    let (mut one, _) = place.strace(&forgets, &["actor", "job"]);
    one.take();
    assert!(place.try_acquire("job").is_some(), "the kernel has been told of no lock");
}

/// A layer over `lower` and `upper`.
const OVERLAY: &str = "mkdir lower upper work there; touch lower/job; chmod 644 lower/job\n\
    mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay there";

/// The file of the lower layer is copied up when it is opened: who has locked it before is waited for, and
/// who comes later waits.
#[test]
fn a_copy_up_splits_nothing() {
    let place = Place::new("a_copy_up_splits_nothing");
    let mounts = Mounts::new(&place, OVERLAY);
    let mut actor = mounts.helper("there", &["actor", "job"]);
    // flock(1) opens a file that is there for reading only, and that copies nothing.
    mounts.run(
        "exec 9<there/job; flock --exclusive 9; test ! -e upper/job\n\
         LOCKUTILS_LOCK_PATH=$PWD/there \"$HELPER\" take job timeout=10 </dev/null | grep -qx timeout\n\
         test -e upper/job",
    );
    assert!(actor.try_take());
    mounts.run("! flock --nonblock there/job true");
    assert!(!mounts.helper("there", &["actor", "job"]).try_take());
    let line = mounts.helper("there", &["holder", "job"]).line();
    assert!(line.starts_with(&format!("pid {} (helper)", actor.pid())), "{line}");
    actor.release();
    mounts.helper("there", &["remove", "job"]).expect("Removed");
    mounts.helper("there", &["take", "job"]).expect("held");
}

/// Through the layer and past it are two files to the kernel: a container and its host need one path.
#[test]
fn a_layer_and_what_lies_below_do_not_meet() {
    let place = Place::new("a_layer_and_what_lies_below_do_not_meet");
    let mounts = Mounts::new(&place, OVERLAY);
    let mut inside = mounts.helper("there", &["actor", "job"]);
    inside.take();
    assert!(mounts.helper("upper", &["actor", "job"]).try_take(), "it is another lock");
}
