//! One connection to a merchant: how it is driven, bounded and closed.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, header::HOST};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
    rt::{Executor, Read, ReadBufCursor, Write},
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::{MAX_HEADERS, request::authority};

/// Bytes of a response's headers at most, and of what is read ahead of a body.
const MAX_BUFFER: usize = 64 * 1024;
/// Bytes of a response's headers over HTTP/2, where they are counted by field.
const MAX_HEADER_LIST: u32 = 64 * 1024;
/// Bytes that a merchant may send ahead on one stream, and on one connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// A TLS session: records of 16 KiB in both directions, each twice, keys and certificates.
const TLS: usize = 64 * 1024;
/// Bytes that a connection takes at most: over HTTP/2, where more may be sent ahead than over HTTP/1.1.
pub const CONNECTION_BYTES: usize = CONNECTION_WINDOW as usize + MAX_HEADER_LIST as usize + TLS;
/// Reads in a row before others have their turn. What h2 has read of interim answers piles up until
/// whoever waits for the response throws it away.
const READS: u8 = 8;
/// A connection that nobody holds may say goodbye for so long.
const GOODBYE: Duration = Duration::from_secs(1);

/// Sends requests over one connection, which closes when nobody holds it.
pub(super) struct Connection {
    sender: Sender,
    /// Ends the drivers when the last holder lets go.
    closing: Arc<DropGuard>,
}

/// HTTP/1.1 takes one request at a time, so its sender is never used by two.
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A request that did not bring a response; it is in there if nothing of it was sent.
pub(super) type Unanswered = TrySendError<Request<Full<Bytes>>>;

impl Connection {
    /// Speaks HTTP/1.1 over `io`.
    pub async fn http1(io: impl Io, permit: OwnedSemaphorePermit) -> Result<Self, hyper::Error> {
        let closing = CancellationToken::new();
        let (sender, run) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER)
            .handshake(Counted { io, reads: 0, _permit: permit })
            .await?;
        // What goes wrong is told to whoever waits for the response.
        Tasks(closing.clone()).execute(async move { drop(run.await) });
        Ok(Self { sender: Sender::Http1(sender), closing: Arc::new(closing.drop_guard()) })
    }

    /// Speaks HTTP/2 over `io`. Pushed responses are refused by hyper.
    pub async fn http2(io: impl Io, permit: OwnedSemaphorePermit) -> Result<Self, hyper::Error> {
        let closing = CancellationToken::new();
        let tasks = Tasks(closing.clone());
        let (sender, driver) = http2::Builder::new(tasks.clone())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST)
            .handshake(Counted { io, reads: 0, _permit: permit })
            .await?;
        let driver = async move { drop(driver.await) };
        tasks.execute(driver);
        Ok(Self { sender: Sender::Http2(sender), closing: Arc::new(closing.drop_guard()) })
    }

    /// The same connection for one more request at the same time, where HTTP/2 allows it.
    pub fn share(&self) -> Option<Self> {
        let Sender::Http2(sender) = &self.sender else { return None };
        let sender = Sender::Http2(sender.clone());
        Some(Self { sender, closing: Arc::clone(&self.closing) })
    }

    /// Whether it serves several requests at a time.
    pub fn is_shared(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Whether it is of no use any more.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Whether it takes a request now: after a response it needs a moment.
    pub fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }

    /// Sends the request to `to`, in the form that the version wants.
    pub async fn send(
        &mut self,
        to: &Url,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Box<Unanswered>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                if let Ok(host) = authority(to).parse() {
                    request.headers_mut().insert(HOST, host);
                }
                sender.try_send_request(request).await
            }
            Sender::Http2(sender) => {
                request.headers_mut().remove(HOST);
                if let Ok(to) = Uri::try_from(to.as_str()) {
                    *request.uri_mut() = to;
                }
                sender.try_send_request(request).await
            }
        }
        .map_err(Box::new)
    }
}

/// Runs what drives a connection until it is done, or nobody holds the connection any more: a merchant
/// that does not let it close keeps no file open.
#[derive(Clone)]
struct Tasks(CancellationToken);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, driver: F) {
        let closing = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = driver => {}
                () = async {
                    closing.cancelled().await;
                    tokio::time::sleep(GOODBYE).await;
                } => {}
            }
        });
    }
}

/// What a connection runs over.
pub(super) trait Io: Read + Write + Unpin + Send + 'static {}

impl<T: Read + Write + Unpin + Send + 'static> Io for T {}

/// Counts among the open connections for as long as the file is open.
struct Counted<T> {
    io: T,
    /// Reads in a row that brought something.
    reads: u8,
    _permit: OwnedSemaphorePermit,
}

impl<T: Read + Unpin> Read for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads == READS {
            self.reads = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        self.reads = if read.is_ready() { self.reads + 1 } else { 0 };
        read
    }
}

impl<T: Write + Unpin> Write for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }
}
