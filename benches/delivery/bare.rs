//! The bare client to compare with: tasks that post one request after the other.

use std::{
    net::SocketAddr,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    Body, Client, Method, Request, Url,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{
    events,
    support::{process, receiver, time as clock},
};

/// Runs the process until it is done, and tells the seconds of processor time that it took.
pub fn spawn(receiver: SocketAddr, in_flight: usize, time: Duration) -> anyhow::Result<f64> {
    let before = process::ended_children()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg(receiver.to_string());
    command.arg(in_flight.to_string()).arg(time.as_secs().to_string());
    let status = command.status()?;
    anyhow::ensure!(status.success(), "the bare client ended with {status}");
    Ok(process::ended_children()? - before)
}

/// The process itself.
pub fn run(receiver: &str, in_flight: usize, time: Duration) -> anyhow::Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let client = Client::builder().no_proxy().pool_max_idle_per_host(in_flight).build()?;
    let url = |number| Url::parse(&format!("http://{receiver}{}/m_{number}", receiver::DRAIN));
    let urls: Result<Vec<_>, _> = (0..events::MERCHANTS).map(url).collect();
    let urls = Arc::new(urls?);
    let end = Instant::now() + time;
    runtime.block_on(async {
        let tasks = (0..in_flight).map(|first| {
            let (client, urls) = (client.clone(), Arc::clone(&urls));
            tokio::spawn(post(client, urls, first, end))
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await??;
        }
        Ok(())
    })
}

async fn post(
    client: Client,
    urls: Arc<Vec<Url>>,
    first: usize,
    end: Instant,
) -> anyhow::Result<()> {
    let (_, event) = events::event(1, clock::now_us());
    let event = bytes::Bytes::from(event);
    for url in urls.iter().cycle().skip(first) {
        if Instant::now() >= end {
            break;
        }
        let mut request = Request::new(Method::POST, url.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(Body::from(event.clone()));
        client.execute(request).await?.error_for_status()?.bytes().await?;
    }
    Ok(())
}
