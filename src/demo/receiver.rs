//! The merchants' server on the loopback: checks every request and answers in its manner.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    book::Book,
    cast::{Manner, Player, SLOW},
};
use crate::{
    merchant::dialect::{Unsigned, standard},
    model::{EventId, Timestamp},
};

/// Longer than any attempt waits.
const NEVER: Duration = Duration::from_secs(30);

/// A running server; it stops when dropped.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    _stop: DropGuard,
}

/// Listens on a free port of the loopback.
pub async fn start(book: Arc<Book>) -> std::io::Result<Receiver> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let app = Router::new().route("/{merchant}", post(answer)).with_state(book);
    let serving = stop.clone();
    tokio::spawn(async move {
        let ended = serving.run_until_cancelled(axum::serve(listener, app).into_future()).await;
        if let Some(Err(error)) = ended {
            tracing::error!(%error, "the merchants of the demo do not answer any more");
        }
    });
    Ok(Receiver { address, _stop: stop.drop_guard() })
}

async fn answer(
    State(book): State<Arc<Book>>,
    Path(merchant): Path<usize>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Some(player) = book.merchants().get(merchant) else {
        return StatusCode::NOT_FOUND;
    };
    let id = text(&headers, "webhook-id");
    let signed = is_signed(player, &headers, &body);
    let Some(attempt) = book.arrived(id, merchant, &body, signed) else {
        return StatusCode::BAD_REQUEST;
    };
    match player.manner {
        Manner::Slow => tokio::time::sleep(SLOW).await,
        Manner::FailsTwice if attempt <= 2 => return StatusCode::SERVICE_UNAVAILABLE,
        Manner::Prompt | Manner::FailsTwice => {}
        Manner::Refuses => return StatusCode::GONE,
        Manner::BlackHole => {
            tokio::time::sleep(NEVER).await;
            return StatusCode::GATEWAY_TIMEOUT;
        }
    }
    book.acknowledged(id);
    StatusCode::OK
}

fn is_signed(player: &Player, headers: &HeaderMap, body: &[u8]) -> bool {
    let Ok(id) = EventId::parse(text(headers, "webhook-id")) else { return false };
    let Ok(seconds) = text(headers, "webhook-timestamp").parse::<i64>() else { return false };
    let at = Timestamp::from_millis(seconds.saturating_mul(1_000));
    let request = Unsigned { path: "", id: &id, now: at, body };
    let expected = standard::signatures(&[&player.secret], &request);
    expected.is_some_and(|signed| signed.header == text(headers, "webhook-signature"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
