//! What becomes of an error.

use std::io;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request has failed. The attribute makes one of a lock's error by [`From`].
pub(crate) enum Failure {
    Lock(lockutils::Error),
    Io(io::Error),
    NoVolume,
    TooLarge,
}

impl From<lockutils::Error> for Failure {
    fn from(error: lockutils::Error) -> Self {
        Self::Lock(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Lock(error) => lock(&error),
            Self::Io(error) => {
                tracing::error!("{error}");
                (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
            }
            Self::NoVolume => (StatusCode::NOT_FOUND, "there is no such volume\n").into_response(),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the content is too large\n").into_response(),
        }
    }
}

/// The text names the lock, its file and who has it: good for a service within the house. One that strangers use
/// would log it and say less.
fn lock(error: &lockutils::Error) -> Response {
    let text = format!("{error}\n");
    if error.is_timeout() {
        // Who has waited so long in vain need not be back sooner than that.
        let seconds = error.waited().unwrap_or_default().max(Duration::from_secs(1)).as_secs();
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, HeaderValue::from(seconds))], text)
            .into_response();
    }
    let status = if error.is_busy() {
        StatusCode::CONFLICT
    } else if error.is_invalid_name() {
        StatusCode::BAD_REQUEST
    } else {
        tracing::error!("{error}");
        StatusCode::INTERNAL_SERVER_ERROR
    };
    (status, text).into_response()
}
