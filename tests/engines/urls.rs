//! What is wrong with a URL, and that nothing secret is shown of it.

use std::time::Duration;

use lockutils::Error;
use lockutils::distributed::{self, BackendUrl};

fn url(text: &str) -> BackendUrl {
    BackendUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn connect(text: &str) -> Result<(), Error> {
    distributed::connect(&url(text), Duration::from_secs(10)).map(drop)
}

#[track_caller]
fn refused(result: Result<(), Error>, says: &str) {
    let error = result.expect_err(says);
    assert!(error.is_config(), "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn its_parts_may_be_missing() {
    let bare = url("memory:");
    assert_eq!((bare.scheme(), bare.path(), bare.hosts().len()), ("memory", "", 0));
    assert_eq!((bare.user(), bare.password(), bare.value("x")), (None, None, None));
    let hosts = url("etcd://,a,,b:1,");
    assert_eq!(
        (hosts.hosts(), hosts.hosts_or(7)),
        (vec!["a", "b:1"], vec!["a:7".to_owned(), "b:1".to_owned()])
    );
    assert_eq!(url("redis://").hosts_or(7), Vec::<String>::new());
    assert_eq!((url("redis://@h").user(), url("redis://@h").password()), (None, None));
    assert_eq!((url("redis://:@h").user(), url("redis://:@h").password()), (None, Some("")));
    assert_eq!(url("redis://u:p@q@h").password(), Some("p@q"), "the last one ends it");
    assert_eq!(url("redis://h/0?&a=1&&b=&").value("b"), Some(""));
    assert_eq!(url("zookeeper://h//a//b").path(), "/a//b");
}

#[test]
fn what_is_quoted_is_read() {
    let quoted = url("redis://%75:%40%2F%3f%23%25@h/%61%20%C3%A9?%6b=%3D%26&s=a+b");
    assert_eq!((quoted.user(), quoted.password()), (Some("u"), Some("@/?#%")));
    assert_eq!((quoted.path(), quoted.value("k"), quoted.value("s")), ("a é", Some("=&"), Some("a+b")));
    for text in
        ["redis://h/%", "redis://h/%4", "redis://h/%4g", "redis://h/%%", "redis://h?a=%ff", "memory:%+1"]
    {
        refused(BackendUrl::parse(text).map(drop), "`%`");
    }
}

#[test]
fn hosts_are_hosts() {
    let hosts = url("redis://a,b.c-d:1,127.0.0.1:65535,[::1],[fe80::1%25eth0]:2,häst");
    let said = ["a:9", "b.c-d:1", "127.0.0.1:65535", "[::1]:9", "[fe80::1%25eth0]:2", "häst:9"];
    assert_eq!(hosts.hosts_or(9), said);
    for wrong in [
        "a:", ":1", "a:0", "a:65536", "a:x", "a:+1", "a:-1", "::1", "[::1", "::1]", "[a]", "[]", "a b",
        "[::1]x:1",
    ] {
        refused(BackendUrl::parse(&format!("redis://{wrong}/0")).map(drop), "one of its hosts is none");
        refused(BackendUrl::parse(&format!("redis://good,{wrong}")).map(drop), "one of its hosts is none");
    }
}

/// Of a password that was not quoted, whatever a part of it may be taken for.
#[test]
fn what_may_be_secret_is_not_shown() {
    for text in [
        "redis://user:hunter2",
        "redis://user:hunter2@h:x",
        "redis://user:4/hunter2@h",
        "redis://user:4?hunter2@h",
        "redis://user:hunter2/@h",
        "redis://user:%hunter2@h",
        "hunter2@h",
        "redis:user:hunter2@h",
        "memory:user:hunter2@h",
        "user hunter2://h",
    ] {
        let error = BackendUrl::parse(text).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    for text in ["redis://user:hunter2@h/0?password=hunter2", "redis://hunter2@h", "ETCD://:hunter2@h"] {
        let url = url(text);
        assert!(!format!("{url} {url:?} {:?}", url.hosts()).contains("hunter2"), "{url}");
        assert_eq!(url.as_written(), text);
    }
    let foreign = connect("nonesuch://user:hunter2@h/0?key=hunter2").expect_err("there is no such engine");
    assert!(!format!("{foreign} {foreign:?}").contains("hunter2"), "{foreign:?}");
}

#[test]
fn it_must_name_an_engine() {
    refused(
        connect("nonesuch://h"),
        "there is no engine for `nonesuch:`; there are `file:`, `memory:`, `redis:`",
    );
    refused(connect("file:///run/locks"), "`file:` stands for the lock files of this host");
    for none in ["", "memory", "://h", "a_b://h", "é://h"] {
        refused(BackendUrl::parse(none).map(drop), "scheme");
    }
}

#[test]
fn the_engine_in_memory_has_no_hosts_and_one_key() {
    connect("memory:").expect("it needs nothing");
    let short = distributed::connect(&url("memory:"), Duration::from_millis(99)).map(drop);
    refused(short, "session_ttl is less than 100ms");
    connect("MEMORY:name?request_timeout=2s").expect("each engine has this key");
    refused(connect("memory://host/name"), "`memory:` has no hosts; write `memory:` or `memory:name`");
    refused(connect("memory:name?ttl=1s"), "`memory:` has no key `ttl`; its keys are `request_timeout`");
    for wrong in ["", "0s", "soon", "-1s", "1"] {
        let says =
            format!("its key `request_timeout` is {wrong:?}, which is no time, such as `500ms` or `10s`");
        refused(connect(&format!("memory:?request_timeout={wrong}")), &says);
    }
}

#[test]
fn clients_of_one_url_are_of_one_cluster() {
    let open = |text| distributed::connect(&url(text), Duration::from_secs(10)).expect("it needs nothing");
    let location = |text| open(text).location().to_owned();
    assert_eq!(location("memory:a?request_timeout=1s"), location("Memory:a"));
    assert_ne!(location("memory:a"), location("memory:b"));
}
