//! The demonstration on a real cluster: the same sum, and nothing of it stays behind.

mod support;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use support::{kafka::broker, system::poll};

fn topics(bootstrap: &str) -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(30)).unwrap();
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    names.filter(|name| name.starts_with("paynotify-demo")).collect()
}

#[test]
fn the_demo_on_a_real_cluster_ends_with_a_right_sum_and_deletes_its_topics() {
    let bootstrap = broker().bootstrap();
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("output");
    let mut child = Command::new(env!("CARGO_BIN_EXE_paynotify"))
        .args(["demo", "--kafka", &bootstrap])
        .env_clear()
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&output).unwrap())
        .spawn()
        .unwrap();
    let mut status = None;
    let ended = poll(Duration::from_secs(150), || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {text}");
    for line in ["published        2400", "unsettled           0", "invented            0"] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    println!("{text}");
    assert!(poll(Duration::from_secs(30), || topics(&bootstrap).is_empty()), "topics stay behind");
}
