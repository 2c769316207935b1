//! `lockutils run`: what is taken, what is executed, and how it ends.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::process::{Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Child, Place, needs_root};

/// A command under `lockutils run`.
pub(crate) fn run(place: &Place, words: &[&str]) -> Command {
    place.lockutils(&[&["run"], words].concat())
}

/// For a shell: says that it begins, and ends after a minute. It looks for signals in between, and none of them ends it
/// because the program that it has started in front of it was ended.
pub(crate) const LOOP: &str = "echo started; i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done";

/// One whose command has said `started`, and ends when it is told a line.
pub(crate) fn holder(place: &Place, options: &[&str]) -> Child {
    let script = ["--", "sh", "-c", "echo started; read line; echo \"told $line\""];
    let mut holder = Child::spawn(&mut run(place, &[options, &script].concat()));
    holder.expect("started");
    holder
}

fn status(exit: Exit) -> i32 {
    i32::from(exit.code())
}

/// Ends with this status and with one line on standard error that begins so.
#[track_caller]
fn fails(command: &mut Command, exit: Exit, line: &str) {
    let failed = command.assert().code(status(exit)).stdout("");
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.starts_with(&format!("lockutils: {line}")), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn the_lock_is_held_while_the_command_runs_and_not_longer() {
    let place = Place::new("while");
    let mut running = holder(&place, &["job"]);
    assert!(place.try_acquire("job").is_none());
    let by = place.lock("job").holder().expect("no error").expect("somebody has it");
    assert_eq!(by.pid(), u32::try_from(running.pid().as_raw()).ok(), "{by}");
    running.say("go");
    running.expect("told go");
    assert!(running.status().success());
    assert!(place.try_acquire("job").is_some());
}

#[test]
fn input_output_and_error_are_those_of_the_command() {
    let place = Place::new("stdio");
    let mut command = run(&place, &["job", "--", "sh", "-c", "cat; echo wrong >&2; exit 3"]);
    let mut done = assert_cmd::Command::from_std(std::mem::replace(&mut command, Command::new("true")));
    done.write_stdin("in\n").assert().code(3).stdout("in\n").stderr("wrong\n");
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let place = Place::new("status");
    for (line, code) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
    {
        run(&place, &["job", "--", "sh", "-c", line]).assert().code(code).stdout("").stderr("");
    }
    // One that has no name.
    run(&place, &["job", "--", "bash", "-c", "kill -40 $$"]).assert().code(168);
}

#[test]
fn a_command_that_cannot_be_executed_is_126_and_one_that_is_missing_127() {
    let place = Place::new("execute");
    fs::write(place.file("data"), "nothing to execute").expect("written");
    let data = place.file("data").display().to_string();
    for options in [&["job"][..], &["job", "--close"]] {
        let attempt = |program| run(&place, &[options, &["--", program]].concat());
        fails(
            &mut attempt("no-such-command"),
            Exit::NotFound,
            "cannot execute no-such-command: there is no such command; ",
        );
        fails(
            &mut attempt("/no/such/command"),
            Exit::NotFound,
            "cannot execute /no/such/command: there is no such ",
        );
        fails(&mut attempt(&data), Exit::CannotExecute, &format!("cannot execute {data}: Permission denied"));
        fails(&mut attempt("/"), Exit::CannotExecute, "cannot execute /: Permission denied");
    }
    assert!(place.try_acquire("job").is_some());
}

#[test]
fn a_script_without_a_first_line_is_one_of_sh() {
    let place = Place::new("script");
    let script = place.file("script");
    fs::write(&script, "echo \"$0 $1\"").expect("written");
    Command::new("chmod").arg("+x").arg(&script).assert().success();
    let said = format!("{} a\n", script.display());
    for options in [&["job"][..], &["job", "--close"]] {
        run(&place, &[options, &["--", script.to_str().expect("text"), "a"]].concat())
            .assert()
            .success()
            .stdout(said.clone());
        let mut found = run(&place, &[options, &["--", "script", "a"]].concat());
        let path =
            std::env::join_paths([place.path(), "/usr/bin".as_ref(), "/bin".as_ref()]).expect("a path");
        found.env("PATH", path).assert().success().stdout(said.clone());
    }
}

#[test]
fn a_line_is_run_by_the_shell_of_the_user() {
    let place = Place::new("line");
    run(&place, &["job", "-c", "echo a | tr a b; exit 4"]).env_remove("SHELL").assert().code(4).stdout("b\n");
    run(&place, &["-c", "echo $0", "job"]).env("SHELL", "").assert().success().stdout("/bin/sh\n");
    run(&place, &["job", "--command", "echo $0"])
        .env("SHELL", "/bin/bash")
        .assert()
        .success()
        .stdout("/bin/bash\n");
}

#[test]
fn words_of_the_command_are_not_read_as_options() {
    let place = Place::new("words");
    run(&place, &["job", "--", "echo", "-n", "--", "--shared", "two words", ""])
        .assert()
        .success()
        .stdout("-- --shared two words ");
}

#[test]
fn what_cannot_be_understood_is_64_and_runs_nothing() {
    let place = Place::new("misunderstood");
    for words in [
        &["--", "touch", "ran"][..],
        &["job", "-c", "touch ran", "--", "touch", "ran"],
        &["job", "-w", "soon", "--", "touch", "ran"],
        &["job", "-w", "-1", "--", "touch", "ran"],
        &["job", "-E", "256", "--", "touch", "ran"],
        &["job", "--semaphore", "0", "--", "touch", "ran"],
        &["job", "--semaphore", "2", "--shared", "--", "touch", "ran"],
        &["job", "--on-lost", "cry", "--", "touch", "ran"],
        &["job", "--expires", "5s", "--", "touch", "ran"],
    ] {
        run(&place, words).current_dir(place.path()).assert().code(status(Exit::Usage)).stdout("");
    }
    assert_eq!(fs::read_dir(place.path()).expect("it is there").count(), 0);
    fails(
        &mut run(&place, &["job"]),
        Exit::Usage,
        "no command; write it behind `--`, as in `lockutils run job -- COMMAND`",
    );
    fails(&mut run(&place, &["job", "true"]), Exit::Usage, "no command; write it behind `--`");
    fails(
        &mut run(&place, &["a", "b", "--semaphore", "2", "--", "true"]),
        Exit::Usage,
        "--semaphore is for one name; ",
    );
    fails(&mut run(&place, &["..", "--", "true"]), Exit::Usage, "\"..\" cannot be the name of a lock");
}

#[test]
fn several_names_are_all_held() {
    let place = Place::new("several");
    let mut running = holder(&place, &["b", "a", "b"]);
    assert!(place.try_acquire("a").is_none() && place.try_acquire("b").is_none());
    let mut other = run(&place, &["c", "b", "--no-wait", "--", "true"]);
    other.assert().code(status(Exit::Conflict));
    assert!(place.try_acquire("c").is_some(), "all or nothing");
    running.say("go");
    assert!(running.status().success());
    assert!(place.try_acquire("a").is_some() && place.try_acquire("b").is_some());
}

#[test]
fn those_who_share_run_together_and_with_nobody_else() {
    let place = Place::new("shared");
    let (one, two) = (holder(&place, &["job", "-s"]), holder(&place, &["job", "--shared", "--fair"]));
    run(&place, &["job", "-n", "-x", "-s", "--", "true"]).assert().success();
    for alone in [
        &["job", "-n"][..],
        &["job", "-n", "-x"],
        &["job", "-n", "-e"],
        &["job", "-n", "--shared", "--exclusive"],
    ] {
        run(&place, &[alone, &["--", "true"]].concat()).assert().code(status(Exit::Conflict));
    }
    drop((one, two));
}

#[test]
fn a_semaphore_lets_so_many_in() {
    let place = Place::new("semaphore");
    let (mut one, two) = (
        holder(&place, &["job", "--semaphore", "2"]),
        holder(&place, &["job", "--semaphore", "2", "--fair"]),
    );
    let third = || run(&place, &["job", "--semaphore", "2", "-n", "--", "true"]);
    third().assert().code(status(Exit::Conflict));
    run(&place, &["job", "-n", "--", "true"]).assert().code(status(Exit::Conflict));
    fails(&mut run(&place, &["job", "--semaphore", "3", "--", "true"]), Exit::Usage, "semaphore `job`");
    one.say("go");
    assert!(one.status().success());
    third().assert().success();
    drop(two);
}

#[test]
fn the_directory_and_the_prefix_are_those_that_were_said() {
    let place = Place::new("place");
    let other = place.file("other").display().to_string();
    run(
        &place,
        &["job", "--lock-path", &other, "--prefix", "nova", "--", "test", "-f", &format!("{other}/nova-job")],
    )
    .assert()
    .success();
    let config = place.file("service.toml");
    fs::write(&config, format!("[lockutils]\nlock_path = {other:?}\nlock_file_prefix = \"cinder\""))
        .expect("written");
    let config = config.display().to_string();
    run(&place, &["job", "--config", &config, "--", "test", "-f", &format!("{other}/cinder-job")])
        .assert()
        .success();
}

#[test]
fn a_path_is_no_name() {
    let place = Place::new("a_path");
    let mut command = run(&place, &["/var/lock/cron.lock", "-n", "--", "echo", "ran"]);
    let line = "/var/lock/cron.lock is a path, and a lock has a name: say --lock-path /var/lock cron.lock";
    fails(&mut command, Exit::Usage, line);
}

#[test]
fn a_lock_that_cannot_be_had_runs_nothing_and_says_why() {
    let place = Place::new("cannot");
    let attempt = |words: &[&str]| run(&place, &[words, &["--", "echo", "ran"]].concat());
    let mut nowhere = attempt(&["job"]);
    nowhere.env_remove("LOCKUTILS_LOCK_PATH").env_remove("OSLO_LOCK_PATH");
    fails(&mut nowhere, Exit::Config, "no lock directory; say --lock-path DIR, ");
    symlink("/dev/null", place.file("link")).expect("made");
    fails(
        &mut attempt(&["link"]),
        Exit::NotAFile,
        &format!("lock file {} is a symbolic link", place.file("link").display()),
    );
    fs::create_dir(place.file("directory")).expect("made");
    fails(
        &mut attempt(&["directory"]),
        Exit::NotAFile,
        &format!("lock file {} is a directory", place.file("directory").display()),
    );
    fs::write(place.file("plain"), "").expect("written");
    let below = place.file("plain/locks").display().to_string();
    fails(&mut attempt(&["job", "--lock-path", &below]), Exit::Io, "cannot ");
    let mut pid = attempt(&["job", "--shared"]);
    fails(
        pid.env("LOCKUTILS_MECHANISM", "pid"),
        Exit::Unsupported,
        "pid files have no read locks (lock `job`); ",
    );
}

/// What root may do whatever the mode says, another user may not.
fn as_nobody(place: &Place, limits: &[&str], words: &[&str]) -> Command {
    needs_root("acts as another user");
    let theirs = run(place, words);
    let mut command = Command::new("prlimit");
    command.args(limits).args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(theirs.get_program()).args(theirs.get_args()).env("LOCKUTILS_LOCK_PATH", place.path());
    command.env_remove("LOCKUTILS_LOCK_FILE_PREFIX").env("LOCKUTILS_MECHANISM", "kernel");
    command
}

#[test]
fn a_directory_that_is_anothers_is_77() {
    let place = Place::new("unwritable");
    fails(&mut as_nobody(&place, &[], &["job", "--", "echo", "ran"]), Exit::NotPermitted, "cannot ");
}

#[test]
fn no_process_to_be_had_is_71() {
    let place = Place::new("no_process");
    chown(place.path(), Some(65534), Some(65534)).expect("root may");
    let mut command = as_nobody(&place, &["--nproc=0"], &["job", "--", "echo", "ran"]);
    fails(&mut command, Exit::System, "cannot start a process for echo: ");
    as_nobody(&place, &[], &["job", "--", "echo", "ran"]).assert().success().stdout("ran\n");
}

#[test]
fn verbose_says_what_is_done() {
    let place = Place::new("verbose");
    let done =
        run(&place, &["job", "-v", "--", "echo", "two words"]).assert().success().stdout("two words\n");
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert_eq!(said, "lockutils: got lock `job` at once\nlockutils: executing echo \"two words\"\n");
}

#[test]
fn the_token_grows_from_run_to_run() {
    let place = Place::new("token");
    let token = |names: &[&str]| -> u64 {
        let words = [names, &["--set-env", "--", "printenv", "LOCKUTILS_FENCING_TOKEN"]].concat();
        let done = run(&place, &words).assert().success().stderr("");
        String::from_utf8_lossy(&done.get_output().stdout).trim().parse().expect("a number")
    };
    let (one, two) = (token(&["job"]), token(&["job"]));
    assert!(one < two, "{one} {two}");
    let both = token(&["another", "job"]);
    assert!(two < both, "{two} {both}");
    let guard = place.try_acquire("another").expect("free");
    assert!(both > two && guard.fencing_token() > 0);
    run(&place, &["job", "--", "printenv", "LOCKUTILS_FENCING_TOKEN"]).assert().code(1).stdout("");
}

/// The one that the command would inherit: the others are there.
#[test]
fn no_descriptor_to_be_had_is_74() {
    let place = Place::new("no_descriptor");
    let inner = run(&place, &["job", "--", "echo", "ran"]);
    let mut command = Command::new("bash");
    command.args(["-c", "exec 10</dev/null; exec prlimit --nofile=11 \"$@\"", "bash"]);
    command.arg(inner.get_program()).args(inner.get_args()).env("LOCKUTILS_LOCK_PATH", place.path());
    fails(&mut command, Exit::Io, "cannot duplicate the descriptor of lock file ");
    assert!(place.try_acquire("job").is_some());
}

/// Nobody reads what is said, or nobody can: the command runs all the same, and its own writes end it as anywhere.
#[test]
fn output_that_nobody_reads_is_no_reason_to_fail() {
    let place = Place::new("broken_pipe");
    let pipe = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let mut silent = run(&place, &["job", "-v", "--", "true"]);
    assert!(silent.stderr(pipe()).status().expect("it can be started").success());
    let mut yes = run(&place, &["job", "--", "yes"]);
    assert_eq!(yes.stdout(pipe()).status().expect("it can be started").code(), Some(128 + 13));
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$@\" <&- >&- 2>&-", "sh"]).arg(silent.get_program()).args(silent.get_args());
    closed.env("LOCKUTILS_LOCK_PATH", place.path()).assert().success();
}

#[test]
fn the_manual_says_every_exit_status() {
    let place = Place::new("manual");
    let help = place.lockutils(&["run", "--help"]).assert().success().stderr("");
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    for code in [1, 64, 66, 68, 69, 71, 74, 75, 76, 77, 78, 126, 127] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))),
            "{code}: {help}"
        );
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    // What is not filled must fit everywhere, also into the indented page of man(1).
    let (_, table) = help.split_once("Exit status:").expect("a table");
    assert!(table.lines().all(|line| line.chars().count() <= 72), "{table}");
}
