//! Why no server could be had, which the client library does not say.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::Failure;
use super::options::Options;

/// For so long at most each of them is looked at: somebody waits for the answer.
const SHORT: Duration = Duration::from_millis(250);

/// What is in the way at the first server that even takes connections, or else at the last one.
pub(super) async fn why(options: &Options) -> Failure {
    let mut why = String::new();
    for host in options.hosts.split(',') {
        why = match timeout(SHORT, TcpStream::connect(host)).await {
            Ok(Ok(_)) => return Failure::unreachable(format!("{host} {}", silence(options.is_secret()))),
            Ok(Err(error)) => format!("{host}: {error}"),
            Err(_) => format!("{host}: there was no answer in time"),
        };
    }
    Failure::unreachable(why)
}

/// It takes connections. Nothing was heard of it then: also where it has lost the others, or where it just starts.
fn silence(is_secret: bool) -> &'static str {
    if is_secret {
        "takes connections, and begins no session by TLS: is its certificate one of `ca`, and does this port speak TLS?"
    } else {
        "takes connections, and begins no session: is it ZooKeeper, with a majority, and without TLS on this port?"
    }
}
