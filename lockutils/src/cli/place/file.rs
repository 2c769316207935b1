//! The configuration file of a service, of which one section is ours.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use lockutils::Config;
use lockutils::exit::Exit;
use serde::Deserialize;

use crate::failure::Failure;

/// A file of which one section is ours.
#[derive(Deserialize)]
struct Service {
    lockutils: Option<Config>,
}

pub(super) fn read(file: &Path) -> Result<Config, Failure> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    let parse: fn(&str) -> Result<Service, Box<dyn Error>> = match extension {
        Some("conf" | "ini") => return Ok(Config::from_oslo_ini(file)?),
        Some("toml") => |text| Ok(toml::from_str(text)?),
        Some("yaml" | "yml") => |text| Ok(serde_saphyr::from_str(text)?),
        Some("json") => |text| Ok(serde_json::from_str(text)?),
        _ => {
            let known = ".toml, .yaml, .yml, .json, or .conf or .ini for oslo files";
            return Err(unusable(
                file,
                format_args!("its extension does not say what it is; known are {known}"),
            ));
        }
    };
    let text = fs::read_to_string(file).map_err(|error| unusable(file, error))?;
    let service = parse(&text).map_err(|error| unusable(file, error))?;
    let missing = "it has no section `lockutils`; write one, with `lock_path` in it";
    service.lockutils.ok_or_else(|| unusable(file, missing))
}

/// Parsers draw pictures of several lines; the first ones say where and the last ones what.
fn unusable(file: &Path, why: impl fmt::Display) -> Failure {
    let text = why.to_string();
    let lines = text.lines().map(|line| line.trim().trim_start_matches("error: "));
    let lines = lines.filter(|line| !line.is_empty() && !line.contains('|') && !line.starts_with("-->"));
    let line = lines.collect::<Vec<_>>().join(": ");
    Failure::new(Exit::Config, format_args!("cannot use {}: {line}", file.display()))
}
