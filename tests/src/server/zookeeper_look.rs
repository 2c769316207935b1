//! What is in a ZooKeeper server.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::child::Child;
use crate::peer::python;

use super::tls::Tls;

/// What a znode has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Znode {
    /// Its data.
    pub data: String,
    /// The session that it goes with; 0 if it stays.
    pub owner: i64,
    /// The transaction that made it.
    pub created: i64,
    /// How many children it has.
    pub children: u64,
}

/// A client of kazoo's, which is started when it is needed and then kept: it costs 0.2 s.
pub(super) struct Look {
    arguments: Vec<String>,
    client: Mutex<Option<Child>>,
}

impl Look {
    pub(super) fn at(port: u16, tls: Option<&Tls>) -> Self {
        let mut arguments = vec![format!("127.0.0.1:{port}")];
        arguments.extend(tls.map(Tls::ca));
        Self { arguments, client: Mutex::new(None) }
    }

    #[track_caller]
    pub(super) fn ls(&self, path: &str) -> Option<Vec<String>> {
        let names = self.ask(&json!(["ls", path]));
        Some(names.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Option<Znode> {
        let znode = self.ask(&json!(["get", path]));
        Some(Znode {
            data: znode["data"].as_str()?.to_owned(),
            owner: znode["owner"].as_i64()?,
            created: znode["created"].as_i64()?,
            children: znode["children"].as_u64()?,
        })
    }

    #[track_caller]
    pub(super) fn create(&self, path: &str, data: &str) {
        self.ask(&json!(["create", path, data]));
    }

    #[track_caller]
    pub(super) fn delete(&self, path: &str) -> bool {
        self.ask(&json!(["delete", path])) == true
    }

    #[track_caller]
    fn ask(&self, question: &Value) -> Value {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let client =
            client.get_or_insert_with(|| Child::spawn(python("zookeeper_look.py").args(&self.arguments)));
        client.say(&question.to_string());
        let answer = client.line();
        let answer: Value = serde_json::from_str(&answer).expect("it answers in JSON");
        assert!(answer["error"].is_null(), "{question}: {answer}");
        answer["value"].clone()
    }
}
