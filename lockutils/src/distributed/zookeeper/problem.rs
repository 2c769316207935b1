//! What the errors of the client mean.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use zookeeper_client::Error;

use super::super::{Failure, Loss};
use crate::error::Seconds;

/// Whether the connection was lost, and it is not known whether the request has been carried out.
pub(super) fn passes(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectionLoss
            | Error::Custom(_)
            | Error::NoHosts
            | Error::NotReadOnly
            | Error::Throttled
            | Error::Timeout
            | Error::UnexpectedError(_)
    )
}

/// Whether the session is no more.
pub(super) fn ends(error: &Error) -> bool {
    matches!(error, Error::SessionExpired | Error::SessionMoved | Error::ClientClosed)
}

pub(super) fn failure(error: Error) -> Failure {
    match error {
        error if ends(&error) => Failure::Lost(Loss::Ended),
        error if passes(&error) => Failure::unreachable(error),
        Error::NoAuth | Error::AuthFailed | Error::InvalidAcl => Failure::Denied(error.into()),
        Error::NoChildrenForEphemerals => {
            Failure::Foreign("a node that goes with a session, and can have nothing below it".to_owned())
        }
        error => Failure::other(error),
    }
}

/// Why it is one, without what every failure of its kind says.
pub(super) fn cause(failure: &Failure) -> String {
    failure.source().map_or_else(|| failure.to_string(), ToString::to_string)
}

/// Nothing has been answered in time. `last`: what was wrong with the last connection.
pub(super) fn too_late(limit: Duration, last: Option<String>) -> Failure {
    let last = last.map(|last| format!(": {last}")).unwrap_or_default();
    let why = format!("no answer within {}{last}", Seconds(limit));
    Failure::unreachable(io::Error::new(io::ErrorKind::TimedOut, why))
}
