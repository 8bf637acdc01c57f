//! Connections that are kept: used again, bounded, and closed in time.

use std::time::Duration;

use paynotify::{
    merchant::client::{Client, ClientSettings},
    model::Span,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use super::{BODY, OK, clock, endpoint, event, read_request, settings, status};

/// What happens to a merchant's connections, in order; each has its number from 0.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Opened(usize),
    Closed(usize),
}

/// A merchant that answers every request.
struct Merchant {
    url: String,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Merchant {
    /// Closes a connection after so many answers.
    async fn start(answers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let (events, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let events = events.clone();
                events.send(Seen::Opened(number)).unwrap();
                tokio::spawn(async move {
                    for _ in 0..answers {
                        if read_request(&mut stream).await.len() < BODY.len() {
                            break;
                        }
                        stream.write_all(OK.as_bytes()).await.unwrap();
                    }
                    drop(stream);
                    let _ = events.send(Seen::Closed(number));
                });
            }
        });
        Self { url, seen }
    }

    async fn next(&mut self) -> Seen {
        tokio::time::timeout(Duration::from_secs(5), self.seen.recv()).await.unwrap().unwrap()
    }
}

async fn deliver(client: &Client, url: &str) {
    let result = client.attempt(&endpoint(url, "5s"), &event(), 1, &[], clock).await;
    assert_eq!(status(&result), 200);
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let mut merchant = Merchant::start(usize::MAX).await;
    let client = Client::new(&settings()).unwrap();
    for _ in 0..20 {
        deliver(&client, &merchant.url).await;
    }
    drop(client);
    assert_eq!([merchant.next().await, merchant.next().await], [Seen::Opened(0), Seen::Closed(0)]);
}

#[tokio::test]
async fn a_connection_that_the_merchant_has_closed_is_replaced() {
    let merchant = Merchant::start(1).await;
    let client = Client::new(&settings()).unwrap();
    for _ in 0..20 {
        deliver(&client, &merchant.url).await;
    }
}

#[tokio::test]
async fn the_connection_that_was_idle_longest_makes_room() {
    let client = Client::new(&ClientSettings { max_connections: 2, ..settings() }).unwrap();
    let mut merchants = Vec::new();
    for _ in 0..3 {
        merchants.push(Merchant::start(usize::MAX).await);
    }
    deliver(&client, &merchants[0].url).await;
    deliver(&client, &merchants[1].url).await;
    deliver(&client, &merchants[0].url).await;
    deliver(&client, &merchants[2].url).await;
    assert_eq!(merchants[1].next().await, Seen::Opened(0));
    assert_eq!(merchants[1].next().await, Seen::Closed(0));
    deliver(&client, &merchants[0].url).await;
    assert_eq!(merchants[0].next().await, Seen::Opened(0));
    assert!(merchants[0].seen.try_recv().is_err(), "the first is still open");
}

#[tokio::test]
async fn who_finds_too_many_connections_open_waits_for_one_to_close() {
    let client = Client::new(&ClientSettings { max_connections: 1, ..settings() }).unwrap();
    let mut other = Merchant::start(usize::MAX).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("http://{}/", listener.local_addr().unwrap());
    let (asked, begun) = oneshot::channel();
    let (go, gone) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        asked.send(()).unwrap();
        gone.await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
        read_request(&mut stream).await;
    });
    let first = async {
        deliver(&client, &slow).await;
    };
    let second = async {
        begun.await.unwrap();
        let second = deliver(&client, &other.url);
        tokio::pin!(second);
        // Polled until it waits; nothing it could do is left but to wait.
        let waited = tokio::time::timeout(Duration::from_millis(200), &mut second).await;
        assert!(waited.is_err(), "there is one connection for all");
        assert!(other.seen.try_recv().is_err());
        go.send(()).unwrap();
        second.await;
    };
    tokio::join!(first, second);
    assert_eq!(other.next().await, Seen::Opened(0));
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    let idle_timeout = Span::from_millis(100);
    let client = Client::new(&ClientSettings { idle_timeout, ..settings() }).unwrap();
    let mut merchant = Merchant::start(usize::MAX).await;
    deliver(&client, &merchant.url).await;
    assert_eq!([merchant.next().await, merchant.next().await], [Seen::Opened(0), Seen::Closed(0)]);
    deliver(&client, &merchant.url).await;
    assert_eq!(merchant.next().await, Seen::Opened(1));
}

#[tokio::test]
async fn of_one_hosts_connections_only_so_many_are_kept() {
    let client = Client::new(&ClientSettings { max_idle_per_host: 1, ..settings() }).unwrap();
    let mut merchant = Merchant::start(usize::MAX).await;
    let url = merchant.url.clone();
    tokio::join!(deliver(&client, &url), deliver(&client, &url), deliver(&client, &url));
    let mut closed = 0;
    for _ in 0..5 {
        closed += usize::from(matches!(merchant.next().await, Seen::Closed(_)));
    }
    assert_eq!(closed, 2, "of three");
    deliver(&client, &url).await;
    assert!(merchant.seen.try_recv().is_err(), "the third is used again");
}
