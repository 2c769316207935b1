//! Where lock files may be: the kinds of file systems, by injected answers, and directories that are open to
//! everybody.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use lockutils_tests::{Child, Place};

/// A helper program for which the lock directory is on the file system with this number (statfs(2)).
fn on(place: &Place, magic: u64, words: &[&str]) -> Child {
    // The number is the first word of what the second argument leads to, its lowest byte first.
    let poke = format!("inject=fstatfs:poke_exit=@arg2={:016x}", magic.swap_bytes());
    place.strace(&["-e", "trace=fstatfs", "-e", &poke], words).0
}

const NETWORK: [(u64, &str, bool); 16] = [
    (0x6969, "NFS", true),
    (0x6573_5546, "FUSE", true),
    (0x0102_1997, "9p", true),
    (0x00c3_6400, "Ceph", true),
    (0x0bd0_0bd0, "Lustre", true),
    (0x4750_4653, "GPFS", true),
    (0x0116_1970, "GFS2", true),
    (0x7461_636f, "OCFS2", true),
    (0x517b, "SMB", false),
    (0xff53_4d42, "SMB", false),
    (0xfe53_4d42, "SMB", false),
    (0x5346_414f, "AFS", false),
    (0x6b41_4653, "AFS", false),
    (0x7375_7245, "Coda", false),
    (0x564c, "NCP", false),
    (0x786f_4256, "a VirtualBox shared folder", false),
];

#[cfg_attr(lockutils_portable, ignore = "kinds of file systems have no numbers there")]
#[test]
fn each_network_file_system_has_its_rule() {
    for (magic, name, is_allowed) in NETWORK {
        let place = Place::new("each_network_file_system_has_its_rule");
        let line = on(&place, magic, &["take", "job"]).line();
        if is_allowed {
            assert_eq!(line, "held", "{name}");
        } else {
            let start = format!(
                "error unsupported: the lock directory {} is on {name}, and it",
                place.path().display()
            );
            assert!(line.starts_with(&start), "{line}");
            assert!(
                fs::read_dir(place.path())
                    .expect("there")
                    .all(|file| { file.expect("a file").file_name() == "strace.log" }),
                "no file was made"
            );
        }
    }
}

#[test]
fn local_file_systems_are_allowed() {
    // ext4, XFS, Btrfs, tmpfs, overlay, and one that nobody knows.
    for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x1234_5678] {
        let place = Place::new("local_file_systems_are_allowed");
        on(&place, magic, &["network", "refuse", "job"]).expect("held");
    }
}

#[cfg_attr(lockutils_portable, ignore = "kinds of file systems have no numbers there")]
#[test]
fn the_configuration_overrules_the_kind() {
    for (magic, _, _) in NETWORK {
        let place = Place::new("the_configuration_overrules_the_kind");
        for policy in ["warn", "allow"] {
            on(&place, magic, &["network", policy, "job"]).expect("held");
        }
        let line = on(&place, magic, &["network", "refuse", "job"]).line();
        assert!(line.starts_with("error unsupported: "), "{line}");
    }
}

/// Where it cannot be asked, the locks themselves tell.
#[cfg_attr(lockutils_portable, ignore = "kinds of file systems have no numbers there")]
#[test]
fn a_file_system_that_cannot_be_asked_is_allowed() {
    for (error, is_allowed) in [("ENOSYS", true), ("EPERM", true), ("EIO", false)] {
        let place = Place::new("a_file_system_that_cannot_be_asked_is_allowed");
        let inject = format!("inject=fstatfs:error={error}");
        let line = place.strace(&["-e", "trace=fstatfs", "-e", &inject], &["take", "job"]).0.line();
        assert_eq!(line == "held", is_allowed, "{error}: {line}");
    }
}

/// Everybody may write to such a directory, and so could take away the file of a lock that is held; unless the
/// sticky bit keeps them from what is not theirs, or the configuration says that it does not matter.
#[test]
fn directories_that_are_open_to_everybody() {
    for (mode, is_allowed) in [(0o777, false), (0o702, false), (0o1777, true), (0o770, true), (0o755, true)] {
        let place = Place::new("directories_that_are_open_to_everybody");
        fs::set_permissions(place.path(), Permissions::from_mode(mode)).expect("a mode");
        let taken = place.lock("job").try_acquire();
        assert_eq!(taken.is_ok(), is_allowed, "{mode:o}");
        let insecure =
            Place::with("directories_that_are_open_to_everybody", |config| config.insecure_lock_path(true));
        fs::set_permissions(insecure.path(), Permissions::from_mode(mode)).expect("a mode");
        assert!(insecure.try_acquire("job").is_some(), "{mode:o}");
    }
}
