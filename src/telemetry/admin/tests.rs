use std::{future::Future, net::Ipv4Addr};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    model::{Ladder, Span},
    telemetry::health::STARTING,
};

use super::*;

/// Serves on a free port while `body` runs, then stops and waits for the end.
async fn with_server<F: Future<Output = ()>>(body: impl FnOnce(SocketAddr, Sources) -> F) {
    let ladder = Ladder::new(vec![Span::from_secs(5)]).unwrap();
    let (_sender, status) = watch::channel(json!({ "lag": 7 }));
    let sources = Sources {
        metrics: Arc::new(Metrics::new("pay", &ladder).unwrap()),
        health: Arc::new(Health::new(Span::from_secs(60))),
        status,
    };
    let admin = Admin::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = admin.address();
    let stop = CancellationToken::new();
    let server = tokio::spawn(admin.serve(sources.clone(), stop.clone()));
    body(address, sources).await;
    stop.cancel();
    timeout(Duration::from_secs(5), server).await.unwrap().unwrap();
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn fetch(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await
}

#[tokio::test]
async fn readiness_answers_503_with_the_reasons_and_then_200() {
    with_server(async |address, sources: Sources| {
        let answer = fetch(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("starting: the worker has not joined its group yet\n"));
        sources.health.set(STARTING, None);
        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200 "));
    })
    .await;
}

#[tokio::test]
async fn metrics_status_and_liveness_are_served() {
    with_server(async |address, _| {
        let metrics = fetch(address, "/metrics").await;
        assert!(metrics.contains("\npaynotify_rebalances_total 0\n"), "{metrics}");
        assert!(fetch(address, "/livez").await.ends_with("\r\n\r\nok\n"));
        assert!(fetch(address, "/status").await.ends_with("{\"lag\":7}"));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_or_not_a_get_or_too_long_is_refused() {
    with_server(async |address, _| {
        assert!(fetch(address, "/secrets").await.starts_with("HTTP/1.1 404 "));
        let post = "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
        assert!(ask(address, post).await.starts_with("HTTP/1.1 405 "));
        let headers = "x-one-more: y\r\n".repeat(100);
        let long = format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        assert!(ask(address, &long).await.starts_with("HTTP/1.1 431 "));
    })
    .await;
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_key() {
    with_server(async |address, _| {
        let error = Admin::bind(address).await.unwrap_err().to_string();
        let expected = format!("admin.listen: cannot listen on {address}: ");
        assert!(error.starts_with(&expected), "{error}");
    })
    .await;
}
