//! What the host and the process have to give.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::unistd::gethostname;

use super::Patient;
use super::finding::Finding;
use super::mounts::Mount;

/// Each external lock that is in use has its file open.
const DESCRIPTORS: u64 = 1024;
/// The beginning of 2024, which every clock has seen: seconds since 1970.
const BEGINNING: Duration = Duration::from_secs(1_704_067_200);

pub(super) fn check(patient: Option<&Patient>) -> Vec<Finding> {
    let pids = patient.is_some_and(Patient::is_of_pid_files);
    vec![watching(), descriptors(), holders(pids), clock(SystemTime::now()), boot(pids), host(pids)]
}

/// Waits for permits and for pid files are woken by inotify(7).
fn watching() -> Finding {
    let limit = |what: &str| {
        let read = fs::read_to_string(format!("/proc/sys/fs/inotify/max_user_{what}"));
        read.map_or("?".to_owned(), |text| text.trim().to_owned())
    };
    let limits = format!("{} instances and {} watches for each user", limit("instances"), limit("watches"));
    let watched = Inotify::init(InitFlags::IN_CLOEXEC)
        .and_then(|inotify| inotify.add_watch("/", AddWatchFlags::IN_DELETE_SELF));
    match watched {
        Ok(_) => Finding::ok("inotify", limits),
        Err(errno) => {
            let text = format!("{}, and none is left for semaphores and pid files: {}", limits, errno.desc());
            Finding::warning(
                "inotify",
                text,
                "raise fs.inotify.max_user_instances or max_user_watches (sysctl)",
            )
        }
    }
}

fn descriptors() -> Finding {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).unwrap_or("unknown");
    match soft.parse::<u64>() {
        Ok(number) if number < DESCRIPTORS => Finding::warning(
            "open files",
            format_args!("{number} at once, and each external lock in use needs one"),
            "raise the limit: ulimit -n, or LimitNOFILE= of the service",
        ),
        _ => Finding::ok("open files", format_args!("{soft} at once")),
    }
}

/// Who holds a lock is told by `/proc`.
fn holders(pids: bool) -> Finding {
    if let Err(error) =
        fs::File::open("/proc/locks").and_then(|mut file| std::io::copy(&mut file, &mut std::io::sink()))
    {
        let text = format!("/proc/locks cannot be read, so nobody can tell who holds a lock: {error}");
        return Finding::warning("holders", text, "mount /proc, or let this user read it (proc(5))");
    }
    let mount = Mount::of(Path::new("/proc"));
    let hides = mount.as_ref().and_then(|mount| mount.option(&["hidepid"]));
    match hides.filter(|option| !matches!(*option, "hidepid=0" | "hidepid=off")) {
        None => Finding::ok("holders", "/proc tells who holds a lock"),
        Some(option) => {
            let harm = if pids { "whether owners of pid files live" } else { "what programs hold locks" };
            let text = format!("/proc is mounted with {option}: of other users it does not tell {harm}");
            Finding::warning("holders", text, "mount it without, or with gid= of the group of the service")
        }
    }
}

/// Fencing tokens are drawn from it.
fn clock(now: SystemTime) -> Finding {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since >= BEGINNING => Finding::ok("clock", humantime::format_rfc3339_seconds(now)),
        _ => {
            let text = "it shows a year before 2024, and fencing tokens begin with the time";
            Finding::problem("clock", text, "set it, by NTP or date(1), before locks are taken")
        }
    }
}

/// By the number of the boot, the dead of before are told from the living.
fn boot(pids: bool) -> Finding {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => Finding::ok("boot", id.trim()),
        Err(error) => {
            let text = format!("its id cannot be read: {error}");
            let way_out = "let this user read /proc/sys/kernel/random/boot_id";
            if pids {
                Finding::problem("boot", text, way_out)
            } else {
                Finding::warning("boot", text, way_out)
            }
        }
    }
}

/// Records name it, and pid files of hosts that share a directory are told apart by it.
fn host(pids: bool) -> Finding {
    let name = gethostname().unwrap_or_default().to_string_lossy().into_owned();
    if !matches!(&*name, "" | "(none)" | "localhost" | "localhost.localdomain") {
        return Finding::ok("host", name);
    }
    let text = format!("its name is {name:?}, by which no host can be told from others");
    let way_out = "give it a name of its own (hostnamectl hostname NAME)";
    // Where one host alone uses the directory, it does no harm.
    let way_out = if pids { format!("{way_out} if others share the directory") } else { way_out.to_owned() };
    Finding::warning("host", text, way_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_a_problem() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(clock(at(0)).is_problem() && clock(at(1_600_000_000)).is_problem());
        assert!(clock(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).is_problem());
        assert!(!clock(at(1_800_000_000)).is_problem());
    }
}
