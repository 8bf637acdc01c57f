//! A token endpoint on the loopback: the client-credentials grant, for one client.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use paynotify::clock::Clock;
use serde_json::json;

/// Who may ask.
pub const CLIENT: &str = "paynotify";
/// With characters that a form escapes.
pub const SECRET: &str = "s3cret+/ &";

/// The endpoint; it serves as long as the test's runtime.
pub struct Tokens {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    life: Duration,
    given: AtomicUsize,
    refuses: AtomicBool,
}

impl Tokens {
    /// Starts it; its tokens live so long.
    pub async fn start(life: Duration) -> Self {
        let shared = Shared { life, given: AtomicUsize::new(0), refuses: AtomicBool::new(false) };
        let shared = Arc::new(shared);
        let serving = Arc::clone(&shared);
        let answer = move |headers: HeaderMap, body: Bytes| {
            let shared = Arc::clone(&serving);
            async move { shared.answer(&headers, &body) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/oauth2/token", post(answer));
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, shared }
    }

    /// For `sasl.oauthbearer.token.endpoint.url`.
    pub fn url(&self) -> String {
        format!("http://{}/oauth2/token", self.address)
    }

    /// How many tokens it gave.
    pub fn given(&self) -> usize {
        self.shared.given.load(Ordering::SeqCst)
    }

    /// Whether it refuses everybody from now on.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }
}

impl Shared {
    fn answer(&self, headers: &HeaderMap, body: &[u8]) -> (StatusCode, String) {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let pair: [String; 2] = [encode(CLIENT), encode(SECRET)];
        let expected = format!("Basic {}", STANDARD.encode(pair.join(":")));
        let known = headers.get(AUTHORIZATION).is_some_and(|found| *found == expected);
        if !known || self.refuses.load(Ordering::SeqCst) {
            let echo = String::from_utf8_lossy(body);
            let refusal = json!({ "error": "invalid_client", "error_description": echo });
            return (StatusCode::UNAUTHORIZED, refusal.to_string());
        }
        if body != b"grant_type=client_credentials&scope=kafka" {
            return (StatusCode::BAD_REQUEST, json!({ "error": "invalid_scope" }).to_string());
        }
        self.given.fetch_add(1, Ordering::SeqCst);
        let now = Clock::without_offset().wall().as_millis() / 1_000;
        let life = self.life.as_secs();
        let expires = now + i64::try_from(life).unwrap();
        let claims = json!({ "sub": CLIENT, "iat": now, "exp": expires, "scope": "kafka" });
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let token = format!("{}.{}.", encode(json!({ "alg": "none" })), encode(claims));
        let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life });
        (StatusCode::OK, answer.to_string())
    }
}
