//! A web service whose requests exclude each other by name, on the whole host, and which shows its locks:
//! `cargo run --example service`, or with another configuration than [`service.toml`](service.toml) behind `--`.
//!
//! | | |
//! |---|---|
//! | `config.rs` | the configuration, with a section `[lockutils]` |
//! | `handlers.rs` | the requests, each under its lock |
//! | `volumes.rs` | what the locks protect: files without any other protection |
//! | `failure.rs` | what becomes of a lock's error: 503, 409 or 500 |
//! | `page.rs` | `/locks` and `/locks.json` |
//! | `metrics.rs` | `/metrics`, for Prometheus |
//!
//! Start it twice: the two share their locks, and each says on its page who has a file in the other.

mod config;
mod failure;
mod handlers;
mod metrics;
mod page;
mod volumes;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post, put};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::{Config, Server};
use crate::volumes::Volumes;

#[tokio::main]
async fn main() -> ExitCode {
    // Warnings of long waits and holds come this way. What is finer, each acquire and release, is on the level `trace`.
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(tracing::Level::INFO).init();
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<(), Box<dyn Error>> {
    let default = || concat!(env!("CARGO_MANIFEST_DIR"), "/service.toml").into();
    let path: PathBuf = std::env::args_os().nth(1).map_or_else(default, PathBuf::from);
    let config = Config::read(&path)?;
    // The recorder first, then the locks, then whoever takes them.
    let metrics = metrics::record()?;
    lockutils::init(config.lockutils)?;
    let volumes = Volumes::open(&config.server.data)?;
    serve(&config.server, router(volumes, metrics)).await
}

fn router(volumes: Volumes, metrics: metrics::Metrics) -> Router {
    Router::new()
        .route("/volumes/{id}", get(handlers::show))
        .route("/volumes/{id}/grow", post(handlers::grow))
        .route("/volumes/{id}/backup", post(handlers::back_up))
        .route("/volumes/{id}/content", put(handlers::upload))
        .with_state(volumes)
        .route("/metrics", get(metrics::show).with_state(metrics))
        .route("/locks", get(page::show))
        .route("/locks.json", get(page::json))
        .route("/", get(async || Redirect::temporary("/locks")))
}

async fn serve(server: &Server, router: Router) -> Result<(), Box<dyn Error>> {
    let listen = server.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("listen on {listen}: {error}"))?;
    let (stop, stopped) = oneshot::channel();
    let running = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let signals = Signals::new()?;
    greet(running.local_addr()?);
    tokio::select! {
        done = async { running.await } => done?,
        () = signals.end(stop, server.grace) => {
            // What is dropped with the runtime lets go of its locks.
            tracing::warn!("some requests took longer than {:?}, and are dropped", server.grace);
        }
    }
    Ok(())
}

fn greet(address: std::net::SocketAddr) {
    println!("listening on http://{address}");
    let grow = format!("curl --json '{{\"gib\": 1}}' http://{address}/volumes/7/grow");
    println!("    {grow}                        # makes volume 7");
    println!("    curl -X POST 'http://{address}/volumes/7/backup?seconds=30' &   # holds its lock for 30 s");
    println!("    {grow}                        # waits for it, and gives up after 5 s");
    println!("and look at http://{address}/locks");
}

/// How the service is told to end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    /// Waits for one of them, passes it on, and returns when the requests have had their time.
    async fn end(mut self, stop: oneshot::Sender<()>, grace: Duration) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
        tracing::info!("told to end");
        let _ = stop.send(());
        tokio::time::sleep(grace).await;
    }
}
