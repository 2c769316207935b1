//! The file system of the directory: whether it keeps locks, and has room for files.

use lockutils::{NetworkFileSystem, Policy};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::Patient;
use super::finding::Finding;
use super::mounts::Mount;

/// Fewer files than this are left: it is time to look after it.
const FEW: u64 = 1000;

const ELSEWHERE: &str = "choose another `lock_path`, such as one below /run";

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let mount = Mount::of(&patient.path);
    [Some(kind(patient, mount.as_ref())), mount.as_ref().and_then(options), Some(room(patient))]
        .into_iter()
        .flatten()
        .collect()
}

fn kind(patient: &Patient, mount: Option<&Mount>) -> Finding {
    let network = match NetworkFileSystem::of(&patient.path) {
        Ok(network) => network,
        Err(error) => return Finding::error("filesystem", error),
    };
    let shown = mount.map_or("of an unknown kind".to_owned(), |mount| {
        format!("{} at {}", mount.kind, mount.point.display())
    });
    let Some(network) = network else {
        return Finding::ok("filesystem", format_args!("{shown}, local: the kernel keeps its locks"));
    };
    let kinds = if patient.is_of_pid_files() { Policy::Allow } else { network.policy() };
    let text = format!("{shown}: {}, and {}", network.name(), network.why());
    let way_out = "choose a local directory as `lock_path`, such as one below /run, or `mechanism = \"pid\"`";
    match patient.config.network_filesystems.unwrap_or(kinds) {
        Policy::Allow => {
            Finding::ok("filesystem", format_args!("{text}; it is allowed by the configuration"))
        }
        Policy::Warn => Finding::warning("filesystem", text, way_out),
        Policy::Refuse => Finding::problem("filesystem", text, way_out),
    }
}

/// Options of mount(8) by which locks are kept among the processes of this host alone, or not at all.
fn options(mount: &Mount) -> Option<Finding> {
    let option = mount.option(&["nolock", "local_lock", "nobrl", "localflocks"])?;
    if option == "local_lock=none" {
        return None;
    }
    let text = format!("it is mounted with `{option}`: other hosts are not kept out");
    Some(Finding::warning("filesystem", text, "mount it without that, or use it on one host only"))
}

fn room(patient: &Patient) -> Finding {
    let room = match statvfs(&patient.path) {
        Ok(room) => room,
        Err(errno) => {
            let text = format!("cannot be asked: {}", errno.desc());
            return Finding::warning("space", text, "look whether there is room for files (df, df -i)");
        }
    };
    let (blocks, files) = (room.blocks_available(), room.files_available());
    // Some file systems make their inodes as they need them, and count none.
    let counts = room.files() > 0;
    if room.flags().contains(FsFlags::ST_RDONLY) {
        let way_out = "mount it for writing, or choose another `lock_path`";
        Finding::problem("space", "the file system is mounted read-only", way_out)
    } else if counts && files == 0 {
        let text = "no inodes are left, so there is no new lock file";
        Finding::problem(
            "space",
            text,
            "remove files (lockutils clean; df -i), or choose another `lock_path`",
        )
    } else if blocks == 0 {
        let text = "it is full: new lock files may be refused, and holders cannot write who they are";
        Finding::warning("space", text, format_args!("make room, or {ELSEWHERE}"))
    } else if counts && files < FEW {
        let text = format!("{files} inodes are left, and each lock file needs one");
        Finding::warning("space", text, format_args!("make room (lockutils clean), or {ELSEWHERE}"))
    } else {
        let bytes = u128::from(blocks) * u128::from(room.fragment_size());
        let inodes = if counts { format!(", {files} inodes") } else { String::new() };
        Finding::ok("space", format_args!("{} MiB{inodes} free", bytes >> 20))
    }
}
