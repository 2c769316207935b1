//! What a refusal of etcd means.

use std::error::Error;
use std::io;

use tonic::{Code, Status};

use crate::distributed::{Failure, Loss};

/// What to do about it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It will not be otherwise.
    Final(Failure),
    /// Our token is not valid any more.
    LogIn,
    /// It may be otherwise at another endpoint or a moment later. `false`: it has surely not been done.
    Passing { perhaps_done: bool },
}

impl Verdict {
    pub(super) fn of(status: &Status) -> Self {
        let says = |text| status.message().contains(text);
        match status.code() {
            Code::Unauthenticated => Self::LogIn,
            // It asks for a user since a moment ago, or who may do what was changed.
            Code::InvalidArgument if says("revision in header is old") || says("user name is empty") => {
                Self::LogIn
            }
            Code::InvalidArgument if says("authentication failed") => denied(status),
            Code::PermissionDenied => denied(status),
            Code::NotFound if says("lease not found") => Self::Final(Failure::Lost(Loss::Ended)),
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::FailedPrecondition
                if !says("authentication is not enabled") =>
            {
                let is_done_by_nobody =
                    is_refused_connection(status) || is_of_a_certificate(&explained(status));
                Self::Passing { perhaps_done: !is_done_by_nobody }
            }
            Code::ResourceExhausted if says("too many requests") => Self::Passing { perhaps_done: false },
            // Of the connection, or of a server that is going down.
            Code::Internal | Code::Unknown
                if status.source().is_some() || says("context") || says("stopped") =>
            {
                Self::Passing { perhaps_done: true }
            }
            _ => Self::Final(Failure::other(explained(status))),
        }
    }
}

fn denied(status: &Status) -> Verdict {
    Verdict::Final(Failure::Denied(explained(status).into()))
}

/// In one line, with all causes.
pub(super) fn explained(status: &Status) -> String {
    let mut text = status.message().to_owned();
    for cause in causes(status) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Whether there is no connection since the other side is not known by its certificate, as explained.
pub(super) fn is_of_a_certificate(why: &str) -> bool {
    why.contains("invalid peer certificate")
}

fn is_refused_connection(status: &Status) -> bool {
    let refused = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
    };
    causes(status).any(|cause| cause.downcast_ref().is_some_and(refused))
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(status.source(), |cause: &&(dyn Error + 'static)| (**cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: Code, message: &str) -> Verdict {
        Verdict::of(&Status::new(code, message))
    }

    #[test]
    fn what_passes_is_tried_again() {
        for (code, message) in [
            (Code::Unavailable, "etcdserver: no leader"),
            (Code::Unavailable, "etcdserver: request timed out"),
            (Code::FailedPrecondition, "etcdserver: not leader"),
            (Code::Unknown, "context canceled"),
            (Code::Cancelled, "h2 protocol error"),
        ] {
            assert!(matches!(verdict(code, message), Verdict::Passing { perhaps_done: true }), "{message}");
        }
        let busy = verdict(Code::ResourceExhausted, "etcdserver: too many requests");
        assert!(matches!(busy, Verdict::Passing { perhaps_done: false }));
    }

    #[test]
    fn what_does_not_pass_is_told() {
        let full = verdict(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded");
        assert!(matches!(full, Verdict::Final(Failure::Other(_))), "{full:?}");
        for (code, message) in [
            (Code::InvalidArgument, "etcdserver: authentication failed, invalid user ID or password"),
            (Code::PermissionDenied, "etcdserver: permission denied"),
        ] {
            let denied = verdict(code, message);
            assert!(matches!(denied, Verdict::Final(Failure::Denied(_))), "{denied:?}");
        }
        let gone = verdict(Code::NotFound, "etcdserver: requested lease not found");
        assert!(matches!(gone, Verdict::Final(Failure::Lost(Loss::Ended))), "{gone:?}");
    }

    #[test]
    fn tokens_that_are_no_longer_valid_are_renewed() {
        for (code, message) in [
            (Code::Unauthenticated, "etcdserver: invalid auth token"),
            (Code::InvalidArgument, "etcdserver: auth: revision in header is old"),
            (Code::InvalidArgument, "etcdserver: user name is empty"),
        ] {
            assert!(matches!(verdict(code, message), Verdict::LogIn), "{message}");
        }
    }

    #[test]
    fn a_refused_connection_has_done_nothing() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let status = Status::from_error(Box::new(refused));
        let mut status = Status::new(Code::Unavailable, status.message());
        status.set_source(std::sync::Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(matches!(Verdict::of(&status), Verdict::Passing { perhaps_done: false }));
        assert!(explained(&status).contains("connection refused"), "{}", explained(&status));
    }
}
