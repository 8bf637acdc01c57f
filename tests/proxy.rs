//! Requests through the operator's proxy: what it is asked for, and what it is never asked for.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use paynotify::{
    engine::{Answer, FailReason, TlsFault},
    merchant::{
        client::{Client, ClientSettings, Names},
        directory::{Rules, parse_entry},
        guard::{Guard, Ports},
        proxy::Proxy,
        trust::TrustStore,
    },
    model::{Span, Timestamp},
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy that leads every tunnel to one address; it keeps the heads of what it was asked.
struct Relay {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    async fn start(to: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                kept.lock().unwrap().push(head);
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer == ESTABLISHED {
                    let mut merchant = TcpStream::connect(to).await.unwrap();
                    tokio::spawn(async move {
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut merchant).await;
                    });
                }
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// What was asked for, tunnel by tunnel.
    fn lines(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    fn proxy(&self, credentials: &str) -> Proxy {
        Proxy::parse(&format!("http://{credentials}{}", self.address)).unwrap()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.unwrap_or(0) > 0 {
        if stream.write_all(OK.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A merchant that says yes, over TLS when it has an acceptor.
async fn merchant(tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &tls {
                None => drop(tokio::spawn(serve(stream))),
                Some(tls) => {
                    let accepting = tls.accept(stream);
                    tokio::spawn(async move {
                        if let Ok(stream) = accepting.await {
                            serve(stream).await;
                        }
                    });
                }
            }
        }
    });
    address
}

fn settings(proxy: Proxy) -> ClientSettings {
    ClientSettings {
        allow_http: true,
        guard: Guard::new(Vec::new(), Vec::new(), Ports::any()),
        proxy: Some(proxy),
        // Nobody is there: names of merchants are the proxy's to resolve.
        names: Names { servers: vec![([127, 0, 0, 1], 1).into()], ..Names::default() },
        connect_timeout: Span::from_millis(500),
        ..ClientSettings::default()
    }
}

async fn attempt(settings: &ClientSettings, url: &str) -> Answer {
    let entry = json!({ "format": 1, "merchant_id": "m", "endpoints": [{
        "id": "e", "url": url, "policy": { "timeout": "5s" },
        "secrets": [{ "id": "s", "kind": "hmac", "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" }],
    }] });
    let guard = Guard::new(
        vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        Vec::new(),
        Ports::any(),
    );
    let rules = Rules { allow_http: true, guard, ..Rules::default() };
    let merchant = parse_entry(entry.to_string().as_bytes(), &rules).unwrap();
    let value = Bytes::from_static(
        br#"{"id":"evt","type":"a","merchant_id":"m","timestamp":"2026-01-31T12:00:00Z","data":{}}"#,
    );
    let now = || Timestamp::from_millis(1_769_860_800_000);
    let event = paynotify::event::decode(Some(b"m"), Some(&value), &[], now()).unwrap();
    let client = Client::new(settings).unwrap();
    client.attempt(&merchant.endpoints[0], &event, 1, &[], now).await.answer
}

fn is_delivered(answer: &Answer) -> bool {
    matches!(answer, Answer::Response { status: 200, .. })
}

#[tokio::test]
async fn names_and_addresses_go_to_the_proxy_as_they_are_and_with_their_port() {
    let relay = Relay::start(merchant(None).await, ESTABLISHED).await;
    let settings = settings(relay.proxy(""));
    for url in [
        "http://shop.example/hooks",
        "http://shop.example:8080/",
        "http://1.1.1.1/",
        "http://[2606:4700::1]:81/",
    ] {
        let answer = attempt(&settings, url).await;
        assert!(is_delivered(&answer), "{url}: {answer:?}");
    }
    let asked = ["shop.example:80", "shop.example:8080", "1.1.1.1:80", "[2606:4700::1]:81"];
    assert_eq!(relay.lines(), asked.map(|to| format!("CONNECT {to} HTTP/1.1")));
    let heads = relay.heads().join("");
    assert!(!heads.to_lowercase().contains("authorization"), "{heads}");
    assert!(!heads.contains("/hooks"), "nothing of the request is the proxy's: {heads}");
}

#[tokio::test]
async fn tls_goes_through_the_tunnel_to_the_merchant_itself() {
    let name = "shop.example".to_owned();
    let own = rcgen::generate_simple_self_signed([name]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let relay = Relay::start(merchant(Some(Arc::new(tls).into())).await, ESTABLISHED).await;
    let trusting = ClientSettings {
        trust_store: Some(TrustStore::parse("own".into(), own.cert.pem().as_bytes()).unwrap()),
        ..settings(relay.proxy(""))
    };
    let answer = attempt(&trusting, "https://shop.example/hooks").await;
    assert!(is_delivered(&answer), "{answer:?}");
    assert_eq!(relay.lines(), ["CONNECT shop.example:443 HTTP/1.1"]);
    let other = attempt(&trusting, "https://other.example/hooks").await;
    assert_eq!(other, Answer::Failed(FailReason::Tls(TlsFault::WrongName)));
}

#[tokio::test]
async fn the_proxy_gets_its_credentials() {
    let relay = Relay::start(merchant(None).await, ESTABLISHED).await;
    let settings = settings(relay.proxy("user:p%40ss@"));
    assert!(!format!("{settings:?}").contains("p@ss"), "{settings:?}");
    assert!(is_delivered(&attempt(&settings, "http://shop.example/").await));
    let head = &relay.heads()[0];
    assert!(head.contains("\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{head}");
}

#[tokio::test]
async fn the_proxy_is_never_asked_for_what_the_guard_denies() {
    let relay = Relay::start(merchant(None).await, ESTABLISHED).await;
    let mut settings = settings(relay.proxy(""));
    // Even where addresses are allowed, nobody here sees where a name of the inside leads.
    let allowed = vec!["10.8.0.0/16".parse().unwrap()];
    let listed = Ports::parse(["80", "443"]).unwrap();
    settings.guard = Guard::new(allowed, vec!["1.1.1.1/32".parse().unwrap()], listed);
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::ffff:169.254.169.254]/",
        "http://10.9.0.1/",
        "http://1.1.1.1/",
        "http://localhost/",
        "http://intranet/",
        "http://db.internal./",
        "http://shop.example:22/",
    ] {
        let answer = attempt(&settings, url).await;
        assert_eq!(answer, Answer::Failed(FailReason::AddressDenied), "{url}");
    }
    assert_eq!(relay.lines(), [""; 0]);
    assert!(is_delivered(&attempt(&settings, "http://10.8.0.1/").await));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_silent_or_is_away_is_a_connect_failure() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let away = Proxy::parse(&format!("http://{nobody}")).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut proxies =
        vec![away, Proxy::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap()];
    let mut relays = Vec::new();
    for answer in [
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "",
    ] {
        let relay = Relay::start(nobody, answer).await;
        proxies.push(relay.proxy("user:hunter2@"));
        relays.push(relay);
    }
    for proxy in proxies {
        let answer = attempt(&settings(proxy.clone()), "https://shop.example/").await;
        assert_eq!(answer, Answer::Failed(FailReason::Connect), "{proxy}");
    }
}
