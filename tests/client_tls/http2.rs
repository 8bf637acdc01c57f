//! HTTP/2, for endpoints that want it of merchants that offer it; and what every test here needs: a
//! merchant that tells how it was asked.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ServerConfig,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Authority, client, delivered, registered, send};

/// A request as a merchant saw it.
#[derive(Debug)]
pub struct Asked {
    /// Number of its connection, from 0.
    pub connection: usize,
    pub version: Version,
    pub host: Option<String>,
    pub certificate: Option<CertificateDer<'static>>,
}

/// A merchant behind this TLS that speaks what was agreed on; gives its port.
pub async fn merchant(mut tls: ServerConfig, versions: &[&str]) -> (u16, mpsc::Receiver<Asked>) {
    tls.alpn_protocols = versions.iter().map(|version| version.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = mpsc::channel(256);
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, asked) = (acceptor.clone(), asked.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(connection, stream, asked).await;
                }
            });
        }
    });
    (port, requests)
}

async fn serve(connection: usize, stream: TlsStream<TcpStream>, asked: mpsc::Sender<Asked>) {
    let session = stream.get_ref().1;
    let certificate = session.peer_certificates().map(|chain| chain[0].clone().into_owned());
    let http2 = session.alpn_protocol() == Some(b"h2");
    let answer = service_fn(|request: Request<Incoming>| {
        let header = request.headers().get("host").and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(ToString::to_string);
        let (version, certificate) = (request.version(), certificate.clone());
        let host = host.or(header.map(ToOwned::to_owned));
        asked.try_send(Asked { connection, version, host, certificate }).unwrap();
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok")))) }
    });
    let io = TokioIo::new(stream);
    // A client may go at any time.
    if http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(io, answer).await);
    } else {
        drop(hyper::server::conn::http1::Builder::new().serve_connection(io, answer).await);
    }
}

#[tokio::test]
async fn http2_is_spoken_where_both_sides_want_it_and_only_there() {
    let authority = Authority::new();
    for (wanted, offered, version) in [
        (true, &["h2", "http/1.1"] as &[_], Version::HTTP_2),
        (true, &["h2"], Version::HTTP_2),
        (true, &["http/1.1"], Version::HTTP_11),
        (true, &[], Version::HTTP_11),
        (false, &["h2", "http/1.1"], Version::HTTP_11),
        (false, &["h2"], Version::HTTP_11),
    ] {
        let tls = authority.issue("localhost").server(&[&TLS12, &TLS13]);
        let (port, mut requests) = merchant(tls, offered).await;
        let url = format!("https://localhost:{port}/hooks?a=b");
        let endpoint = registered("e", &url, &Value::Null, wanted).unwrap();
        let answer = send(&client(Some(&authority)), &endpoint).await;
        assert!(delivered(&answer), "{answer:?}");
        let asked = requests.recv().await.unwrap();
        assert_eq!(asked.version, version, "{wanted} {offered:?}");
        assert_eq!(asked.host, Some(format!("localhost:{port}")));
    }
}

#[tokio::test]
async fn requests_at_the_same_time_share_a_connection_of_http2() {
    let authority = Authority::new();
    let tls = authority.issue("localhost").server(&[&TLS13]);
    let (port, mut requests) = merchant(tls, &["h2"]).await;
    let client = client(Some(&authority));
    let url = format!("https://localhost:{port}/");
    let endpoint = registered("e", &url, &Value::Null, true).unwrap();
    assert!(delivered(&send(&client, &endpoint).await));
    let sends = (0..20).map(|_| {
        let (client, endpoint) = (client.clone(), Arc::clone(&endpoint));
        tokio::spawn(async move { send(&client, &endpoint).await })
    });
    for sent in sends.collect::<Vec<_>>() {
        assert!(delivered(&sent.await.unwrap()));
    }
    for _ in 0..21 {
        assert_eq!(requests.recv().await.unwrap().connection, 0);
    }
}

#[test]
fn http2_without_tls_is_refused() {
    let error = registered("e", "http://localhost:8080/", &Value::Null, true).unwrap_err();
    assert!(error.contains("endpoints[0].policy.http2: HTTP/2 needs TLS"), "{error}");
}
