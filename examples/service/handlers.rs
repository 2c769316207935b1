//! The requests. A handler runs under its lock; what an extractor does, such as reading a body, comes before that.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use lockutils::synchronized;
use serde::Deserialize;

use crate::failure::Failure;
use crate::volumes::{Id, Volume, Volumes};

const LARGEST: usize = 1 << 20;

/// `GET /volumes/7`: with others who read, and with nobody who writes.
#[synchronized("vol-{id}", external, read)]
pub(crate) async fn show(
    State(volumes): State<Volumes>,
    Path(id): Path<Id>,
) -> Result<Json<Volume>, Failure> {
    volumes.read(&id)?.map(Json).ok_or(Failure::NoVolume)
}

#[derive(Deserialize)]
pub(crate) struct Grow {
    gib: u64,
}

/// `POST /volumes/7/grow`: reads, works and writes. Two at once on one volume would lose what one of them added.
#[synchronized("vol-{id}", external)]
pub(crate) async fn grow(
    State(volumes): State<Volumes>,
    Path(id): Path<Id>,
    Json(by): Json<Grow>,
) -> Result<Json<Volume>, Failure> {
    let mut volume = volumes.read(&id)?.unwrap_or_default();
    tokio::task::yield_now().await; // In place of the work: the lock is held meanwhile.
    volume.gib = volume.gib.saturating_add(by.gib);
    Ok(Json(volumes.write(&id, volume)?))
}

#[derive(Deserialize)]
pub(crate) struct BackUp {
    /// How long it takes, beyond the copying: for those who want to look at held locks.
    #[serde(default)]
    seconds: u64,
}

/// `POST /volumes/7/backup?seconds=30`: does not wait while somebody else has the volume. A client that leaves lets go.
#[synchronized("vol-{id}", external, blocking = false)]
pub(crate) async fn back_up(
    State(volumes): State<Volumes>,
    Path(id): Path<Id>,
    Query(how): Query<BackUp>,
) -> Result<String, Failure> {
    let Some(volume) = volumes.read(&id)? else { return Err(Failure::NoVolume) };
    tokio::time::sleep(Duration::from_secs(how.seconds)).await;
    volumes.copy(&id)?;
    Ok(format!("{} GiB backed up\n", volume.gib))
}

/// `PUT /volumes/7/content`: two at once on the whole host, since each needs the memory for its content. It asks for the
/// `Body`, and reads it here: an extractor of bytes would have filled the memory before the semaphore.
#[synchronized("uploads", external, semaphore = 2)]
pub(crate) async fn upload(
    State(volumes): State<Volumes>,
    Path(id): Path<Id>,
    body: Body,
) -> Result<Json<Volume>, Failure> {
    let content = to_bytes(body, LARGEST).await.map_err(|_| Failure::TooLarge)?;
    store(&volumes, &id, &content).await.map(Json)
}

/// The volume is taken for as long as the content is written, not for as long as the client sends it.
#[synchronized("vol-{id}", external)]
async fn store(volumes: &Volumes, id: &Id, content: &[u8]) -> Result<Volume, Failure> {
    let mut volume = volumes.read(id)?.ok_or(Failure::NoVolume)?;
    volumes.write_content(id, content)?;
    volume.bytes = content.len() as u64;
    Ok(volumes.write(id, volume)?)
}
