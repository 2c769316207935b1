//! What is mounted where (proc(5), `/proc/self/mountinfo`).

use std::fs;
use std::path::{Path, PathBuf};

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    pub(super) kind: String,
    /// Of the mount and of the file system.
    pub(super) options: Vec<String>,
}

impl Mount {
    /// The one that a path is on; `None` if that cannot be told.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::innermost(&text, &path)
    }

    /// Of two at one place, the later one lies over the other.
    fn innermost(text: &str, path: &Path) -> Option<Self> {
        let mounts = text.lines().filter_map(Self::parse).filter(|mount| path.starts_with(&mount.point));
        mounts.max_by_key(|mount| mount.point.as_os_str().len())
    }

    /// `36 35 98:0 / /mnt\0402 rw,noatime master:1 - ext4 /dev/root rw,errors=continue`
    fn parse(line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let (mut mount, mut system) = (mount.split(' ').skip(4), system.split(' '));
        let (point, own) = (unescaped(mount.next()?), mount.next()?);
        let kind = system.next()?.to_owned();
        let options = own.split(',').chain(system.nth(1)?.split(','));
        Some(Self { point: point.into(), kind, options: options.map(ToOwned::to_owned).collect() })
    }

    pub(super) fn option(&self, names: &[&str]) -> Option<&str> {
        let is_one = |option: &&String| names.iter().any(|name| option.split('=').next() == Some(name));
        self.options.iter().find(is_one).map(String::as_str)
    }
}

/// Blanks and the like are written as three octal digits.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, is)| text.replace(code, is))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=continue
23 22 0:21 / /proc rw,nosuid - proc proc rw,hidepid=2
30 22 0:40 / /mnt/a\\040b rw shared:3 master:1 - nfs4 server:/x rw,vers=4.2,local_lock=none,nolock
31 30 0:41 / /mnt/a\\040b ro - tmpfs none rw,size=4k
";

    #[test]
    fn the_innermost_mount_and_the_last_one_count() {
        let of = |path: &str| Mount::innermost(TEXT, Path::new(path)).expect("a mount");
        assert_eq!(of("/home/x").kind, "ext4");
        assert_eq!(of("/proc/self").option(&["hidepid"]), Some("hidepid=2"));
        let over = of("/mnt/a b/c");
        assert_eq!((over.kind.as_str(), over.point.to_str()), ("tmpfs", Some("/mnt/a b")));
        assert!(over.option(&["ro"]).is_some() && over.option(&["nolock"]).is_none());
        assert_eq!(of("/mnt/ab").kind, "ext4");
        assert_eq!(Mount::innermost("nonsense\n", Path::new("/")), None);
    }
}
