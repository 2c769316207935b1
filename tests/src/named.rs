//! Tests by their names, for documents that name them.

use std::path::{Path, PathBuf};

/// Whether `module::function` of a suite is a test that is run.
pub fn is_test(suite: &str, name: &str) -> bool {
    let Some((module, function)) = name.rsplit_once("::") else { return false };
    let Some(file) = file_of(suite, module).filter(|_| is_declared(suite, module)) else { return false };
    has_test(&read(&file), function)
}

/// The file of a module: `processes::end` of `it` gives `tests/it/processes/end.rs`.
fn file_of(suite: &str, module: &str) -> Option<PathBuf> {
    let file = root().join("tests").join(suite).join(module.replace("::", "/") + ".rs");
    file.is_file().then_some(file)
}

/// Whether the module above has it: a file alone is not compiled.
fn is_declared(suite: &str, module: &str) -> bool {
    let (above, own) = module.rsplit_once("::").unwrap_or(("main", module));
    let line = format!("mod {own};");
    let Some(file) = file_of(suite, above) else { return false };
    let declared = read(&file).lines().any(|there| there == line || there.ends_with(&format!(" {line}")));
    declared && (above == "main" || is_declared(suite, above))
}

/// Whether a source has this function, with `#[test]` among the attributes above it and without `#[ignore]`.
pub fn has_test(source: &str, function: &str) -> bool {
    let start = format!("fn {function}(");
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let Some(at) = lines.iter().position(|line| line.starts_with(&start)) else { return false };
    let above = || lines[..at].iter().rev().take_while(|line| line.starts_with(['#', '/']));
    above().any(|line| *line == "#[test]") && !above().any(|line| line.starts_with("#[ignore"))
}

/// A text of the repository.
///
/// # Panics
///
/// When it cannot be read.
#[track_caller]
pub fn repository(path: &str) -> String {
    read(&root().join(path))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

#[track_caller]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
