//! `/metrics`: the counters of the locks, for Prometheus. Their labels are templates, `vol-{id}`, however many volumes
//! there are.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub(crate) type Metrics = PrometheusHandle;

/// The lower end tells free locks from a wake-up, which takes some tens of microseconds; the upper end is where somebody
/// should look.
const BUCKETS: [f64; 13] =
    [0.0, 0.000_05, 0.000_2, 0.001, 0.005, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0];

/// Begins to count.
pub(crate) fn record() -> Result<Metrics, BuildError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let metrics = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS)?.install_recorder()?;
    lockutils::record_metrics(); // The recorder is there.
    let handle = metrics.clone();
    tokio::spawn(async move {
        // What nobody has asked for is summed up from time to time, so that it does not pile up.
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            handle.run_upkeep();
        }
    });
    Ok(metrics)
}

pub(crate) async fn show(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
}
