//! A process whose system calls are refused, one at a time, and all others carried out by the kernel.
//!
//! A seccomp(2) filter sends each call to a thread of this process, which lets it go on or answers in the kernel's
//! place (`SECCOMP_RET_USER_NOTIF`). That thread has no filter itself. It allocates nothing and takes no lock:
//! whoever waits for its answer may be in the midst of that.

use std::ffi::{CStr, c_int, c_long, c_ulong};
use std::io;
use std::mem::{offset_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{env, panic, process, thread};

use lockutils::{Error, LockGuard};
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;

use crate::fork::forked;
use crate::request::{Request, kinds, outcome};
use crate::say;

/// The calls that may be refused: those on files and directories, those of who watches them, and those that start
/// a thread.
const CALLS: [(&str, c_long); 38] = [
    ("openat", libc::SYS_openat),
    ("close", libc::SYS_close),
    ("mkdir", libc::SYS_mkdir),
    ("mkdirat", libc::SYS_mkdirat),
    ("stat", libc::SYS_stat),
    ("lstat", libc::SYS_lstat),
    ("fstat", libc::SYS_fstat),
    ("newfstatat", libc::SYS_newfstatat),
    ("statx", libc::SYS_statx),
    ("statfs", libc::SYS_statfs),
    ("fstatfs", libc::SYS_fstatfs),
    ("fchmod", libc::SYS_fchmod),
    ("fchmodat", libc::SYS_fchmodat),
    ("linkat", libc::SYS_linkat),
    ("renameat", libc::SYS_renameat),
    ("renameat2", libc::SYS_renameat2),
    ("unlinkat", libc::SYS_unlinkat),
    ("getdents64", libc::SYS_getdents64),
    ("lseek", libc::SYS_lseek),
    ("readlink", libc::SYS_readlink),
    ("flock", libc::SYS_flock),
    ("fcntl", libc::SYS_fcntl),
    ("pread64", libc::SYS_pread64),
    ("pwrite64", libc::SYS_pwrite64),
    ("read", libc::SYS_read),
    ("write", libc::SYS_write),
    ("fdatasync", libc::SYS_fdatasync),
    ("inotify_init1", libc::SYS_inotify_init1),
    ("inotify_add_watch", libc::SYS_inotify_add_watch),
    ("inotify_rm_watch", libc::SYS_inotify_rm_watch),
    ("eventfd2", libc::SYS_eventfd2),
    ("poll", libc::SYS_poll),
    ("ppoll", libc::SYS_ppoll),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
];

/// Whether calls are counted and refused now, but for those that talk with the test.
static IS_OPEN: AtomicBool = AtomicBool::new(false);
/// How many calls were refused.
static REFUSED: AtomicUsize = AtomicUsize::new(0);
/// The calls that were counted, by their places in [`CALLS`].
static SEEN: [AtomicUsize; 1024] = [const { AtomicUsize::new(0) }; 1024];
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// Which calls are refused.
struct Plan {
    call: usize,
    number: usize,
    /// All that come after it too.
    and_on: bool,
    errno: c_int,
}

/// Does what each line of the input says in a process of its own, and says how that has ended. A line is a directory
/// of lock files, a plan as `openat 3 5`, or `openat 3+ 5` for all calls from the third on, a verb, and options of the
/// lock. Nothing but this is done here, so that a new process is soon there and knows nothing.
pub(crate) fn serve(name: &str) {
    while let Some(line) = line() {
        let words: Vec<&str> = line.split(' ').collect();
        let [directory, call, number, errno, verb, words @ ..] = &words[..] else {
            panic!("not known: {line}")
        };
        match forked() {
            ForkResult::Child => {
                // SAFETY: a child has one thread, and its parent had no other.
                unsafe { env::set_var("LOCKUTILS_LOCK_PATH", directory) };
                act(name, [call, number, errno], verb, words);
                process::exit(0);
            }
            ForkResult::Parent { child } => say(how_it_ended(waitpid(child, None).expect("a child"))),
        }
    }
}

fn how_it_ended(status: WaitStatus) -> String {
    if let WaitStatus::Exited(_, 0) = status { "ended".into() } else { format!("{status:?}") }
}

/// The next line of the input. Nothing is read that comes behind it, since the test waits for answers.
fn line() -> Option<String> {
    let mut line = String::new();
    let length = io::stdin().read_line(&mut line).ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

/// Does with a lock what the lines of the input say.
fn act(name: &str, plan: [&str; 3], verb: &str, words: &[&str]) {
    panic::set_hook(Box::new(|panic| {
        say(format!("panicked: {panic}").replace('\n', " "));
        process::abort();
    }));
    if verb != "first" {
        warm_up();
    }
    begin(Plan::new(plan));
    let mut request = Some(Request::new(name, words));
    let mut guard = None;
    say(process::id());
    while let Some(line) = line().filter(|line| line != "done") {
        match &*line {
            "release" => say(released(&mut guard)),
            "forget" => {
                request = None;
                say(format!("{} {}", REFUSED.load(SeqCst), seen()));
            }
            _ => {
                // Up to the next one; what the test is told and tells is not counted.
                IS_OPEN.store(line == "first", SeqCst);
                let done = request.as_ref().map(|request| done(request, name, verb, &mut guard));
                say(done.unwrap_or_default());
            }
        }
    }
}

/// Takes another lock: what a process learns once about itself and about the directory, it knows by then.
fn warm_up() {
    drop(lockutils::lock("other").external().acquire().expect("the lock"));
}

/// Takes the lock, or does what else the verb says.
fn done(request: &Request, name: &str, verb: &str, guard: &mut Option<LockGuard>) -> String {
    let taken = match verb {
        "remove" => {
            return match lockutils::lock(name).external().remove_file() {
                Ok(removal) => format!("{removal:?}"),
                Err(error) => told(&error),
            };
        }
        "clean" => {
            return match lockutils::locks().clean("j*", Duration::ZERO) {
                Ok(cleaned) => format!("{cleaned:?}"),
                Err(error) => told(&error),
            };
        }
        "try" => request.attempt(),
        "downgrade" => request.wait().and_then(LockGuard::downgrade).map(Some),
        _ => request.wait().map(Some),
    };
    let said = outcome(&taken);
    *guard = taken.ok().flatten();
    said
}

fn told(error: &Error) -> String {
    format!("error {}: {error}", kinds(error))
}

/// Lets go, also of what it was refused to.
fn released(guard: &mut Option<LockGuard>) -> String {
    let Some(guard) = guard.take() else { return "nothing".into() };
    guard.release().map_or_else(|error| told(&error), |()| "released".into())
}

/// The names of the calls that were counted.
fn seen() -> String {
    let seen = SEEN[..LENGTH.load(SeqCst)].iter().map(|call| CALLS[call.load(SeqCst)].0);
    seen.collect::<Vec<_>>().join(" ")
}

impl Plan {
    fn new([call, number, errno]: [&str; 3]) -> Self {
        let and_on = number.ends_with('+');
        Self {
            call: CALLS.iter().position(|(name, _)| *name == call).unwrap_or(usize::MAX),
            number: number.trim_end_matches('+').parse().expect("a number"),
            and_on,
            errno: errno.parse().expect("a number"),
        }
    }

    /// The answer to the call; `None`: that of the kernel.
    fn answer(&self, data: &libc::seccomp_data) -> Option<c_int> {
        let call = CALLS.iter().position(|(_, number)| c_int::try_from(*number) == Ok(data.nr))?;
        if !IS_OPEN.load(SeqCst) || !is_ours(CALLS[call].0, data) {
            return None;
        }
        let at = LENGTH.load(SeqCst);
        SEEN.get(at)?.store(call, SeqCst);
        LENGTH.store(at + 1, SeqCst);
        if call != self.call {
            return None;
        }
        let number = SEEN[..=at].iter().filter(|seen| seen.load(SeqCst) == call).count();
        if number < self.number || number > self.number && !self.and_on {
            return None;
        }
        REFUSED.fetch_add(1, SeqCst);
        if CALLS[call].0 == "close" {
            // The kernel closes, whatever it says of it.
            // SAFETY: the descriptor is given up by the thread that waits for the answer.
            unsafe { libc::close(c_int::try_from(data.args[0]).unwrap_or(-1)) };
        }
        Some(self.errno)
    }
}

/// What the standard library and the allocator ask on their own account is none of ours: for memory that is no
/// stack; for a stack of the signals of a new thread, which can be written to at once; whether a descriptor is open
/// that is about to be closed; and how many processors there are, which ends with a call that asks for nothing else.
/// When a directory is closed, no file system has anything to say.
fn is_ours(name: &str, data: &libc::seccomp_data) -> bool {
    static MADE_A_STACK: AtomicBool = AtomicBool::new(false);
    static COUNTS_PROCESSORS: AtomicBool = AtomicBool::new(false);
    let [first, second, third, fourth, ..] = data.args;
    let is_stack = name == "mmap" && third == 0 && fourth & libc::MAP_STACK as u64 != 0;
    let made = MADE_A_STACK.swap(is_stack, Relaxed);
    // SAFETY: the thread that waits for the answer has given a path that ends with NUL.
    if name == "openat" && unsafe { CStr::from_ptr(second as *const _) } == c"/proc/self/cgroup" {
        COUNTS_PROCESSORS.store(true, Relaxed);
    }
    match name {
        "mmap" => is_stack,
        "mprotect" => made,
        "sched_getaffinity" => {
            COUNTS_PROCESSORS.store(false, Relaxed);
            false
        }
        "read" | "write" if first <= 2 => false,
        "close" if is_directory(first) => false,
        "fcntl" if second == libc::F_GETFD as u64 => false,
        _ => !COUNTS_PROCESSORS.load(Relaxed),
    }
}

fn is_directory(descriptor: u64) -> bool {
    // SAFETY: numbers alone, for which 0 is a value.
    let mut found: libc::stat = unsafe { zeroed() };
    // SAFETY: the kernel writes one `stat`, or nothing for what is no descriptor.
    unsafe { libc::fstat(c_int::try_from(descriptor).unwrap_or(-1), &raw mut found) };
    found.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// From here on, the calls of this thread and of those that it starts need an answer.
fn begin(plan: Plan) {
    let (send, receive) = channel();
    thread::spawn(move || answer_all(&receive, &plan));
    send.send(filter()).expect("the other one listens");
}

fn answer_all(listener: &Receiver<OwnedFd>, plan: &Plan) {
    let listener = listener.recv().expect("it is sent");
    // Who is asked runs where the one who asks has just run, which is faster. Older kernels know nothing of it.
    // SAFETY: takes a number.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1_u64) };
    while answer_one(listener.as_raw_fd(), plan) {}
}

fn answer_one(listener: RawFd, plan: &Plan) -> bool {
    // SAFETY: numbers alone, for which 0 is a value; the kernel asks for it to be empty.
    let mut asked: libc::seccomp_notif = unsafe { zeroed() };
    // SAFETY: the kernel writes one `seccomp_notif`.
    if unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) } != 0 {
        return io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
    }
    let answer = plan.answer(&asked.data);
    let goes_on = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default();
    let mut said = libc::seccomp_notif_resp {
        id: asked.id,
        val: 0,
        error: answer.map_or(0, |errno| -errno),
        flags: if answer.is_some() { 0 } else { goes_on },
    };
    // SAFETY: the kernel reads one `seccomp_notif_resp`. It refuses if who asked has gone.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut said) };
    true
}

/// The filter: the calls of [`CALLS`] are asked about, and all others allowed.
fn filter() -> OwnedFd {
    let number = u32::try_from(offset_of!(libc::seccomp_data, nr)).expect("a small number");
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number, 0)];
    for (at, (_, call)) in CALLS.iter().enumerate() {
        // To the last step.
        let far = u8::try_from(CALLS.len() - at).expect("a few");
        let call = u32::try_from(*call).expect("numbers of calls are small");
        program.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call, far));
    }
    program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF, 0));
    let length = u16::try_from(program.len()).expect("a few");
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let (mode, flags): (_, c_ulong) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: takes numbers. Without it, only root may have filters.
    let allowed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(allowed, 0, "{}", io::Error::last_os_error());
    // SAFETY: the kernel reads the program, of which `program` knows the length.
    let listener = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    let listener = c_int::try_from(listener).ok().filter(|listener| *listener >= 0);
    let listener = listener.unwrap_or_else(|| panic!("no filter: {}", io::Error::last_os_error()));
    // SAFETY: the kernel has just made it, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(listener) }
}

/// One instruction; `far` is how many are passed over where a comparison holds.
fn step(code: u32, k: u32, far: u8) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).expect("codes are small"), jt: far, jf: 0, k }
}
