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

/// A kind of file system of which the kernel does not keep the locks by itself: for those who look after a lock directory.
///
/// ```
/// use lockutils::NetworkFileSystem;
///
/// match NetworkFileSystem::of(std::env::temp_dir())? {
///     None => println!("the kernel keeps the locks itself"),
///     Some(kind) => println!("{}: {}, so the rule is {:?}", kind.name(), kind.why(), kind.policy()),
/// }
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkFileSystem {
    name: &'static str,
    rule: Policy,
    why: &'static str,
}

impl NetworkFileSystem {
    /// That of a directory. `None`: the file system is local, nobody knows it, or the system does not say.
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when the directory cannot be opened, or not be asked.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let path = dir.path();
    /// let kind = lockutils::NetworkFileSystem::of(path)?;
    /// # let _ = kind;
    /// assert!(lockutils::NetworkFileSystem::of(path.join("missing")).unwrap_err().is_io());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn of(directory: impl AsRef<Path>) -> Result<Option<Self>, Error> {
        let path = directory.as_ref();
        let opened = file::open_directory(path);
        let (directory, _) = opened.map_err(|errno| Error::io_at("open the lock directory", path, errno))?;
        of_open(&directory, path)
    }

    /// What it is called.
    ///
    /// ```
    /// let kind = lockutils::NetworkFileSystem::of(std::env::temp_dir())?;
    /// println!("{}", kind.map_or("local", |kind| kind.name()));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The [rule of its kind](Policy), where the configuration says nothing else.
    ///
    /// ```
    /// let kind = lockutils::NetworkFileSystem::of(std::env::temp_dir())?;
    /// let is_refused = kind.is_some_and(|kind| kind.policy() == lockutils::Policy::Refuse);
    /// # let _ = is_refused;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn policy(&self) -> Policy {
        self.rule
    }

    /// Why that is the rule, as a part of a sentence.
    ///
    /// ```
    /// if let Some(kind) = lockutils::NetworkFileSystem::of(std::env::temp_dir())? {
    ///     println!("it is on {}, and {}", kind.name(), kind.why());
    /// }
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn why(&self) -> &'static str {
        self.why
    }
}

/// Checks a directory that has just been opened.
pub(super) fn check(directory: &Handle, path: &Path, rules: Rules) -> Result<(), Error> {
    let failed = |errno| Error::io_at("look at the lock directory", path, errno);
    let mode = file::mode(directory).map_err(failed)?;
    if !rules.insecure && mode & 0o002 != 0 && mode & S_ISVTX == 0 {
        return Err(Kind::Insecure { path: path.to_owned() }.into());
    }
    let Some(network) = of_open(directory, path)? else { return Ok(()) };
    // Pid files are made for those.
    let default = if rules.mechanism == Mechanism::Pid { Policy::Allow } else { network.rule };
    match rules.network.unwrap_or(default) {
        Policy::Allow => Ok(()),
        Policy::Warn => {
            trace::on_network(path, network.name, network.why);
            Ok(())
        }
        Policy::Refuse => {
            let NetworkFileSystem { name, why, .. } = network;
            Err(Kind::FileSystem { path: path.to_owned(), name, why }.into())
        }
    }
}

fn of_open(directory: &Handle, path: &Path) -> Result<Option<NetworkFileSystem>, Error> {
    match file::filesystem(directory) {
        Ok(magic) => Ok(magic.and_then(network)),
        // There are no such numbers in the portable path, and a sandbox may not let us ask. The locks themselves tell
        // then.
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => Ok(None),
        Err(errno) => Err(Error::io_at("look at the lock directory", path, errno)),
    }
}

/// The numbers are those of statfs(2).
fn network(magic: i64) -> Option<NetworkFileSystem> {
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
    Some(NetworkFileSystem { name, rule, why })
}
