//! Programs that do one thing and end.

use std::process::Command;

/// Runs a program and returns what it printed, without the line end; or else what it said was wrong. It is given 20 seconds,
/// so that a server which is frozen hangs nobody.
pub(super) fn run(program: &str, arguments: &[impl AsRef<str>]) -> Result<String, String> {
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "20", program]).args(arguments.iter().map(AsRef::as_ref));
    let ended = command.output().map_err(|error| format!("cannot start {program}: {error}"))?;
    let said = String::from_utf8_lossy(&ended.stdout).trim_end_matches('\n').to_owned();
    if ended.status.success() {
        return Ok(said);
    }
    Err(format!("{program}: {}: {said}{}", ended.status, String::from_utf8_lossy(&ended.stderr)))
}
