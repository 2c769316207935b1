//! User and password, and the token that etcd gives for them.

use std::future::Future;

use tokio::sync::Mutex;
use tonic::{Code, Status};

use super::net::Token;
use super::rpc::{Authenticate, Call};

/// Who we are.
pub(super) struct Login {
    call: Authenticate,
    known: Mutex<Option<Known>>,
}

#[derive(Clone, PartialEq)]
enum Known {
    Token(Token),
    /// It lets everybody in.
    Open,
}

type Answer = <Authenticate as Call>::Answer;

impl Login {
    pub(super) fn new(name: &str, password: &str) -> Self {
        let call = Authenticate { name: name.into(), password: password.into() };
        Self { call, known: Mutex::default() }
    }

    /// The token; `None` if none is needed. Several who ask at once log in once.
    pub(super) async fn token<F>(&self, ask: impl FnOnce(Authenticate) -> F) -> Result<Option<Token>, Status>
    where
        F: Future<Output = Result<Answer, Status>>,
    {
        let mut known = self.known.lock().await;
        let token = match known.take() {
            Some(there) => there,
            None => log_in(ask(self.call.clone()).await)?,
        };
        Ok(match known.insert(token) {
            Known::Token(token) => Some(token.clone()),
            Known::Open => None,
        })
    }

    /// That one is not valid any more.
    pub(super) async fn forget(&self, token: Option<Token>) {
        let mut known = self.known.lock().await;
        if *known == Some(token.map_or(Known::Open, Known::Token)) {
            *known = None;
        }
    }

    /// Nor may any other be.
    pub(super) async fn forget_any(&self) {
        *self.known.lock().await = None;
    }
}

fn log_in(answer: Result<Answer, Status>) -> Result<Known, Status> {
    match answer {
        Ok(answer) => answer
            .token
            .parse()
            .map(Known::Token)
            .map_err(|_| Status::internal("the token that it has given cannot be sent")),
        Err(status)
            if status.code() == Code::FailedPrecondition
                && status.message().contains("authentication is not enabled") =>
        {
            Ok(Known::Open)
        }
        Err(status) => Err(status),
    }
}
