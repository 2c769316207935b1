//! A lock as a line of JSON. `docs/list.schema.json` is its schema.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use lockutils::distributed::{Contender, Share};
use lockutils::{Evidence, FileState, FileStatus, Holder};
use nix::unistd::gethostname;
use serde::Serialize;

use crate::who::far::{Seen, called};

/// What a line says of a lock.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    name: Cow<'a, str>,
    path: Option<Cow<'a, str>>,
    state: &'static str,
    mode: Option<&'static str>,
    permits: Option<Permits>,
    why: Option<&'a str>,
    holders: Vec<Holding<'a>>,
    waiters: Option<usize>,
    fencing_token: Option<Token>,
    changed: Option<String>,
    looked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Vec<Waiting<'a>>>,
}

#[derive(Serialize)]
struct Permits {
    taken: u32,
    of: u32,
}

/// One that waits for a distributed lock.
#[derive(Serialize)]
struct Waiting<'a> {
    identifier: &'a str,
    mode: &'static str,
}

#[derive(Default, Serialize)]
struct Holding<'a> {
    pid: Option<u32>,
    program: Option<&'a str>,
    host: Option<&'a str>,
    elsewhere: bool,
    since: Option<String>,
    purpose: Option<&'a str>,
    place: Option<&'a str>,
    function: Option<&'a str>,
    thread: Option<&'a str>,
    fencing_token: Option<Token>,
    evidence: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<&'a str>,
    text: String,
}

/// As a string: most readers of JSON keep 53 bits of a number, and a token that has lost its end is another one.
#[derive(Serialize)]
struct Token(String);

impl<'a> Line<'a> {
    pub(crate) fn of(status: &'a FileStatus, looked_at: SystemTime) -> Self {
        let (state, mode) = words(status.state());
        let permits = match status.state() {
            FileState::Permits { taken, of } => Some(Permits { taken, of }),
            _ => None,
        };
        Self {
            name: status.name(),
            path: Some(status.path().to_string_lossy()),
            state,
            mode,
            permits,
            why: status.why(),
            holders: status.holders().iter().map(Holding::of).collect(),
            waiters: status.waiters(),
            fencing_token: status.fencing_token().map(Token::of),
            changed: status.changed().and_then(moment),
            looked_at: moment(looked_at),
            engine: None,
            waiting: None,
        }
    }

    /// The same of a lock that an engine keeps.
    pub(crate) fn of_engine(seen: &'a Seen, looked_at: SystemTime) -> Self {
        let waiting = seen.waiters.as_deref().map(|waiters| waiters.iter().map(Waiting::of).collect());
        let taken = u32::try_from(seen.holders.len()).unwrap_or(u32::MAX);
        let has_waiters = seen.waiters.as_deref().is_some_and(|waiters| !waiters.is_empty());
        Self {
            name: Cow::Borrowed(&seen.name),
            path: None,
            state: match (seen.holders.is_empty(), has_waiters) {
                (false, _) => "held",
                (true, true) => "waited",
                (true, false) => "free",
            },
            mode: seen.holders.first().map(|holder| mode(holder.share)),
            permits: seen.permits().map(|of| Permits { taken, of }),
            why: None,
            holders: seen.holders.iter().map(Holding::of_contender).collect(),
            waiters: seen.waiters.as_ref().map(Vec::len),
            fencing_token: seen.holders.iter().map(|one| one.token).max().and_then(Token::known),
            changed: None,
            looked_at: moment(looked_at),
            engine: Some(&seen.location),
            waiting,
        }
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

fn words(state: FileState) -> (&'static str, Option<&'static str>) {
    match state {
        FileState::Free => ("free", None),
        FileState::Waited => ("waited", None),
        FileState::Write => ("held", Some("write")),
        FileState::Read => ("held", Some("read")),
        FileState::Permits { .. } => ("held", Some("permits")),
        FileState::Foreign => ("foreign", None),
        _ => ("unknown", None),
    }
}

fn mode(share: Share) -> &'static str {
    match share {
        Share::Write => "write",
        Share::Read => "read",
        Share::Permit(_) => "permits",
    }
}

impl<'a> Waiting<'a> {
    fn of(contender: &'a Contender) -> Self {
        Self { identifier: called(contender), mode: mode(contender.share) }
    }
}

impl<'a> Holding<'a> {
    /// One that calls itself `host/pid/program`, or otherwise.
    fn of_contender(contender: &'a Contender) -> Self {
        let identifier = called(contender);
        let mut words = identifier.splitn(3, '/');
        let parts = (words.next(), words.next().and_then(|pid| pid.parse().ok()), words.next());
        let known = Self {
            fencing_token: Token::known(contender.token),
            evidence: "engine",
            identifier: Some(identifier),
            text: identifier.to_owned(),
            ..Self::default()
        };
        let (Some(host), Some(pid), Some(program)) = parts else { return known };
        let elsewhere = gethostname().is_ok_and(|here| here != *host);
        Self { pid: Some(pid), program: Some(program), host: Some(host), elsewhere, ..known }
    }

    fn of(holder: &'a Holder) -> Self {
        Self {
            pid: holder.pid(),
            program: holder.program(),
            host: holder.host(),
            elsewhere: holder.is_elsewhere(),
            since: holder.since().and_then(moment),
            purpose: holder.purpose(),
            place: holder.place(),
            function: holder.function(),
            thread: holder.thread(),
            fencing_token: holder.fencing_token().map(Token::of),
            evidence: evidence(holder.evidence()),
            identifier: None,
            text: holder.to_string(),
        }
    }
}

fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Own => "own",
        Evidence::Both => "both",
        Evidence::Record => "record",
        Evidence::Kernel => "kernel",
        Evidence::KernelAgainstRecord => "kernel-against-record",
        _ => "nothing",
    }
}

impl Token {
    fn of(token: u64) -> Self {
        Self(token.to_string())
    }

    /// That of an engine, which is 0 where it is not known.
    fn known(token: u64) -> Option<Self> {
        (token > 0).then(|| Self::of(token))
    }
}

/// As in RFC 3339. `None` for what that has no words for: times of files may be anything.
pub(crate) fn moment(time: SystemTime) -> Option<String> {
    time.duration_since(UNIX_EPOCH).ok()?;
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_millis(time)).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_that_cannot_be_written_are_left_out() {
        assert_eq!(moment(UNIX_EPOCH).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(moment(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(moment(UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }
}
