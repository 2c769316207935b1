//! What the server says instead of what was asked for.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::distributed::Failure;

/// What an error means for the one who asked.
pub(super) fn failure(error: RedisError) -> Failure {
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            Failure::Denied(error.into())
        }
        ErrorKind::Io if says(&["invalid peer certificate", "received fatal alert"]) => {
            Failure::Denied(error.into())
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            CLUSTER
        }
        _ if says(&["NOAUTH", "WRONGPASS", "NOPERM", "unauthenticated"]) => Failure::Denied(error.into()),
        _ if says(&["WRONGTYPE"]) => {
            Failure::Foreign("a key of another program where the queue of the lock should be".to_owned())
        }
        _ if may_pass(&error, &text) => Failure::Unreachable(error.into()),
        _ => Failure::Other(error.into()),
    }
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
