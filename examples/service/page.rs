//! `/locks`: who has which lock, for people; `/locks.json`: the same for programs.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use lockutils::{Evidence, LockState, Mode};
use maud::{DOCTYPE, Markup, html};
use tokio::task::spawn_blocking;

/// A browser executes nothing on this page, even if somebody finds a way to put something into it.
const SAFE: (HeaderName, &str) =
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'");

pub(crate) async fn json() -> Json<Vec<LockState>> {
    Json(lockutils::locks().snapshot())
}

pub(crate) async fn show() -> Result<impl IntoResponse, StatusCode> {
    // It looks at files.
    let rows = spawn_blocking(rows).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([SAFE, (header::CACHE_CONTROL, "no-store")], page(&rows)))
}

fn rows() -> Vec<Row> {
    lockutils::locks().snapshot().into_iter().map(Row::of).collect()
}

/// A lock of this process, and who has its file in others.
struct Row {
    lock: LockState,
    elsewhere: Vec<String>,
}

impl Row {
    fn of(lock: LockState) -> Self {
        let elsewhere = elsewhere(&lock).unwrap_or_else(|error| vec![error.to_string()]);
        Self { lock, elsewhere }
    }
}

/// Who else has the file. While this process writes, nobody has.
fn elsewhere(state: &LockState) -> Result<Vec<String>, lockutils::Error> {
    let Some(directory) = state.path.as_ref().and_then(|path| path.parent()) else { return Ok(Vec::new()) };
    if state.has_file && state.mode == Some(Mode::Write) {
        return Ok(Vec::new());
    }
    let locks = lockutils::locks();
    let lock = match state.permits {
        Some(permits) => locks.semaphore(&state.name, permits),
        None => locks.lock(&state.name),
    };
    // The name has its prefix already.
    let holders = lock.prefix("").lock_path(directory).external().holders()?;
    let others = holders.iter().filter(|holder| holder.evidence() != Evidence::Own);
    Ok(others.map(ToString::to_string).collect())
}

fn page(rows: &[Row]) -> Markup {
    let waiting: u32 = rows.iter().map(|row: &Row| row.lock.waiters).sum();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="2";
                title { "Locks" }
                style { (maud::PreEscaped(include_str!("page.css"))) }
            }
            body {
                h1 { "Locks" }
                p class="sum" {
                    "Process " (std::process::id()) " at " (humantime::format_rfc3339_seconds(SystemTime::now()))
                    ", shown anew every 2 s: " b { (rows.len()) " in use" } ", " b { (waiting) " waiting" } ". The same as "
                    a href="/locks.json" { "JSON" } "; counted in " a href="/metrics" { "metrics" } "."
                }
                (table(rows))
            }
        }
    }
}

fn table(rows: &[Row]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th { "Lock" } th { "State" } th.number { "Holders" } th.number { "Waiting" }
                    th.number { "Held for" } th { "Taken at" } th { "In other processes" }
                }
            }
            tbody {
                @for row in rows { (line(row)) }
                @if rows.is_empty() { tr { td.none colspan="7" { "No lock is in use." } } }
            }
        }
    }
}

fn line(row: &Row) -> Markup {
    let Row { lock, elsewhere } = row;
    html! {
        tr {
            td.lock { b { (lock.name) } div.small { (scope(lock)) } }
            td { (state(row)) }
            td.number { (row.lock.holders) @if let Some(permits) = lock.permits { " of " (permits) } }
            td.number { @if row.lock.waiters > 0 { span.waiting { (row.lock.waiters) } } @else { "0" } }
            td.number title=[lock.since.map(humantime::format_rfc3339_seconds)] { (held(row)) }
            td.place {
                @if row.lock.waits_for_file { div { "waits at" } }
                (lock.place.as_deref().unwrap_or("–"))
            }
            td { @for holder in elsewhere { div { (holder) } } @if elsewhere.is_empty() { "–" } }
        }
    }
}

fn scope(lock: &LockState) -> String {
    lock.path.as_ref().map_or_else(|| "this process".to_owned(), |path| path.display().to_string())
}

fn state(row: &Row) -> Markup {
    match row.lock.mode {
        _ if row.lock.waits_for_file => html! { span.state.wait { "waits for file" } },
        Some(mode) => html! { span.state.(mode) { (mode) } },
        None => html! { span.state { "free" } },
    }
}

fn held(row: &Row) -> String {
    row.lock.held().map_or_else(|| "–".to_owned(), short)
}

/// Tenths of a second while they matter.
fn short(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}
