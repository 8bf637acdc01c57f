//! The directory is live: from the topic and from the file.

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;
use support::{
    kafka::broker,
    receiver::Receiver,
    system::{DEADLINE, SECRET, System, Worker, poll},
};

/// A program of ours whose directory is the topic.
fn with_topic(system: &System, arguments: &[&str]) -> Command {
    let mut command = system.command(arguments);
    command.env_remove("PAYNOTIFY_DIRECTORY__FILE");
    command
}

fn put(system: &System, merchant: &str, url: &str) {
    let secrets = json!([{ "id": "s1", "kind": "hmac", "value": SECRET }]);
    let endpoints = json!([{ "id": "main", "url": url, "secrets": secrets }]);
    let entry =
        json!({ "format": 1, "merchant_id": merchant, "name": "Acme", "endpoints": endpoints });
    let mut child = with_topic(system, &["merchants", "put", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{entry}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Publishes until an event arrives at `path`: a change takes effect within moments, not at once.
fn arrives(system: &System, receiver: &Receiver, path: &str, name: &str) -> bool {
    let mut n = 0;
    poll(DEADLINE, || {
        n += 1;
        system.publish(&["acme"], [format!("evt_{name}_{n}")]);
        poll(Duration::from_millis(500), || !receiver.requests_to(path).is_empty())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_put_on_the_topic_takes_effect_while_a_worker_runs() {
    let broker = broker();
    let system = System::new(broker.bootstrap(), broker.prefix("topic"), 1).await;
    let receiver = Receiver::start().await;
    put(&system, "acme", &receiver.url("/before"));
    let mut worker = Worker::spawn(&mut with_topic(&system, &["worker", "--allow-unsafe"]));
    worker.await_ready();
    assert!(arrives(&system, &receiver, "/before", "before"));
    put(&system, "acme", &receiver.url("/after"));
    assert!(arrives(&system, &receiver, "/after", "after"));

    let shown = with_topic(&system, &["merchants", "show", "acme"]).output().unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && text.contains("/after"), "{text}");
    assert!(!text.contains("whsec_"), "no secret is shown");
    system.await_rest(DEADLINE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_takes_effect_while_a_worker_runs() {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("file"), 1).await;
    let receiver = Receiver::start().await;
    system.merchant("acme", &receiver.url("/before"), &json!({}));
    let _worker = system.worker();
    assert!(arrives(&system, &receiver, "/before", "before"));
    system.merchant("acme", &receiver.url("/after"), &json!({}));
    assert!(arrives(&system, &receiver, "/after", "after"));
    system.await_rest(DEADLINE);
}
