//! `--json`: real output against the schema that is documented.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jsonschema::Validator;
use lockutils_tests::{Peer, Place};
use serde_json::Value;

use super::{pid, said};

pub(crate) fn schema() -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/list.schema.json");
    let schema = fs::read_to_string(path).expect("the schema");
    let schema = serde_json::from_str(&schema).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a schema");
    jsonschema::validator_for(&schema).expect("a schema")
}

/// The lines of a command, each of which the schema allows.
#[track_caller]
pub(crate) fn lines(printed: &str) -> Vec<Value> {
    let schema = schema();
    let parsed = printed.lines().map(|line| {
        let value: Value = serde_json::from_str(line).expect("a line is JSON");
        let wrong: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}: {line}");
        value
    });
    parsed.collect()
}

fn listed(place: &Place) -> Vec<Value> {
    let (printed, errors) = said(&mut place.lockutils(&["list", "--json"]));
    assert_eq!(errors, "");
    lines(&printed)
}

#[test]
fn every_state_is_as_the_schema_says() {
    let place = Place::new("every_state_is_as_the_schema_says");
    let writer = place.holder("a-writer");
    let _waiter = place.waiter("a-writer", &[]);
    let _readers = [place.holder_with("b-readers", &["read"]), place.holder_with("b-readers", &["read"])];
    let _permit = place.holder_with("c-permits", &["semaphore=4"]);
    let _peer = Peer::alone("flock(1)").holder(&place.file("d-peer"));
    let _nameless = Peer::NAMELESS.holder(&place.file("e-nameless"));
    drop(place.try_acquire("f-free"));
    fs::write(place.file("g-notes"), "notes\n").expect("a file");
    fs::write(place.path().join(std::ffi::OsStr::from_bytes(b"h\xff\x1b")), "").expect("a file");

    let seen = listed(&place);
    let states: Vec<_> = seen.iter().map(|line| (line["state"].as_str(), line["mode"].as_str())).collect();
    let held = |mode| (Some("held"), Some(mode));
    let expected = [
        held("write"),
        held("read"),
        held("permits"),
        held("write"),
        held("write"),
        (Some("free"), None),
        (Some("foreign"), None),
        (Some("foreign"), None),
    ];
    assert_eq!(states, expected);
    let first = &seen[0];
    assert_eq!(first["name"], "a-writer");
    assert_eq!(first["path"], place.file("a-writer").display().to_string());
    assert_eq!(first["waiters"], 1);
    let holder = &first["holders"][0];
    assert_eq!(holder["pid"].to_string(), pid(&writer));
    assert_eq!((&holder["evidence"], &holder["elsewhere"]), (&"both".into(), &false.into()));
    assert_eq!(holder["fencing_token"], first["fencing_token"]);
    assert!(holder["since"].as_str().is_some_and(|since| since < first["looked_at"].as_str().expect("text")));
    assert!(holder["text"].as_str().is_some_and(|text| text.starts_with("pid ")), "{holder}");
    assert_eq!(seen[1]["holders"].as_array().map(Vec::len), Some(2));
    assert_eq!((&seen[2]["permits"]["taken"], &seen[2]["permits"]["of"]), (&1.into(), &4.into()));
    assert_eq!(seen[4]["holders"][0]["evidence"], "nothing");
    assert_eq!(seen[6]["why"], "it has content that is not of this crate");
    assert_eq!(seen[7]["name"], "h\u{fffd}\u{1b}");
    let looks: Vec<_> = seen.iter().map(|line| &line["looked_at"]).collect();
    assert!(looks.iter().all(|look| *look == looks[0]), "{looks:?}");
}

#[test]
fn times_that_have_no_words_are_left_out() {
    let place = Place::new("times_that_have_no_words");
    let file = fs::File::create(place.file("old")).expect("a file");
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_secs(86_400);
    file.set_modified(before).expect("a time");
    assert!(listed(&place)[0]["changed"].is_null());
}

#[test]
fn pid_files_are_as_the_schema_says() {
    let place = Place::of_pid_files("pid_files_are_as_the_schema_says");
    let _holder = place.holder("job");
    let seen = listed(&place);
    assert_eq!((&seen[0]["waiters"], &seen[0]["holders"][0]["evidence"]), (&Value::Null, &"record".into()));
}

/// The schema is none that takes everything.
#[test]
fn the_schema_refuses_what_is_wrong() {
    let place = Place::new("the_schema_refuses_what_is_wrong");
    let _holder = place.holder("job");
    let (schema, right) = (schema(), listed(&place).remove(0));
    assert!(schema.is_valid(&right));
    let wrong = [
        ("/state", "taken".into()),
        ("/mode", Value::Null),
        ("/holders", Value::Array(Vec::new())),
        ("/waiters", "2".into()),
        ("/fencing_token", 7.into()),
        ("/changed", "yesterday".into()),
        ("/holders/0/evidence", "rumour".into()),
        ("/holders/0/pid", 0.into()),
    ];
    for (at, value) in wrong {
        let mut line = right.clone();
        *line.pointer_mut(at).expect(at) = value;
        assert!(!schema.is_valid(&line), "{line}");
    }
    for gone in ["name", "looked_at"] {
        let mut line = right.clone();
        line.as_object_mut().expect("an object").remove(gone);
        assert!(!schema.is_valid(&line), "{line}");
    }
}

/// All fields are told in the help.
#[test]
fn the_help_names_every_field() {
    let place = Place::new("the_help_names_every_field");
    let (help, _) = said(&mut place.lockutils(&["list", "--help"]));
    let _holder = place.holder("job");
    let line = listed(&place).remove(0);
    let fields = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for field in fields(&line).into_iter().chain(fields(&line["holders"][0])) {
        assert!(help.contains(&format!("`{field}`")), "{field}");
    }
}
