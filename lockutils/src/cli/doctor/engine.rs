//! The engine of distributed locks: which one it is, what it promises, and whether locks work there, by trying.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use lockutils::distributed::{Answer, Backend, BackendUrl, Caller, Failure, Promise};
use lockutils::{Config, Lock, LockGuard, Locks};

use super::configured::named;
use super::finding::Finding;
use crate::engine::PROMISES;
use crate::place::Source;

const CHECK: &str = "engine";
const CORRECT: &str = "correct `backend_url`";
/// A lock that nobody else wants takes two answers of an engine.
const SLOW: Duration = Duration::from_secs(1);

/// `None` for the source: nobody has said which one it is.
pub(super) fn check(config: &Config, source: Option<Source<'_>>) -> Vec<Finding> {
    let Some((url, source)) = config.backend_url.as_ref().zip(source) else {
        return none(config).into_iter().collect();
    };
    let (named, opened) = (
        format!("{url}, from {}", named(source, "--backend-url")),
        Locks::new(config.clone()).and_then(|locks| Ok((locks.backend()?, locks))),
    );
    let mut findings = vec![match &opened {
        Ok(_) => Finding::ok(CHECK, named),
        Err(error) => unusable(&named, &error.to_string()),
    }];
    findings.extend(seen(url, source));
    findings.extend(clear(url));
    findings.extend(of_this_host(url));
    if let Ok((Some(backend), locks)) = opened {
        findings.extend(examine(&*backend, &locks, config));
    }
    findings
}

/// Without a directory either, there is nothing that could take its place, which is a problem of the configuration.
fn none(config: &Config) -> Option<Finding> {
    let is_set = config.lock_path.as_ref().is_some_and(|path| !path.as_os_str().is_empty());
    let text = "none is configured: distributed locks are lock files of this host, which exclude nobody on other hosts";
    is_set.then(|| Finding::ok(CHECK, text))
}

/// What is wrong with the URL, or with this build.
fn unusable(named: &str, error: &str) -> Finding {
    match error.split_once("; add the feature ") {
        Some((what, feature)) => Finding::problem(
            CHECK,
            format_args!("{named}: {what}"),
            format_args!("add the feature {feature}"),
        ),
        None => Finding::problem(CHECK, format_args!("{named}: {error}"), CORRECT),
    }
}

/// What it promises and grants is known of one that works.
fn examine(backend: &dyn Backend, locks: &Locks, config: &Config) -> Vec<Finding> {
    let (taken, lasts) = take(locks);
    if taken.is_problem() {
        return vec![taken];
    }
    let session = lasts.map(|lasts| session(config, lasts));
    [Some(promises(backend)), Some(cluster(backend)), session, Some(taken)].into_iter().flatten().collect()
}

/// The server may grant another one than was asked for.
fn session(config: &Config, lasts: Duration) -> Finding {
    let asked = match config.session_ttl {
        Some(ttl) => format!("`session_ttl` is {ttl:?}"),
        None => "`session_ttl` is not set".to_owned(),
    };
    let lasts = lasts.as_secs_f64();
    Finding::ok("session", format_args!("{asked}: a lock lasts {lasts:.1} s after the last sign of life"))
}

/// Those that it does not give are what its users have to do without.
fn promises(backend: &dyn Backend) -> Finding {
    let promises = backend.promises();
    let words = |given| {
        let words = PROMISES.iter().filter(|(_, promise)| promises.has(*promise) == given);
        words.map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
    };
    let (given, missing) = (words(true), words(false));
    if missing.is_empty() {
        return Finding::ok("promises", given);
    }
    let text = format!("{given}; not {missing}");
    if promises.has(Promise::Linearizable) && promises.has(Promise::SurvivesFailover) {
        return Finding::ok("promises", text);
    }
    let way_out = "where two holders at once would do harm, take etcd or ZooKeeper, and let the resource refuse old fencing \
                   tokens";
    Finding::warning("promises", text, way_out)
}

fn cluster(backend: &dyn Backend) -> Finding {
    match wait(backend.cluster(Caller::Thread { until: None })) {
        Ok(id) => Finding::ok("cluster", id),
        Err(failure) => Finding::warning(
            "cluster",
            format_args!("its id is not known: {failure}"),
            "let this user ask for it",
        ),
    }
}

/// What a service does, with a name that no service has; and how long its lock lasts by itself.
fn take(locks: &Locks) -> (Finding, Option<Duration>) {
    let lock = locks.with_prefix("").lock(format!("lockutils-doctor-{}", std::process::id())).distributed();
    let (started, mut lasts) = (Instant::now(), None);
    let released = lock.try_acquire().and_then(|guard| {
        lasts = guard.as_ref().and_then(LockGuard::remaining);
        guard.map(LockGuard::release).transpose()
    });
    let took = started.elapsed();
    let finding = match released {
        Ok(Some(())) if took < SLOW => Finding::ok(
            "distributed",
            format_args!("a lock was taken and let go in {:.1} ms", took.as_secs_f64() * 1e3),
        ),
        Ok(Some(())) => {
            let text = format!("taking a lock and letting it go took {:.1} s", took.as_secs_f64());
            Finding::warning(
                "distributed",
                text,
                "look whether the engine, its disk or the network is overloaded",
            )
        }
        Ok(None) => Finding::problem("distributed", "a lock that nobody else wants is busy", CORRECT),
        Err(error) => Finding::error("distributed", error),
    };
    if !finding.is_problem() {
        clean(&lock);
    }
    (finding, lasts)
}

/// Nobody else knows it. What may not be removed is small, and stays.
fn clean(lock: &Lock) {
    let _ = lock.destroy();
}

/// Who else can read the password.
fn seen(url: &BackendUrl, source: Source<'_>) -> Option<Finding> {
    url.password()?;
    let way_out = "set the environment variable LOCKUTILS_BACKEND_URL, or write it into a file of mode 0600 for --config";
    match source {
        Source::Argument => {
            let text = "every user of this host can see the password on the command line";
            Some(Finding::warning("password", text, way_out))
        }
        Source::File(file) => {
            let mode = fs::metadata(file).ok()?.permissions().mode();
            let text = format!("every user of this host can read the password in {}", file.display());
            (mode & 0o004 != 0).then(|| Finding::warning("password", text, "chmod o-r the file"))
        }
        Source::Environment(_) => None,
    }
}

/// A password that goes over a network as it is.
fn clear(url: &BackendUrl) -> Option<Finding> {
    url.password()?;
    let is_near = |host: &str| ["127.", "localhost", "[::1]"].iter().any(|near| host.starts_with(near));
    let is_clear = matches!(url.scheme(), "redis" | "redis+sentinel" | "etcd" | "zookeeper");
    let text = "the password is sent as it is, for everybody in between to read";
    let way_out = "use TLS (rediss:, etcds:), or a network that nobody else is in";
    (is_clear && !url.hosts().iter().all(|host| is_near(host)))
        .then(|| Finding::warning("password", text, way_out))
}

/// What excludes no other host.
fn of_this_host(url: &BackendUrl) -> Option<Finding> {
    match url.scheme() {
        "file" => {
            let text = format!("lock files in /{}, which exclude nobody on other hosts", url.path());
            Some(Finding::ok("distributed", text))
        }
        "memory" => {
            let text = "`memory:` excludes nobody outside of one process";
            Some(Finding::problem("distributed", text, "it is for tests; choose an engine"))
        }
        _ => None,
    }
}

/// On this thread. Engines answer within their own limits.
fn wait<T>(mut answer: Answer<T>) -> Result<T, Failure> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(answered) = Pin::new(&mut answer).poll(&mut context) {
            return answered;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_that_of_the_error() {
        let missing = unusable(
            "etcd://a, from --config",
            "no engine for `etcd:`; add the feature `etcd` of the crate lockutils",
        );
        let said = missing.to_string();
        assert!(said.contains("etcd://a, from --config: no engine for `etcd:`\n"), "{said}");
        assert!(said.ends_with("-> add the feature `etcd` of the crate lockutils"), "{said}");
        let said = unusable("redis://h?x=1", "it has no key `x`; its keys are `prefix`").to_string();
        assert!(
            said.contains("its keys are `prefix`") && said.ends_with("-> correct `backend_url`"),
            "{said}"
        );
    }
}
