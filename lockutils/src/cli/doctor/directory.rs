//! Whether the directory is there, and who may do what in it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, geteuid};

use super::Patient;
use super::finding::Finding;

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let path = &patient.path;
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => existing(patient, &found),
        Ok(_) => {
            let text = format_args!("{} is not a directory", path.display()).to_string();
            vec![Finding::problem("directory", text, "move it away, or choose another `lock_path`")]
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![missing(path)],
        Err(error) => {
            let text = format!("cannot look at {}: {error}", path.display());
            let way_out =
                "check the mode of the directories above it (namei -l), or choose another `lock_path`";
            vec![Finding::problem("directory", text, way_out)]
        }
    }
}

/// The first lock makes it, if it can.
fn missing(path: &Path) -> Finding {
    if path.is_symlink() {
        let text = format!("{} is a symbolic link that leads nowhere", path.display());
        return Finding::problem("directory", text, "make what it leads to, or remove it");
    }
    let above = path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    let user = geteuid();
    match may(above, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if above.is_dir() => Finding::warning(
            "directory",
            format_args!("it is missing; the first lock makes it, for user {user} alone (mode 0700)"),
            format_args!(
                "make it beforehand if other users share it: install -d -m 0770 -g GROUP {}",
                path.display()
            ),
        ),
        refused => {
            let why =
                refused.err().map_or("it is not a directory".to_owned(), |errno| errno.desc().to_owned());
            let text = format!("it is missing, and user {user} cannot make it in {}: {why}", above.display());
            Finding::problem(
                "directory",
                text,
                format_args!("make it: install -d -m 0700 -o {user} {}", path.display()),
            )
        }
    }
}

fn existing(patient: &Patient, found: &Metadata) -> Vec<Finding> {
    let (user, owner, mode) = (geteuid(), found.uid(), found.mode() & 0o7777);
    let mut findings =
        vec![Finding::ok("directory", format_args!("owner {owner}, group {}, mode {mode:04o}", found.gid()))];
    if owner != user.as_raw() && owner != 0 {
        let text = format!("user {owner} owns it, and can take away the lock files of user {user}");
        findings.push(Finding::warning("owner", text, "let the user of the service own it, or root (chown)"));
    }
    findings.extend(others(patient, mode));
    findings.extend(group(patient, mode));
    findings.push(access(patient));
    findings
}

fn others(patient: &Patient, mode: u32) -> Option<Finding> {
    let path = patient.path.display();
    let sticky = mode & 0o1000 != 0;
    if mode & 0o002 == 0 {
        return None;
    }
    let text = "everybody may write to it, and so remove the files of others";
    let way_out = format!("take that right away (chmod o-w {path}), or set the sticky bit (chmod +t {path})");
    Some(match sticky {
        true => Finding::warning(
            "mode",
            "everybody may make files in it, also those of locks that are not theirs, and hold them for ever",
            format_args!("take that right away (chmod o-w {path})"),
        ),
        false if patient.config.insecure_lock_path => Finding::warning("mode", text, way_out),
        false => Finding::problem("mode", text, way_out),
    })
}

/// A directory of a group, and files that the group cannot open.
fn group(patient: &Patient, mode: u32) -> Option<Finding> {
    let files = patient.config.lock_file_mode.unwrap_or(0o600);
    if mode & 0o022 != 0o020 || files & 0o060 == 0o060 {
        return None;
    }
    let text =
        format!("its group may write to it, and not open the lock files, which get the mode {files:04o}");
    Some(Finding::warning(
        "mode",
        text,
        "set `lock_file_mode = \"0660\"` if the group shares the locks, else chmod g-w",
    ))
}

fn access(patient: &Patient) -> Finding {
    let (path, user) = (&patient.path, geteuid());
    if let Err(errno) = may(path, AccessFlags::W_OK | AccessFlags::X_OK) {
        let text = format!("user {user} cannot make lock files in it: {}", errno.desc());
        let way_out = match errno {
            nix::errno::Errno::EROFS => "mount its file system for writing, or choose another `lock_path`",
            nix::errno::Errno::EPERM => "it may be immutable: chattr -i; or choose another `lock_path`",
            _ => "change its owner or mode, or those above it, or run this as the user of the service",
        };
        return Finding::problem("access", text, way_out);
    }
    match may(path, AccessFlags::R_OK) {
        Ok(()) => Finding::ok("access", format_args!("user {user} can list it, and make and remove files")),
        Err(errno) => {
            let text = format!("user {user} cannot list it, so clean and list do not work: {}", errno.desc());
            Finding::warning("access", text, format_args!("chmod u+r {}, if that is wanted", path.display()))
        }
    }
}

/// As this user, with its privileges.
fn may(path: &Path, what: AccessFlags) -> nix::Result<()> {
    faccessat(AT_FDCWD, path, what, AtFlags::AT_EACCESS)
}
