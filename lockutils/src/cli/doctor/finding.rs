//! What a check has found.

use std::fmt;

use serde::Serialize;

use crate::shown::plain;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// It may do harm one day.
    Warning,
    /// It keeps locks from working.
    Problem,
}

/// What a check has found. It is a line, and another one with the way out.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    pub(super) state: State,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    way_out: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, text: impl fmt::Display) -> Self {
        Self { check, state: State::Ok, text: text.to_string(), way_out: None }
    }

    pub(super) fn warning(check: &'static str, text: impl fmt::Display, way_out: impl fmt::Display) -> Self {
        let (text, way_out) = (text.to_string(), Some(way_out.to_string()));
        Self { check, state: State::Warning, text, way_out }
    }

    pub(super) fn problem(check: &'static str, text: impl fmt::Display, way_out: impl fmt::Display) -> Self {
        Self { state: State::Problem, ..Self::warning(check, text, way_out) }
    }

    /// Of an error of the library, which says the way out after its last semicolon.
    pub(super) fn error(check: &'static str, error: impl fmt::Display) -> Self {
        let text = error.to_string();
        let (text, way_out) = text.rsplit_once("; ").unwrap_or((&text, "correct it"));
        Self::problem(check, text, way_out)
    }

    pub(super) fn is_problem(&self) -> bool {
        self.state == State::Problem
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Problem => "problem",
        };
        write!(f, "{state:<7}  {:<13}  {}", self.check, plain(&self.text))?;
        let Some(way_out) = &self.way_out else { return Ok(()) };
        write!(f, "\n{:24} -> {}", "", plain(way_out))
    }
}
