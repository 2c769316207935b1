//! Processes that die with the process of the test.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

/// The thread that starts them: the kernel tells a process of its parent's death when the *thread* ends that has started it,
/// and this one never does.
static SPAWNER: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (sender, orders) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in orders {
            let _ = answer.send(command.spawn());
        }
    });
    sender
});

/// A command that is killed when the process of the test ends. To be started by [`spawn`].
pub(super) fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]).stdin(Stdio::null());
    command
}

/// Starts it.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let (sender, answer) = mpsc::channel();
    SPAWNER.send((command, sender)).expect("the thread that starts processes never ends");
    answer.recv().expect("it answers every order")
}
