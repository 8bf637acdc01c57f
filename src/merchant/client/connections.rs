//! A request's way to a connection: one that is there, or a new one.

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{
    connection::Connection,
    dial::{BoxError, Dial},
    failure,
    pool::{Bounds, Key, Pool, Taken},
    request::authority,
};
use crate::{
    engine::FailReason,
    model::{ClientCertificate, Endpoint},
};

/// Sends requests over connections that are dialled when there is none.
#[derive(Clone)]
pub(super) struct Connections {
    dial: Dial,
    pool: Arc<Pool>,
    watched: Arc<AtomicBool>,
}

/// The connection of a response, until its body was read.
pub(super) struct Lease {
    key: Arc<Key>,
    taken: Option<Taken>,
    pool: Arc<Pool>,
}

impl Connections {
    pub fn new(dial: Dial, bounds: Bounds) -> Self {
        Self { dial, pool: Arc::new(Pool::new(bounds)), watched: Arc::default() }
    }

    /// How many are open or being dialled.
    pub fn open_now(&self) -> usize {
        self.pool.open_now()
    }

    /// Sends the request to where the endpoint is. A connection that turns out to be closed before
    /// anything was sent is replaced; nothing is sent twice.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Lease), FailReason> {
        let key = Arc::new(Key {
            https: endpoint.url.scheme() == "https",
            authority: authority(&endpoint.url).into(),
            http2: endpoint.policy.http2,
            certificate: endpoint.certificate.as_ref().map(ClientCertificate::id),
        });
        loop {
            let (taken, fresh) = match self.pool.take(&key) {
                Some(taken) => (taken, false),
                // Opening is rare, and in a box it does not make every request's future large.
                None => (Box::pin(self.open(&key, endpoint)).await?, true),
            };
            let mut lease =
                Lease { key: Arc::clone(&key), taken: None, pool: Arc::clone(&self.pool) };
            let connection = &mut lease.taken.insert(taken).connection;
            match connection.send(&endpoint.url, request).await {
                Ok(response) => return Ok((response, lease)),
                Err(mut unanswered) => match unanswered.take_message() {
                    // Each round takes one connection away, and a fresh one is the last.
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(failure::of_request(unanswered.error())),
                },
            }
        }
    }

    async fn open(&self, key: &Arc<Key>, endpoint: &Endpoint) -> Result<Taken, FailReason> {
        self.watch();
        let to = Uri::try_from(endpoint.url.as_str()).map_err(|_| FailReason::Protocol)?;
        let connection = self.connect(to, endpoint).await;
        let connection = connection.map_err(|error| failure::of_dial(&*error))?;
        Ok(self.pool.add(key, connection))
    }

    async fn connect(&self, to: Uri, endpoint: &Endpoint) -> Result<Connection, BoxError> {
        let closed = || io::Error::other("the pool is closed");
        let permit = self.pool.permit().await.ok_or_else(closed)?;
        let dialled = self.dial.open(to, endpoint).await?;
        Ok(if dialled.is_http2 {
            Connection::http2(dialled.stream, permit).await?
        } else {
            Connection::http1(dialled.stream, permit).await?
        })
    }

    /// Idle connections are closed in time from the first one on.
    fn watch(&self) {
        if !self.watched.swap(true, Ordering::Relaxed) {
            tokio::spawn(close_idle(Arc::downgrade(&self.pool), self.pool.tick()));
        }
    }
}

async fn close_idle(pool: Weak<Pool>, tick: std::time::Duration) {
    let mut ticks = tokio::time::interval(tick);
    while let Some(pool) = pool.upgrade() {
        pool.close_idle();
        drop(pool);
        ticks.tick().await;
    }
}

impl Lease {
    /// The response was read to its end, or to where nobody cares for the rest.
    pub fn done(mut self, complete: bool) {
        if let Some(taken) = self.taken.take()
            && (complete || taken.connection.is_shared())
        {
            self.pool.keep(&self.key, taken);
        }
    }
}

impl Drop for Lease {
    /// What failed or was cut is not used again.
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.pool.retire(&self.key, &taken);
        }
    }
}
