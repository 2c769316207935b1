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
        return vec![Finding::ok(CHECK, "none is configured: distributed locks are lock files of this host")];
    };
    let mut findings =
        vec![Finding::ok(CHECK, format_args!("{url}, from {}", named(source, "--backend-url")))];
    findings.extend(seen(url, source));
    findings.extend(clear(url));
    findings.extend(of_this_host(url));
    match Locks::new(config.clone()).and_then(|locks| Ok((locks.backend()?, locks))) {
        Ok((Some(backend), locks)) => findings.extend(examine(&*backend, &locks)),
        Ok((None, _)) => {}
        Err(error) => findings.push(Finding::problem(CHECK, error, CORRECT)),
    }
    findings
}

fn examine(backend: &dyn Backend, locks: &Locks) -> Vec<Finding> {
    let mut findings = vec![promises(backend)];
    let locks = take(locks);
    let works = !locks.is_problem();
    if works {
        findings.push(cluster(backend));
    }
    findings.push(locks);
    findings
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

/// What a service does, with a name that no service has.
fn take(locks: &Locks) -> Finding {
    let lock = locks.with_prefix("").lock(format!("lockutils-doctor-{}", std::process::id())).distributed();
    let started = Instant::now();
    let released = lock.try_acquire().and_then(|guard| guard.map(LockGuard::release).transpose());
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
    finding
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
