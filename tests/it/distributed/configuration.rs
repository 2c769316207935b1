//! How a registry learns of its engine.

use std::time::Duration;

use lockutils::distributed::{BackendUrl, connect};
use lockutils::{Config, Locks};

#[test]
fn user_and_password_are_never_shown() {
    let url = "etcd://root:hunter2@a:2379/locks?token=hunter2";
    let config = Config::new().backend_url(url);
    assert!(!format!("{config:?}").contains("hunter2"));
    let broken = Config::new().backend_url("redis://u:%zzhunter2@h");
    assert!(!format!("{broken:?}").contains("hunter2"));
    let error = Locks::new(broken).expect_err("it is wrong");
    assert!(error.is_config() && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_url_is_read_from_every_format_and_written_as_it_was() {
    let text = "backend_url = \"etcd://root:hunter2@a:2379,b\"\nsession_ttl = \"15s\"\n";
    let config: Config = toml::from_str(text).expect("a configuration");
    let url = config.backend_url.as_ref().expect("it is there");
    assert_eq!((url.scheme(), url.hosts()), ("etcd", vec!["a:2379", "b"]));
    assert_eq!(config.session_ttl, Some(Duration::from_secs(15)));
    let written = toml::to_string(&config).expect("it can be written");
    assert!(written.contains("etcd://root:hunter2@a:2379,b"), "{written}");
    assert_eq!(toml::from_str::<Config>(&written).expect("it can be read"), config);
    let error = toml::from_str::<Config>("backend_url = \"hunter2\"").expect_err("no URL");
    assert!(error.to_string().contains("it has no scheme"), "{error}");
}

#[test]
fn what_cannot_be_used_is_refused_with_the_way_out() {
    for (url, part) in [
        ("postgres://h", "there is no engine for `postgres:`; there are `file:`, `memory:`"),
        ("nonsense", "it has no scheme, such as `redis://`"),
        ("memory://host/x", "`memory:` has no hosts; write `memory:` or `memory:name`"),
        ("memory:x?ttl=5s", "`memory:` has no key `ttl`; its keys are `request_timeout`"),
        ("memory:x?request_timeout=soon", "its key `request_timeout` is \"soon\", which is no time"),
        ("file:run/nova", "write an absolute path behind three slashes, such as file:///run/nova"),
        ("file://host/run", "write an absolute path behind three slashes"),
        ("file:///run?x=1", "`file:` has no key `x`, nor any other"),
    ] {
        let locks = Locks::new(Config::new().backend_url(url));
        let error = locks.and_then(|locks| locks.lock("x").distributed().acquire()).expect_err(url);
        assert!(error.is_config() && error.to_string().contains(part), "{url}: {error}");
    }
    let error = Locks::new(Config::new().session_ttl(Duration::from_millis(1))).expect_err("too short");
    assert!(error.is_config() && error.to_string().contains("session_ttl"), "{error}");
}

#[test]
fn files_may_have_a_directory_of_their_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let (own, engine) = (directory.path().join("own"), directory.path().join("engine"));
    let config = Config::new().lock_path(&own).backend_url(format!("file://{}", engine.display()));
    let locks = Locks::new(config).expect("a registry");
    let far = locks.lock("x").distributed().acquire().expect("free");
    let near = locks.lock("x").external().acquire().expect("another file");
    assert_eq!((far.path().unwrap(), near.path().unwrap()), (&*engine.join("x"), &*own.join("x")));
    assert!(locks.backend().expect("it is one").is_none());
    assert_eq!(far.remaining(), None);
}

#[test]
fn an_engine_can_be_looked_at() {
    let locks = super::alone("looked-at");
    let backend = locks.backend().expect("a URL").expect("an engine");
    assert_eq!(backend.location(), "memory:looked-at");
    let cluster = futures_lite::future::block_on(backend.cluster(lockutils::distributed::Caller::Task));
    assert_eq!(cluster.expect("it is there"), "memory:looked-at");
    let one =
        connect(&BackendUrl::parse("memory:looked-at").expect("a URL"), Duration::from_secs(1)).expect("one");
    let given = Locks::with_backend(Config::new(), one).expect("a registry");
    let guard = given.lock("x").distributed().acquire().expect("free");
    assert!(locks.lock("x").distributed().try_acquire().expect("reachable").is_none());
    drop(guard);
}
