//! What a lock directory must be like: on a file system that keeps locks, and not open to everybody.

use std::path::Path;

use nix::errno::Errno;
use nix::libc::S_ISVTX;

use super::Mechanism;
use super::file::{self, Handle};
use crate::error::{Error, Kind};
use crate::trace;

/// What to do about a lock directory on a network file system.
///
/// Between the processes of a host, the kernel keeps the locks of local file systems itself. On a network file system
/// it is the server or the driver that decides, by rules that cannot be seen from here. Without one of these in the
/// [configuration](crate::Config::network_filesystems), the rule is that of its kind:
///
/// | file system | rule | why |
/// |---|---|---|
/// | NFS | warn | the server keeps the locks, unless it is mounted with `nolock` or `local_lock`; a restart of it may lose them |
/// | FUSE, 9p | warn | the driver may keep locks itself, and nobody knows in what way |
/// | Ceph, Lustre, GPFS, GFS2, OCFS2 | warn | whether they keep locks, and among whom, is a matter of how they are mounted |
/// | SMB | refuse | locks are mandatory, so that others cannot even read who has one; with `nobrl` they are none |
/// | AFS, Coda, NCP, `VirtualBox` shared folders | refuse | they keep no locks, or none on parts of files |
/// | everything else | allow | the locks are the kernel's own |
///
/// With [`Mechanism::Pid`](crate::Mechanism::Pid), which needs no locks of the file system, the rule is to allow all.
///
/// An overlay file system counts as local. A file and the same file in one of its layers are two, and exclude nobody.
///
/// The portable path knows no kinds: there everything is allowed.
///
/// Sources: statfs(2), nfs(5), mount.cifs(8), `fs/afs/flock.c` and `fs/fuse/file.c` of Linux.
///
/// ```
/// use lockutils::{Config, Policy};
/// let config = Config::new().lock_path("/mnt/nfs/locks").network_filesystems(Policy::Refuse);
/// assert_eq!(config.network_filesystems, Some(Policy::Refuse));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Policy {
    /// Locks in it are an error ([`Error::is_unsupported`]).
    Refuse,
    /// Locks in it are taken, and a warning is logged once.
    Warn,
    /// Locks in it are taken.
    Allow,
}

/// What is asked of a lock directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) mechanism: Mechanism,
    pub(crate) network: Option<Policy>,
    /// It may be open to everybody.
    pub(crate) insecure: bool,
}

/// A file system that is not the kernel's own.
struct Network {
    name: &'static str,
    rule: Policy,
    why: &'static str,
}

/// Checks a directory that has just been opened.
pub(super) fn check(directory: &Handle, path: &Path, rules: Rules) -> Result<(), Error> {
    let failed = |errno| Error::io_at("look at the lock directory", path, errno);
    let mode = file::mode(directory).map_err(failed)?;
    if !rules.insecure && mode & 0o002 != 0 && mode & S_ISVTX == 0 {
        return Err(Kind::Insecure { path: path.to_owned() }.into());
    }
    let magic = match file::filesystem(directory) {
        Ok(Some(magic)) => magic,
        // There are no such numbers in the portable path, and a sandbox may not let us ask. The locks themselves tell
        // then.
        Ok(None) | Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    };
    let Some(network) = network(magic) else { return Ok(()) };
    // Pid files are made for those.
    let default = if rules.mechanism == Mechanism::Pid { Policy::Allow } else { network.rule };
    match rules.network.unwrap_or(default) {
        Policy::Allow => Ok(()),
        Policy::Warn => {
            trace::on_network(path, network.name, network.why);
            Ok(())
        }
        Policy::Refuse => {
            let Network { name, why, .. } = network;
            Err(Kind::FileSystem { path: path.to_owned(), name, why }.into())
        }
    }
}

/// The numbers are those of statfs(2).
fn network(magic: i64) -> Option<Network> {
    use Policy::{Refuse, Warn};
    let (name, rule, why) = match magic & 0xffff_ffff {
        0x6969 => ("NFS", Warn, "its server decides whether locks are kept"),
        0x6573_5546 => ("FUSE", Warn, "its driver decides whether locks are kept"),
        0x0102_1997 => ("9p", Warn, "its server decides whether locks are kept"),
        0x00c3_6400 => ("Ceph", Warn, "how it is mounted decides whether locks are kept"),
        0x0bd0_0bd0 => ("Lustre", Warn, "how it is mounted decides whether locks are kept"),
        0x4750_4653 => ("GPFS", Warn, "how it is set up decides whether locks are kept"),
        0x0116_1970 => ("GFS2", Warn, "how it is mounted decides whether locks are kept"),
        0x7461_636f => ("OCFS2", Warn, "how it is mounted decides whether locks are kept"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => {
            ("SMB", Refuse, "its locks are none with `nobrl`, and mandatory without")
        }
        0x5346_414f | 0x6b41_4653 => ("AFS", Refuse, "it keeps no locks on parts of files"),
        0x7375_7245 => ("Coda", Refuse, "it keeps no locks"),
        0x564c => ("NCP", Refuse, "it keeps no locks"),
        0x786f_4256 => ("a VirtualBox shared folder", Refuse, "it keeps no locks"),
        _ => return None,
    };
    Some(Network { name, rule, why })
}
