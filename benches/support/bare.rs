//! The bare client to compare with: tasks that post one request after the other.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use reqwest::{
    Body, Certificate, Client, Method, Request, Url,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{
    events::Events,
    process,
    receiver::{self, Receiver},
    time as clock,
    workload::Workload,
};

/// What the process is told.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Scheme, host and port of the receiver
    base: String,
    /// Tasks that post
    in_flight: usize,
    /// For how long
    seconds: u64,
    /// Bytes of each event
    bytes: usize,
    /// Who signs the receiver's certificate
    certificate: Option<PathBuf>,
}

/// Runs the process until it is done, and tells the seconds of processor time that it took.
pub fn spawn(receiver: &Receiver, workload: Workload, time: Duration) -> anyhow::Result<f64> {
    let before = process::ended_children()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg(receiver.base(workload.tls)).arg(workload.in_flight.to_string());
    command.arg(time.as_secs().to_string()).arg(workload.events.bytes.to_string());
    command.args(receiver.certificate().filter(|_| workload.tls));
    let status = command.status()?;
    anyhow::ensure!(status.success(), "the bare client ended with {status}");
    Ok(process::ended_children()? - before)
}

/// The process itself.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { base, in_flight, seconds, bytes: size, certificate } = arguments;
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut client = Client::builder().no_proxy().pool_max_idle_per_host(*in_flight);
    if let Some(certificate) = certificate {
        let certificate = Certificate::from_pem(&fs::read(certificate)?)?;
        client = client.tls_certs_only([certificate]);
    }
    let client = client.build()?;
    let url = |number| Url::parse(&format!("{base}{}/m_{number}", receiver::DRAIN));
    let urls: Result<Vec<_>, _> = (0..Events::USUAL.merchants).map(url).collect();
    let urls = Arc::new(urls?);
    let (_, _, event) = Events::USUAL.of_bytes(*size).event(1, clock::now_us());
    let event = bytes::Bytes::from(event);
    let end = Instant::now() + Duration::from_secs(*seconds);
    runtime.block_on(async {
        let tasks = (0..*in_flight).map(|first| {
            let (client, urls, event) = (client.clone(), Arc::clone(&urls), event.clone());
            tokio::spawn(post(client, urls, event, first, end))
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
    event: bytes::Bytes,
    first: usize,
    end: Instant,
) -> anyhow::Result<()> {
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
