//! A token endpoint on the loopback: the client-credentials grant, for one client.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    routing::post,
    serve::Listener,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use paynotify::clock::Clock;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
    server::TlsStream,
};

/// Who may ask.
pub const CLIENT: &str = "paynotify";
pub const SECRET: &str = "s3cret+/&";

/// The endpoint; it serves as long as the test's runtime.
pub struct Tokens {
    base: String,
    shared: Arc<Shared>,
}

type Answer = (StatusCode, [(HeaderName, &'static str); 1], String);

struct Shared {
    life: Duration,
    given: AtomicUsize,
    refuses: AtomicBool,
    nameless: AtomicBool,
}

impl Tokens {
    /// Starts it; its tokens live so long.
    pub async fn start(life: Duration) -> Self {
        let (shared, router) = service(life);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { base, shared }
    }

    /// The same over TLS; its certificate, which only itself vouches for, is written to this file.
    pub async fn start_tls(life: Duration, certificate: &Path) -> Self {
        let (shared, router) = service(life);
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(certificate, cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://localhost:{}", inner.local_addr().unwrap().port());
        let listener = Tls { inner, acceptor: TlsAcceptor::from(Arc::new(config)) };
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { base, shared }
    }

    /// For `sasl.oauthbearer.token.endpoint.url`.
    pub fn url(&self) -> String {
        format!("{}/oauth2/token", self.base)
    }

    /// How many tokens it gave.
    pub fn given(&self) -> usize {
        self.shared.given.load(Ordering::SeqCst)
    }

    /// Its tokens say from now on neither for whom they are nor when they expire.
    pub fn spoil(&self) {
        self.shared.nameless.store(true, Ordering::SeqCst);
    }

    /// Whether it refuses everybody from now on.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }
}

fn service(life: Duration) -> (Arc<Shared>, Router) {
    let shared = Shared {
        life,
        given: AtomicUsize::new(0),
        refuses: AtomicBool::new(false),
        nameless: AtomicBool::new(false),
    };
    let shared = Arc::new(shared);
    let serving = Arc::clone(&shared);
    let answer = move |headers: HeaderMap, body: Bytes| {
        let shared = Arc::clone(&serving);
        async move { shared.answer(&headers, &body) }
    };
    (shared, Router::new().route("/oauth2/token", post(answer)))
}

/// Connections after their handshake.
struct Tls {
    inner: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.inner.accept().await.unwrap();
            // A client that does not trust it ends the handshake.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

impl Shared {
    fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
        let known = headers.get(AUTHORIZATION).is_some_and(|found| *found == expected);
        if !known || self.refuses.load(Ordering::SeqCst) {
            let echo = String::from_utf8_lossy(body);
            let refusal = json!({ "error": "invalid_client", "error_description": echo });
            return answer(StatusCode::UNAUTHORIZED, &refusal);
        }
        if body != b"grant_type=client_credentials&scope=kafka" {
            return answer(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_scope" }));
        }
        self.given.fetch_add(1, Ordering::SeqCst);
        let now = Clock::without_offset().wall().as_millis() / 1_000;
        let life = self.life.as_secs();
        let expires = now + i64::try_from(life).unwrap();
        let claims = json!({ "sub": CLIENT, "iat": now, "exp": expires, "scope": "kafka" });
        let claims = if self.nameless.load(Ordering::SeqCst) { json!({}) } else { claims };
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let token = format!("{}.{}.", encode(json!({ "alg": "none" })), encode(claims));
        let token = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life });
        answer(StatusCode::OK, &token)
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Answer {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string())
}
