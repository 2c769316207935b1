//! Which directory it is, who says so, and whether all say the same.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use lockutils::{Config, Locks};

use super::Patient;
use super::finding::Finding;
use crate::engine::Engine;
use crate::place::{Directory, Source};

const CHECK: &str = "configuration";
const KEYS: [&str; 2] = ["LOCKUTILS_LOCK_PATH", "OSLO_LOCK_PATH"];

/// What is configured, as far as it can be looked at.
#[derive(Default)]
pub(super) struct Configured {
    pub(super) findings: Vec<Finding>,
    pub(super) config: Option<Config>,
    /// The directory, if there is one.
    pub(super) patient: Option<Patient>,
}

impl Configured {
    fn problem(why: impl fmt::Display) -> Self {
        Self { findings: vec![Finding::error(CHECK, why)], ..Self::default() }
    }
}

pub(super) fn check(directory: &Directory, engine: &Engine) -> Configured {
    let said = directory.said().and_then(|config| engine.configure(config));
    let (config, source) = match (said, directory.source()) {
        (Ok(config), Ok(source)) => (config, source),
        (Err(failure), _) | (_, Err(failure)) => return Configured::problem(failure),
    };
    let locks = match Locks::new(config.clone()) {
        Ok(locks) => locks,
        Err(error) => return Configured::problem(error),
    };
    let (Some(source), Some(path)) = (source, locks.lock_path()) else {
        let findings = vec![nothing(&config)];
        return Configured { findings, config: Some(config), patient: None };
    };
    // What the locks of the service would not be, those of the checks have to be.
    let locks = Locks::new(config.clone().disable_process_locking(false)).unwrap_or(locks);
    let findings = [
        Some(Finding::ok(CHECK, format_args!("{}, from {}", path.display(), named(source, "--lock-path")))),
        spelled(&config),
        temporary(&path),
        disabled(&config),
        open(&config),
        environment(source, &path),
    ];
    let findings = findings.into_iter().flatten().collect();
    let patient = Patient { path, config: config.clone(), locks };
    Configured { findings, config: Some(config), patient: Some(patient) }
}

/// Who has an engine needs no directory.
fn nothing(config: &Config) -> Finding {
    if config.backend_url.is_some() {
        return Finding::ok(CHECK, "no lock directory, so there are distributed locks only");
    }
    let way_out = "set `lock_path` in the configuration of the service and say --config FILE, or set the environment \
                   variable LOCKUTILS_LOCK_PATH, or say --lock-path DIR; for distributed locks, `backend_url`, \
                   LOCKUTILS_BACKEND_URL or --backend-url URL";
    let text = "no lock directory is configured, and no engine: there are no external locks, and no distributed ones";
    Finding::problem(CHECK, text, way_out)
}

pub(super) fn named(source: Source<'_>, argument: &str) -> String {
    match source {
        Source::Argument => argument.to_owned(),
        Source::File(file) => file.display().to_string(),
        Source::Environment(key) => format!("the environment variable {key}"),
    }
}

/// Paths that are another directory for each process, or for each user.
fn spelled(config: &Config) -> Option<Finding> {
    let path = config.lock_path.as_deref().filter(|path| path.is_relative())?;
    let (shown, way_out) = (path.display(), "write the whole path, from the first `/` on");
    Some(if path.starts_with("~") || path.to_string_lossy().starts_with('~') {
        Finding::problem(CHECK, format_args!("`~` means nothing here: {shown} is a relative path"), way_out)
    } else {
        let text = format!("{shown} is relative, so it is another directory wherever a process is started");
        Finding::warning(CHECK, text, way_out)
    })
}

fn temporary(path: &Path) -> Option<Finding> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let cleaned = ["/tmp", "/var/tmp"].into_iter().find(|cleaned| real.starts_with(cleaned))?;
    let text = format!("{cleaned} is cleaned up by the system, which takes lock files away that are held");
    Some(Finding::warning("temporary", text, "choose a directory below /run or /var/lib"))
}

fn disabled(config: &Config) -> Option<Finding> {
    let text = "`disable_process_locking` is set: external locks keep nobody out of other processes";
    let way_out = "take it out, unless the service is one process";
    config.disable_process_locking.then(|| Finding::warning(CHECK, text, way_out))
}

fn open(config: &Config) -> Option<Finding> {
    let mode = config.lock_file_mode.filter(|mode| mode & 0o006 != 0)?;
    let text =
        format!("lock_file_mode {mode:04o} lets every user open the files, and hold the locks for ever");
    Some(Finding::warning(CHECK, text, "set it to 0600, or to 0660 for a group that shares the locks"))
}

/// Programs that read the one variable and programs that read the other.
fn environment(source: Source<'_>, path: &Path) -> Option<Finding> {
    let set = |key: &str| env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let [ours, oslo] = KEYS.map(set);
    let way_out = "let all of them name one directory, or unset those that are not wanted";
    let differ = |text: String| Some(Finding::warning("environment", text, way_out));
    match (source, ours, oslo) {
        (_, Some(ours), Some(oslo)) if ours != oslo => differ(format!(
            "LOCKUTILS_LOCK_PATH is {} and OSLO_LOCK_PATH is {}: services that use oslo.concurrency take other files, and \
             exclude nobody here",
            ours.display(),
            oslo.display()
        )),
        (Source::File(_), Some(there), _) | (Source::File(_), None, Some(there)) if there != path => {
            differ(format!("the environment names {}, and not the directory of the file", there.display()))
        }
        _ => None,
    }
}
