//! Directories of servers.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use tempfile::TempDir;

/// A directory that is removed with the value, and also when the process of the test ends before: a server that is shared by
/// tests is never dropped, and leaves a hundred megabytes.
pub(super) struct Directory(TempDir);

impl Directory {
    pub(super) fn new(what: &str) -> Self {
        let made = tempfile::Builder::new().prefix(&format!("lockutils-{what}-")).tempdir();
        let directory = made.expect("a temporary directory");
        leave_to_janitor(directory.path());
        Self(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it, as text for a configuration.
    pub(super) fn file(&self, name: &str) -> String {
        self.path().join(name).to_str().expect("a temporary directory has a name of characters").to_owned()
    }
}

/// Reads paths until nobody can write any more, and removes what of them is still there. The servers die at the same time.
const WORK_OF_THE_JANITOR: &str = r#"
    trap '' HUP INT QUIT TERM
    while read -r path; do set -- "$@" "$path"; done
    for try in 1 2 3 4 5; do rm -rf -- "$@" && break; sleep 0.2; done
"#;

fn leave_to_janitor(path: &Path) {
    static JANITOR: LazyLock<Mutex<Child>> = LazyLock::new(|| Mutex::new(janitor()));
    let mut janitor = JANITOR.lock().unwrap_or_else(PoisonError::into_inner);
    let ear = janitor.stdin.as_mut().expect("it was asked for");
    writeln!(ear, "{}", path.display()).expect("the janitor listens");
}

fn janitor() -> Child {
    let mut janitor = Command::new("sh");
    janitor
        .args(["-c", WORK_OF_THE_JANITOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    janitor.spawn().expect("`sh` can be started")
}
