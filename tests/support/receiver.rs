//! A merchant's server on the loopback that records what it gets and answers as it is told.
//!
//! HTTP/1.1 is read by hand here, because a test also needs what a framework prevents: to hang,
//! and to break the connection in the middle.

mod answer;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use answer::{After, answer};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// 200 at once; what every path does that was told nothing.
    Ok,
    /// This status at once.
    Status(u16),
    /// This status to the first requests of each `webhook-id`, 200 to later ones.
    FailTimes(u32, u16),
    /// Never, and keeps the connection.
    Hang,
    /// 200 after this time.
    Slow(Duration),
    /// Breaks the connection instead.
    Reset,
    /// This status at once, with this body.
    Says(u16, &'static str),
    /// 200 after this time, with this body.
    SlowlySays(Duration, &'static str),
    /// 503, and to come again after so many seconds.
    RetryAfter(u64),
    /// Breaks the connection in the middle of the body.
    ResetWithin,
    /// Breaks it after a whole answer of 200 with this body: whether that was read, nobody knows.
    ResetAfter(&'static str),
    /// A head that drips and does not end.
    SlowHead,
    /// A body that drips and does not end.
    SlowBody,
    /// 500 with a body that comes as fast as it is read, and does not end.
    EndlessBody,
    /// Interim answers, and never another.
    Interim,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path with its query.
    pub path: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// When its last byte was read.
    pub arrived: Instant,
    /// The same by the wall clock.
    pub arrived_at: SystemTime,
    /// The status that is answered; none where no whole answer is sure to come.
    pub status: Option<u16>,
    /// How it is answered.
    pub manner: Manner,
    /// When a whole answer was begun that then went out.
    pub answered: Arc<OnceLock<SystemTime>>,
}

/// The server; it stops when dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    requests: Vec<Arc<Request>>,
    manners: HashMap<String, Manner>,
    failures: HashMap<(String, String), u32>,
}

impl Request {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl Receiver {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            listener,
            Arc::clone(&shared),
            stop.clone(),
        )));
        Self { address, shared, _stop: stop.drop_guard() }
    }

    /// Address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL of a path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on, this path answers so.
    pub fn answer(&self, path: &str, manner: Manner) {
        self.shared.state().manners.insert(path.to_owned(), manner);
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.shared.state().requests.clone()
    }

    /// The same, and forgets them.
    pub fn take_requests(&self) -> Vec<Arc<Request>> {
        std::mem::take(&mut self.shared.state().requests)
    }

    /// The requests of one path so far.
    pub fn requests_to(&self, path: &str) -> Vec<Arc<Request>> {
        self.requests().into_iter().filter(|request| request.path == path).collect()
    }

    /// Waits until `enough` holds for the requests, and returns them. Panics with what came when
    /// `deadline` is over.
    pub async fn wait_until(
        &self,
        enough: impl Fn(&[Arc<Request>]) -> bool,
        deadline: Duration,
    ) -> Vec<Arc<Request>> {
        let came = async {
            loop {
                let changed = self.shared.changed.notified();
                let mut changed = std::pin::pin!(changed);
                // From here on no request is missed between look and wait.
                changed.as_mut().enable();
                if enough(&self.shared.state().requests) {
                    return self.requests();
                }
                changed.await;
            }
        };
        timeout(deadline, came).await.unwrap_or_else(|_| {
            let requests = self.requests();
            // Retries and repeats have different causes.
            let attempts = requests.iter().filter_map(|one| one.header("paynotify-attempt"));
            let again = attempts.filter(|attempt| *attempt != "1").count();
            let last = requests.iter().rev().take(20).map(|one| (one.path.as_str(), one.status));
            let last: Vec<_> = last.collect();
            panic!(
                "{} requests in {deadline:?}, {again} of them retries, the last to {last:?}",
                requests.len()
            )
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and says how to answer it.
    fn record(&self, mut request: Request) -> Manner {
        let mut state = self.state();
        let manner = state.manners.get(&request.path).copied().unwrap_or(Manner::Ok);
        let manner = match manner {
            Manner::FailTimes(times, status) => {
                let id = request.header("webhook-id").unwrap_or_default().to_owned();
                let failed = state.failures.entry((request.path.clone(), id)).or_default();
                *failed += 1;
                Manner::Status(if *failed <= times { status } else { 200 })
            }
            other => other,
        };
        request.status = match manner {
            Manner::Status(status) | Manner::Says(status, _) => Some(status),
            Manner::Ok | Manner::Slow(_) | Manner::SlowlySays(..) => Some(200),
            Manner::RetryAfter(_) => Some(503),
            _ => None,
        };
        request.manner = manner;
        state.requests.push(Arc::new(request));
        drop(state);
        self.changed.notify_waiters();
        manner
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A client that goes away in the middle is no fault of the receiver.
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let _ = serve(stream, &shared).await;
        }));
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let answered = Arc::clone(&request.answered);
        let manner = shared.record(request);
        let waits = match manner {
            Manner::Slow(time) | Manner::SlowlySays(time, _) => time,
            _ => Duration::ZERO,
        };
        // The client may act on the answer before this task goes on.
        let begun = SystemTime::now() + waits;
        let after = answer(&mut stream, manner).await?;
        if after == After::Kept || matches!(manner, Manner::ResetAfter(_)) {
            let _ = answered.set(begun);
        }
        if after == After::Closed {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request, or none when the client closed the connection.
#[expect(clippy::disallowed_methods, reason = "a merchant has a clock of its own")]
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let (arrived, arrived_at) = (Instant::now(), SystemTime::now());
    let (status, manner, answered) = (None, Manner::Ok, Arc::default());
    Ok(Some(Request { path, headers, body, arrived, arrived_at, status, manner, answered }))
}
