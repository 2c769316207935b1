//! The `[oslo_concurrency]` group of an ini file that a Python service reads too.

use std::path::Path;

use configparser::ini::Ini;

use super::{BOOLEANS, Config, boolean};
use crate::error::{Error, Kind};

const GROUP: &str = "oslo_concurrency";
/// How deep `$option` may refer to `$option`.
const DEEPEST: u32 = 16;

impl Config {
    /// Reads `lock_path` and `disable_process_locking` from the group `[oslo_concurrency]` of an oslo ini
    /// file, such as `/etc/nova/nova.conf`. What the file does not set stays unset; `$option` stands for
    /// another option of the group or of `[DEFAULT]`, as in oslo. It has no options for distributed locks: those come from
    /// [`backend_url`](Self::backend_url) or the [environment](Self::or_environment).
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] when the file cannot be read or parsed, when a value is not what the option
    /// needs, or when a `$option` is not in the file (oslo may know a default for it; write the path out).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("nova.conf");
    /// std::fs::write(&path, "[oslo_concurrency]\nlock_path = /var/lib/nova/tmp\n")?;
    /// let config = lockutils::Config::from_oslo_ini(&path)?;
    /// assert_eq!(config.lock_path.unwrap().to_str(), Some("/var/lib/nova/tmp"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_oslo_ini(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong(path, "cannot be read", Some(error.into())))?;
        let mut ini = Ini::new_cs();
        ini.set_multiline(true);
        ini.set_inline_comment_symbols(Some(&[]));
        ini.read(text).map_err(|error| wrong(path, "cannot be parsed", Some(error.into())))?;
        let mut config = Self::default();
        if let Some(value) = value(&ini, "lock_path", path)? {
            config = config.lock_path(value);
        }
        if let Some(value) = value(&ini, "disable_process_locking", path)? {
            config = config.disable_process_locking(boolean(&value).ok_or_else(|| {
                wrong(
                    path,
                    &format!(
                        "says disable_process_locking = {value}, which is no boolean: set it to {BOOLEANS}"
                    ),
                    None,
                )
            })?);
        }
        Ok(config)
    }
}

fn value(ini: &Ini, key: &str, path: &Path) -> Result<Option<String>, Error> {
    let Some(raw) = in_group(ini, GROUP, key).filter(|raw| !raw.is_empty()) else { return Ok(None) };
    expand(ini, unquoted(&raw), path, 0).map(Some)
}

/// A value of a group, whose name is written in any case.
fn in_group(ini: &Ini, group: &str, key: &str) -> Option<String> {
    let named = ini.sections().into_iter().find(|section| section.eq_ignore_ascii_case(group))?;
    ini.get(&named, key)
}

/// oslo.config takes one pair of quotes off.
fn unquoted(raw: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| raw.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(raw)
}

fn expand(ini: &Ini, raw: &str, path: &Path, depth: u32) -> Result<String, Error> {
    if depth > DEEPEST {
        return Err(wrong(path, &format!("has options that refer to each other in `{raw}`"), None));
    }
    let Some((before, rest)) = raw.split_once('$') else { return Ok(raw.to_owned()) };
    // `$$` and `\$` are a dollar sign, and so is one without a name.
    if let Some(rest) = rest.strip_prefix('$') {
        return Ok(format!("{before}${}", expand(ini, rest, path, depth)?));
    }
    if let Some(before) = before.strip_suffix('\\') {
        return Ok(format!("{before}${}", expand(ini, rest, path, depth)?));
    }
    let (option, rest) = option(rest);
    if option.is_empty() {
        return Ok(format!("{before}${}", expand(ini, rest, path, depth)?));
    }
    let known = in_group(ini, GROUP, option).or_else(|| in_group(ini, "DEFAULT", option));
    let known = known.ok_or_else(|| {
        wrong(path, &format!("uses ${option} in `{raw}` and does not set it; write the path out"), None)
    })?;
    let known = expand(ini, unquoted(&known), path, depth + 1)?;
    Ok(format!("{before}{known}{}", expand(ini, rest, path, depth)?))
}

/// The option's name after a `$`, with or without braces, and what follows it.
fn option(text: &str) -> (&str, &str) {
    if let Some((option, rest)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (option, rest);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

fn wrong(path: &Path, what: &str, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Kind::Config { what: format!("oslo configuration file {} {what}", path.display()), source }.into()
}
