//! The bare loop to compare latency with: consume, post, forget. It signs nothing, knows no merchants,
//! commits nothing and tries nothing again.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use reqwest::{
    Client, Url,
    header::{CONTENT_TYPE, HeaderName},
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::support::{receiver, topics::PARTITIONS};

/// Looks at its end between two waits for events.
const WAIT: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(30);
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");

/// The process, which ends when this is dropped.
pub struct BareLoop {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl BareLoop {
    /// Starts it at the end of the topic.
    pub fn start(
        bootstrap: &str,
        topic: &str,
        receiver: SocketAddr,
        in_flight: usize,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare-loop", bootstrap, topic]);
        command.arg(receiver.to_string()).arg(in_flight.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        anyhow::ensure!(line == "ready\n", "the bare loop did not begin");
        let stdin = child.stdin.take();
        Ok(Self { child, stdin })
    }

    /// Fails when it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        anyhow::ensure!(ended.is_none(), "the bare loop ended by itself");
        Ok(())
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    id: &'a str,
    merchant_id: &'a str,
}

/// The process itself: says when it is ready, and ends with its stdin.
pub fn run(bootstrap: &str, topic: &str, receiver: &str, in_flight: usize) -> anyhow::Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let client = Client::builder().no_proxy().pool_max_idle_per_host(in_flight).build()?;
    let slots = Arc::new(Semaphore::new(in_flight));
    let consumer = at_the_end(bootstrap, topic)?;
    let (gone, end) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        drop(gone);
    });
    println!("ready");
    while end.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
        let Some(message) = consumer.poll(WAIT) else { continue };
        let message = message?;
        let body = bytes::Bytes::copy_from_slice(message.payload().unwrap_or_default());
        let event: Event<'_> = serde_json::from_slice(&body)?;
        let url = format!("http://{receiver}{}/{}", receiver::LIVE, event.merchant_id);
        let request = client.post(Url::parse(&url)?).header(CONTENT_TYPE, "application/json");
        let request = request.header(WEBHOOK_ID, event.id).body(body.clone());
        let slot = runtime.block_on(Arc::clone(&slots).acquire_owned())?;
        runtime.spawn(async move {
            let answer = request.send().await?.error_for_status()?.bytes().await;
            drop(slot);
            answer
        });
    }
    Ok(())
}

/// A consumer without a group, as quick as ours.
fn at_the_end(bootstrap: &str, topic: &str) -> anyhow::Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bare-loop")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let mut start = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let (_, end) = consumer.fetch_watermarks(topic, partition, DEADLINE)?;
        start.add_partition_offset(topic, partition, Offset::Offset(end))?;
    }
    consumer.assign(&start)?;
    Ok(consumer)
}
