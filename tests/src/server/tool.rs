//! Programs that do one thing and end.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

/// Runs a program and returns what it printed, without the line end; or else what it said was wrong. It is given 20 seconds,
/// so that a server which is frozen hangs nobody.
pub(super) fn run(program: &str, arguments: &[impl AsRef<str>]) -> Result<String, String> {
    run_and_tell(program, arguments, "")
}

/// The same with something on its standard input.
pub(super) fn run_and_tell(
    program: &str,
    arguments: &[impl AsRef<str>],
    input: &str,
) -> Result<String, String> {
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "20", program]).args(arguments.iter().map(AsRef::as_ref));
    let ended = output(&mut command, input).map_err(|error| format!("cannot start {program}: {error}"))?;
    let said = String::from_utf8_lossy(&ended.stdout).trim_end_matches('\n').to_owned();
    if ended.status.success() {
        return Ok(said);
    }
    Err(format!("{program}: {}: {said}{}", ended.status, String::from_utf8_lossy(&ended.stderr)))
}

fn output(command: &mut Command, input: &str) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who has ended already says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}
