//! Who is let in, and how.

use std::time::Duration;

use lockutils::distributed::{self, BackendUrl, Caller, Failure, Share};
use lockutils_tests::server::{Proxy, Redis, RedisOptions};

use super::{TTL, client, client_with, is_held, refused};
use crate::contract::bench::By;
use crate::contract::drive::answer;

fn works(url: &str) {
    let [ours, theirs] = [By::Thread, By::Task].map(|by| client_with(url, TTL, by));
    let grant = ours.take("job", Share::Write);
    let wait = theirs.queue("job", Share::Write);
    ours.release(&grant).expect("it is held");
    let grant = wait.grant();
    is_held(&theirs, &grant);
    theirs.release(&grant).expect("it is held");
}

#[track_caller]
fn is_denied(url: &str) {
    for by in [By::Thread, By::Task] {
        let failure = refused(&client_with(url, TTL, by), "job");
        assert!(matches!(failure, Failure::Denied(_)), "{failure:?}");
        let text = failure.to_string();
        assert!(!text.contains("hunter") && !text.contains(['"', '.']), "{text}");
    }
}

#[track_caller]
fn is_not_trusted(url: &str) {
    for by in [By::Thread, By::Task] {
        let failure = refused(&client_with(url, TTL, by), "job");
        assert!(matches!(failure, Failure::Untrusted(_)), "{failure:?}");
        assert!(failure.to_string().starts_with("its certificate is not trusted: "), "{failure}");
    }
}

#[test]
fn with_the_right_password_only() {
    let redis = Redis::start_with(RedisOptions::new().password("hunter2"));
    works(&redis.url());
    is_denied(&redis.url().replace("hunter2", "hunter3"));
    let without = redis.url().replace(":hunter2@", "");
    is_denied(&without);
    let ours = client(&without);
    let said = [
        refused(&ours, "job").to_string(),
        answer(ours.backend.contenders(ours.request("job", Share::Write))).expect_err("refused").to_string(),
        answer(ours.backend.cluster(Caller::Task)).expect_err("refused").to_string(),
    ];
    assert_eq!(said, ["it refuses: it wants a password, and was given none"; 3]);
}

#[test]
fn as_the_right_user_only() {
    let rights = "~nova:* ~{nova:* &lockutils:wake:* resetchannels &lockutils:wake:* +eval +evalsha +time +type +exists \
        +get +set +setrange +del +pexpire +pexpireat +persist +pttl +zadd +zrem +zcard +zscore +zrank +zrange +zrevrange \
        +zrangebyscore +zremrangebyscore +publish +subscribe +unsubscribe +punsubscribe +ping +select +info";
    let options = RedisOptions::new().user("admin", "hunter2").and_user("nova", "hunter4", rights);
    let redis = Redis::start_with(options.and_user("mute", "hunter5", "~* resetchannels +@all"));
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}/0?prefix=nova:", redis.port());
    works(&redis.url());
    works(&url("nova:hunter4@"));
    is_denied(&url("nova:hunter2@"));
    is_denied(&url("nobody:hunter4@"));
    is_denied(&url("nova:hunter4@").replace("nova:*", "").replace("?prefix=nova:", ""));
    // Who may not be called cannot wait, and is told; it can take what is free.
    let (mute, holder) = (client(&url("mute:hunter5@")), client(&url("nova:hunter4@")));
    mute.release(&mute.take("job", Share::Write)).expect("it is held");
    let grant = holder.take("job", Share::Write);
    let failure = mute.enter(mute.request("job", Share::Write).waiting()).expect_err("it cannot be called");
    assert!(matches!(failure, Failure::Denied(_)), "{failure:?}");
    // Who may not call lets others wait for their net, and nothing breaks.
    holder.release(&grant).expect("it is held");
    let grant = mute.take("job", Share::Write);
    let wait = holder.queue("job", Share::Write);
    mute.release(&grant).expect("it is held");
    is_held(&holder, &wait.grant());
}

#[test]
fn with_tls() {
    let redis = Redis::start_with(RedisOptions::new().tls().password("hunter2"));
    let ca = redis.tls().expect("it speaks TLS").ca();
    works(&format!("{}?ca={ca}", redis.url()));
    works(&format!("{}?insecure=true", redis.url()));
    // Nobody has signed it whom this machine trusts.
    is_not_trusted(&redis.url());
    let other = Redis::start_with(RedisOptions::new().tls());
    is_not_trusted(&format!("{}?ca={}", redis.url(), other.tls().expect("it speaks TLS").ca()));
    let plain = client(&redis.url().replace("rediss:", "redis:"));
    let failure = refused(&plain, "job");
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
}

#[test]
fn with_a_certificate_of_the_client() {
    let redis = Redis::start_with(RedisOptions::new().tls().set("tls-auth-clients", "yes"));
    let tls = redis.tls().expect("it speaks TLS");
    let (ca, cert, key) = (tls.ca(), tls.client_certificate(), tls.client_key());
    works(&format!("{}?ca={ca}&cert={cert}&key={key}", redis.url()));
    is_denied(&format!("{}?ca={ca}", redis.url()));
}

/// Time-outs hold for TLS, too, where a handshake may hang.
#[test]
fn tls_to_a_server_that_hangs_takes_no_longer() {
    let redis = Redis::start_with(RedisOptions::new().tls());
    let proxy = Proxy::to(redis.port());
    proxy.hold_answers();
    let ours = client(&format!("{}/0?insecure=true&request_timeout=200ms", proxy.url("rediss")));
    let start = std::time::Instant::now();
    let failure = refused(&ours, "job");
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    assert!(
        failure.to_string().ends_with("there was no answer in time; does this port speak TLS?"),
        "{failure}"
    );
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn what_cannot_be_used_of_a_url_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("empty.pem");
    std::fs::write(&file, "nothing").expect("a file");
    let file = file.display();
    let wrong = [
        ("redis:", "no host"),
        ("redis://a,b", "one host"),
        ("redis://a/x", "no number of a database"),
        ("redis://a/-1", "no number of a database"),
        ("redis://a?prefix=%00", "control character"),
        ("redis://a?retry=soon", "`retry`"),
        ("redis://a?connections=0", "`connections`"),
        ("redis://a?colour=red", "no key `colour`"),
        ("redis://a?ca=/x", "write `rediss:`"),
        ("rediss://a?ca=/there/is/none", "cannot read"),
        (&format!("rediss://a?ca={file}"), "has no certificate in it"),
        ("rediss://a?insecure=perhaps", "`insecure`"),
        (&format!("rediss://a?cert={file}"), "both"),
        (&format!("rediss://a?cert={file}&key={file}"), "key"),
        ("redis+sentinel://a", "what Sentinel calls the master"),
        ("redis+sentinel://a/m/x", "no number of a database"),
    ];
    // What is no host is refused by the URL itself, and by the engine where it takes all of them.
    assert!(BackendUrl::parse("redis://a:x").is_err_and(|error| error.is_config()));
    for (text, why) in wrong {
        let url = BackendUrl::parse(text).expect("a URL");
        let error = distributed::connect(&url, TTL).expect_err(text);
        assert!(error.is_config() && error.to_string().contains(why), "{text}: {error}");
    }
}

/// So many connections are enough for whatever number of threads.
#[test]
fn connections_are_few() {
    let redis = Redis::start();
    let ours = client_with(&(redis.url() + "?connections=2"), Duration::from_secs(20), By::Thread);
    std::thread::scope(|scope| {
        for thread in 0..20 {
            let ours = &ours;
            scope.spawn(move || {
                for _ in 0..20 {
                    let name = format!("job-{thread}");
                    ours.release(&ours.take(&name, Share::Write)).expect("it is held");
                }
            });
        }
    });
    let clients = redis.cli(&["CLIENT", "LIST"]);
    let of_ours = clients.lines().filter(|line| line.contains("lib-name=lockutils")).count();
    assert!((1..=3).contains(&of_ours) || !clients.contains("lib-name"), "{clients}");
}
