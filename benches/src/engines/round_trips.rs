//! How often a lock that is free makes its client wait for the server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use lockutils_benches::median;
use lockutils_tests::server::{Counts, Proxy};

use crate::{Engine, Result, Servers, ours, raw};

/// So often it is counted: a sign of life of the session may come in between.
const TIMES: usize = 15;

/// What was counted of an acquire and of a release.
type Both = (Counts, Counts);

/// Counts on the wire. A raw client that does the same shows what is due to the protocol: the server of etcd talks of other
/// things before it answers, and its clients answer to that, which looks like one trip more. So etcd is asked for its own count
/// of calls, too.
pub(crate) fn show(servers: &Servers) -> Result<()> {
    println!(
        "{:<38} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "on the wire, nobody else", "acquire", "release", "bytes out", "bytes in", "asked"
    );
    for engine in Engine::ALL {
        let scheme = servers.url(engine).split("://").next().unwrap_or_default().to_owned();
        let proxy = Proxy::to(servers.port(engine));
        let mut raw = raw::connect(engine, &proxy.url(&scheme))?;
        // It connects, and the server learns the scripts.
        raw.take().and_then(|()| raw.free())?;
        let counted = (0..TIMES).map(|_| count(&proxy, &mut raw, |raw| raw.take(), |raw, ()| raw.free()));
        line(&format!("{}, raw client", engine.name()), "", &counted.collect::<Result<Vec<_>>>()?);
        drop(raw);
        let mut lock = ours::locks(&proxy.url(&scheme))?.lock("bench-trips").distributed();
        ours::cycle(&lock)?;
        let counted = (0..TIMES)
            .map(|_| count(&proxy, &mut lock, |lock| Ok(lock.acquire()?), |_, guard| Ok(guard.release()?)));
        let asked = match engine {
            Engine::Redis => "1 + 1",
            Engine::Etcd => "as raw",
            Engine::ZooKeeper => "2 + 1",
        };
        line(&format!("{}, lockutils", engine.name()), asked, &counted.collect::<Result<Vec<_>>>()?);
    }
    calls(servers)
}

/// By etcd's own count: what it is told by calls and on streams.
fn calls(servers: &Servers) -> Result<()> {
    let lock = ours::locks(&servers.url(Engine::Etcd))?.lock("bench-calls").distributed();
    ours::cycle(&lock)?;
    let (mut taken, mut freed) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let before = told(servers)?;
        let guard = lock.acquire()?;
        let held = told(servers)?;
        guard.release()?;
        taken.push(held - before);
        freed.push(told(servers)? - held);
    }
    let (taken, freed) = (middle(taken.into_iter()), middle(freed.into_iter()));
    println!("{:<38} {taken:>9} {freed:>9} {:>9} {:>9} {:>7}", "etcd, lockutils, calls", "", "", "1 + 1");
    Ok(())
}

/// How many messages etcd has been told.
fn told(servers: &Servers) -> Result<u64> {
    let mut http = TcpStream::connect((Ipv4Addr::LOCALHOST, servers.port(Engine::Etcd)))?;
    http.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    http.read_to_string(&mut text)?;
    let counts = text.lines().filter(|line| line.starts_with("grpc_server_msg_received_total{"));
    counts.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<u64>()?)).sum()
}

fn count<L, G>(
    proxy: &Proxy,
    lock: &mut L,
    take: impl FnOnce(&mut L) -> Result<G>,
    free: impl FnOnce(&mut L, G) -> Result<()>,
) -> Result<Both> {
    let before = proxy.counts();
    let taken = take(lock)?;
    let held = proxy.counts();
    free(lock, taken)?;
    Ok((held - before, proxy.counts() - held))
}

fn line(name: &str, asked: &str, counted: &[Both]) {
    let of = |figure: fn(&Both) -> u64| middle(counted.iter().map(figure));
    let (taken, freed) = (of(|both| both.0.round_trips), of(|both| both.1.round_trips));
    let sent = of(|both| both.0.bytes_to_server + both.1.bytes_to_server);
    let heard = of(|both| both.0.bytes_to_client + both.1.bytes_to_client);
    println!("{name:<38} {taken:>9} {freed:>9} {sent:>9} {heard:>9} {asked:>7}");
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small"
)]
fn middle(figures: impl Iterator<Item = u64>) -> u64 {
    median(&mut figures.map(|figure| figure as f64).collect::<Vec<_>>()) as u64
}
