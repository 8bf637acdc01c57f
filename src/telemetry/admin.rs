//! The admin server: `/metrics`, `/livez`, `/readyz`, `/status` (`contract`, section 8).
//!
//! Small on purpose: one request a connection, few connections, short deadlines.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{health::Health, metrics::Metrics};

/// Connections at a time; more wait in the system's queue.
const CONNECTIONS: usize = 32;
/// Bytes of a request's head; the smallest that hyper allows.
const HEAD_BYTES: usize = 8 << 10;
/// Headers of a request.
const HEADERS: usize = 64;
/// Deadline for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Deadline for a whole connection.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long running requests may take to finish at the end.
const GRACE: Duration = Duration::from_secs(1);

/// Why there is no admin server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("admin.listen: cannot listen on {address}: {source}; free it or set another address")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What the server shows.
#[derive(Debug, Clone)]
pub struct Sources {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// For `/livez` and `/readyz`.
    pub health: Arc<Health>,
    /// For `/status`: the newest value is shown.
    pub status: watch::Receiver<serde_json::Value>,
}

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Takes the address; port 0 means any.
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let wrong = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets running requests finish within a second.
    pub async fn serve(self, sources: Sources, stop: CancellationToken) {
        let router = router(sources);
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let tasks = TaskTracker::new();
        loop {
            let accepted = async {
                // The semaphore is never closed, so a slot always comes.
                let slot = slots.clone().acquire_owned().await;
                (slot, self.listener.accept().await)
            };
            let (slot, stream) = tokio::select! {
                () = stop.cancelled() => break,
                (slot, accepted) = accepted => (slot, accepted),
            };
            match stream {
                Ok((stream, _)) => {
                    let router = router.clone();
                    tasks.spawn(async move {
                        serve_one(stream, router).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Most likely there are no file descriptors; at once again would spin.
                    tracing::warn!(%error, "admin server cannot accept a connection");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = sleep(Duration::from_millis(100)) => {}
                    }
                }
            }
        }
        tasks.close();
        if timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::debug!("admin requests were cut at the end");
        }
    }
}

async fn serve_one(stream: TcpStream, router: Router) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(DEADLINE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "admin request failed"),
        Err(_) => tracing::debug!("admin request exceeded its deadline"),
    }
}

fn router(sources: Sources) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .with_state(sources)
}

async fn metrics(State(sources): State<Sources>) -> Response {
    match sources.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn livez(State(sources): State<Sources>) -> Response {
    match sources.health.stalled() {
        None => "ok\n".into_response(),
        Some(still) => {
            let text = format!("loop: it has not turned for {still}\n");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn readyz(State(sources): State<Sources>) -> Response {
    let reasons = sources.health.reasons();
    if reasons.is_empty() {
        return "ok\n".into_response();
    }
    let text = reasons.join("\n") + "\n";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn status(State(sources): State<Sources>) -> Response {
    let text = sources.status.borrow().to_string();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests;
