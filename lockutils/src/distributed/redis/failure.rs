//! What the server says instead of what was asked for.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::distributed::Failure;

/// What an error means for the one who asked.
pub(super) fn failure(error: &RedisError) -> Failure {
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match error.kind() {
        _ if error.is_timeout() => Failure::unreachable("there was no answer in time"),
        // Servers say it in one way or the other, by what they were asked for first.
        _ if says(&["NOAUTH", "unauthenticated"]) => {
            Failure::Denied("it wants a password, and was given none".into())
        }
        ErrorKind::Io if says(&["invalid peer certificate"]) => Failure::Untrusted(explained(error).into()),
        ErrorKind::Io if says(&["received fatal alert"]) => {
            Failure::Denied(format!("it wants a certificate of this client (`cert`, `key`): {text}").into())
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            CLUSTER
        }
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            Failure::Denied(explained(error).into())
        }
        _ if says(&["WRONGPASS", "NOPERM"]) => Failure::Denied(explained(error).into()),
        _ if says(&["WRONGTYPE"]) => {
            // Whoever knows the keys says which.
            Failure::Foreign("a key of another program".to_owned())
        }
        _ if may_pass(error, &text) => Failure::unreachable(explained(error)),
        _ => Failure::other(explained(error)),
    }
}

/// In the words of the server, as far as there are any, and without those of the client library.
fn explained(error: &RedisError) -> String {
    let text = match (error.kind(), error.code(), error.detail()) {
        (ErrorKind::Server(_) | ErrorKind::Extension, Some(code), Some(detail)) => format!("{code} {detail}"),
        (ErrorKind::Extension, Some(code), None) => code.to_owned(),
        (kind, ..) => error.to_string().replace(&format!(" - {kind:?}"), ""),
    };
    text.trim_end_matches(['.', ' ']).to_owned()
}

/// What this client cannot do.
const CLUSTER: Failure = Failure::Unsupported {
    what: "this server is a node of a Redis Cluster",
    instead: "name a server that is not, or those of Sentinel",
};

fn may_pass(error: &RedisError, text: &str) -> bool {
    let is_lost = matches!(
        error.kind(),
        ErrorKind::Io
            | ErrorKind::Parse
            | ErrorKind::UnexpectedReturnType
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::Server(
                ServerErrorKind::ReadOnly
                    | ServerErrorKind::BusyLoading
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::TryAgain
            )
    );
    is_lost
        || ["READONLY", "LOADING", "NOREPLICAS", "BUSY ", "max number of clients"]
            .iter()
            .any(|word| text.contains(word))
}

/// Whether the connection cannot be used again: it is broken, out of step, or leads to a server that has become a replica.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
        || may_pass(error, &error.to_string())
}

/// Whether the same request should be made again at once on a new connection.
pub(super) fn is_stale(error: &RedisError) -> bool {
    error.is_connection_dropped() || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn said(error: impl Into<RedisError>) -> String {
        failure(&error.into()).to_string()
    }

    #[test]
    fn they_are_told_without_the_words_of_the_library() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            assert_eq!(said(io::Error::from(kind)), "it cannot be reached: there was no answer in time");
        }
        let master = (ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel answers");
        assert_eq!(said(master), "it cannot be reached: no Sentinel answers");
        let wrong =
            (ErrorKind::AuthenticationFailed, "Password authentication failed", "WRONGPASS no".to_owned());
        assert_eq!(said(wrong), "it refuses: Password authentication failed: WRONGPASS no");
        let closed = said(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(closed, "it cannot be reached: connection refused");
    }
}
