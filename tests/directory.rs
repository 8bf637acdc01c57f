//! The directory is live: from the topic and from the file.

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use paynotify::kafka::reader::StoredRecord;
use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver, Request},
    system::{DEADLINE, SECRET, System, Worker, poll},
};

const KEY_FILE: &str = "PAYNOTIFY_DIRECTORY__KEY_FILE";
const OLD_KEY: &str = "old AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW_KEY: &str = "new AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// A program of ours whose directory is the topic.
fn with_topic(system: &System, arguments: &[&str]) -> Command {
    let mut command = system.command(arguments);
    command.env_remove("PAYNOTIFY_DIRECTORY__FILE");
    command
}

fn put(system: &System, merchant: &str, url: &str) {
    put_with(system, merchant, url, &[]);
}

fn put_with(system: &System, merchant: &str, url: &str, settings: &[(&str, &str)]) {
    let secrets = json!([{ "id": "s1", "kind": "hmac", "value": SECRET }]);
    let endpoints = json!([{ "id": "main", "url": url, "secrets": secrets }]);
    let entry =
        json!({ "format": 1, "merchant_id": merchant, "name": "Acme", "endpoints": endpoints });
    let mut child = with_topic(system, &["merchants", "put", "-"])
        .envs(settings.iter().copied())
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

fn is_signed(request: &Request) -> bool {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).unwrap().parse().unwrap());
    }
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(&request.body, &headers).is_ok()
}

/// The last entry on the topic, as text.
fn stored(system: &System) -> String {
    let mut records = system.records(&system.topics().merchants());
    let value = records.pop().and_then(|record| record.value).expect("an entry is stored");
    String::from_utf8(value.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_on_the_topic_and_move_to_another_key_while_a_worker_runs() {
    let broker = broker();
    let system = System::new(broker.bootstrap(), broker.prefix("sealed"), 1).await;
    let receiver = Receiver::start().await;
    let keys = tempfile::NamedTempFile::new().unwrap();
    let path = keys.path().to_str().unwrap();
    std::fs::write(path, format!("{OLD_KEY}\n")).unwrap();
    let with_keys = [(KEY_FILE, path)];
    put_with(&system, "acme", &receiver.url("/old"), &with_keys);
    let entry = stored(&system);
    assert!(entry.contains("sealed:1:old:") && !entry.contains("whsec_"), "{entry}");

    let start = |arguments: &[&str]| {
        let mut command = with_topic(&system, arguments);
        command.envs(with_keys);
        command
    };
    let mut worker = Worker::spawn(&mut start(&["worker", "--allow-unsafe"]));
    worker.await_ready();
    assert!(arrives(&system, &receiver, "/old", "old"));
    assert!(is_signed(&receiver.requests_to("/old")[0]));

    std::fs::write(path, format!("{NEW_KEY}\n{OLD_KEY}\n")).unwrap();
    let rewrap = || {
        let output = start(&["merchants", "rewrap"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    assert_eq!(rewrap().trim(), "sealed 1, in order before 0, failed 0");
    assert_eq!(rewrap().trim(), "sealed 0, in order before 1, failed 0");
    assert!(stored(&system).contains("sealed:1:new:"));
    put_with(&system, "acme", &receiver.url("/new"), &with_keys);
    assert!(arrives(&system, &receiver, "/new", "new"), "{}", worker.log());
    assert!(is_signed(&receiver.requests_to("/new")[0]), "with the key that came into the file");

    // Without the key, commands say what is missing, and whose.
    let refused = with_topic(&system, &["merchants", "rewrap"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("directory.key_file"), "{said}");
    let stranger = "PAYNOTIFY_DIRECTORY__KEYS";
    let mut foreign = with_topic(&system, &["merchants", "rewrap"]);
    let refused = foreign.env(stranger, OLD_KEY).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    let what = "merchant acme, endpoints[0].secrets[0].value: is sealed with key new";
    assert!(!refused.status.success() && said.contains(what), "{said}");
    let (_, log) = worker.stop();
    assert!(!log.contains("whsec_") && !log.contains("AQEBAQ"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_no_key_opened_is_read_again_once_the_key_is_there() {
    let broker = broker();
    let system = System::new(broker.bootstrap(), broker.prefix("ahead"), 1).await;
    let receiver = Receiver::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = file("keys", &format!("{OLD_KEY}\n"));
    put_with(&system, "acme", &receiver.url("/before"), &[(KEY_FILE, &keys)]);
    // An operator who has the new key already is ahead of the worker, which keeps what it knows.
    let ahead = file("ahead", &format!("{NEW_KEY}\n"));
    put_with(&system, "later", &receiver.url("/unused"), &[(KEY_FILE, &ahead)]);
    put_with(&system, "later", &receiver.url("/later"), &[(KEY_FILE, &ahead)]);
    let mut command = with_topic(&system, &["worker", "--allow-unsafe"]);
    let mut worker = Worker::spawn(command.env(KEY_FILE, &keys));
    worker.await_ready();
    put_with(&system, "acme", &receiver.url("/after"), &[(KEY_FILE, &ahead)]);
    let refused = |merchant: &str| {
        let what = "endpoints[0].secrets[0].value: is sealed with key new, which is not at hand";
        worker.log().contains(&format!("merchant {merchant}, {what}"))
    };
    assert!(poll(DEADLINE, || refused("acme") && refused("later")), "{}", worker.log());
    assert!(arrives(&system, &receiver, "/before", "before"));

    file("keys", &format!("{OLD_KEY}\n{NEW_KEY}\n"));
    let merchants = || worker.status()["merchants"].clone();
    assert!(poll(DEADLINE, || merchants() == 2), "{}", worker.log());
    assert!(arrives(&system, &receiver, "/after", "after"), "{}", worker.log());
    system.publish(&["later"], ["later".to_owned()]);
    receiver.wait_until(|all| all.iter().any(|one| one.path == "/later"), DEADLINE).await;
    assert!(receiver.requests_to("/unused").is_empty(), "only what is in force");
    system.await_rest(DEADLINE);
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_anew_is_no_edit_and_enables_nothing() {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("resealed"), 1).await;
    let receiver = Receiver::start().await;
    receiver.answer("/gone", Manner::Status(410));
    system.set("delivery.disable_gone_after", "1s");
    let keys = tempfile::NamedTempFile::new().unwrap();
    let path = keys.path().to_str().unwrap();
    std::fs::write(path, format!("{OLD_KEY}\n")).unwrap();
    let with_keys = [(KEY_FILE, path)];
    put_with(&system, "acme", &receiver.url("/gone"), &with_keys);
    let start = |arguments: &[&str]| {
        let mut command = with_topic(&system, arguments);
        command.envs(with_keys);
        Worker::spawn(&mut command)
    };
    let mut worker = start(&["worker", "--allow-unsafe"]);
    worker.await_ready();
    system.publish(&["acme"], ["evt_1".to_owned()]);
    let disabled = |worker: &Worker| worker.status()["disabled_endpoints"]["count"].clone();
    assert!(poll(DEADLINE, || disabled(&worker) == 1), "{}", worker.log());

    std::fs::write(path, format!("{NEW_KEY}\n{OLD_KEY}\n")).unwrap();
    let mut rewrap = with_topic(&system, &["merchants", "rewrap"]);
    let output = rewrap.envs(with_keys).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.trim(), "sealed 1, in order before 0, failed 0");
    // Whatever is written after it is read after it.
    put_with(&system, "shop", &receiver.url("/shop"), &with_keys);
    let arrived = poll(DEADLINE, || {
        system.publish(&["shop"], ["evt_2".to_owned()]);
        poll(Duration::from_millis(500), || !receiver.requests_to("/shop").is_empty())
    });
    assert!(arrived, "{}", worker.log());
    assert_eq!(disabled(&worker), 1);
    worker.stop();
    let mut worker = start(&["worker", "--allow-unsafe"]);
    worker.await_ready();
    assert_eq!(disabled(&worker), 1, "nor over a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_disabled_over_a_restart_until_it_is_enabled_and_replayed() {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("gone"), 1).await;
    let receiver = Receiver::start().await;
    receiver.answer("/acme", Manner::Status(410));
    let intervals = json!({ "intervals": vec!["1s"; 30] });
    system.merchant("acme", &receiver.url("/acme"), &intervals);
    system.set("delivery.disable_gone_after", "2s");
    let worker = system.worker();
    let disabled = |worker: &Worker| worker.status()["disabled_endpoints"]["count"].clone();
    assert_eq!(disabled(&worker), 0);
    system.publish(&["acme"], ["evt_1".to_owned()]);
    assert!(poll(DEADLINE, || disabled(&worker) == 1), "{}", worker.log());
    assert!(worker.get("/metrics").1.contains("\npaynotify_endpoints_disabled 1\n"));
    let found = worker.status()["disabled_endpoints"]["first"][0].clone();
    assert_eq!((&found["endpoint"], &found["reason"]), (&json!("main"), &json!("gone")));
    system.publish(&["acme"], ["evt_2".to_owned()]);
    system.await_rest(DEADLINE);
    let (status, log) = worker.stop();
    assert!(status.success(), "{log}");

    let requests = receiver.requests().len();
    let worker = system.worker();
    assert!(poll(DEADLINE, || disabled(&worker) == 1), "what was found is not forgotten");
    system.publish(&["acme"], ["evt_3".to_owned()]);
    system.await_rest(DEADLINE);
    assert_eq!(receiver.requests().len(), requests, "a disabled endpoint is left alone");
    let reasons: Vec<_> = system
        .records(&system.topics().dead_letters())
        .iter()
        .flat_map(|letter| letter.headers.clone())
        .filter(|(name, _)| name == "paynotify-reason")
        .map(|(_, reason)| String::from_utf8_lossy(&reason).into_owned())
        .collect();
    assert_eq!(reasons, ["disabled"; 3]);

    receiver.answer("/acme", Manner::Ok);
    for arguments in
        [&["merchants", "enable", "acme"][..], &["dlq", "replay", "--reason", "disabled"]]
    {
        let output = system.command(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(poll(DEADLINE, || disabled(&worker) == 0), "an edit enables");
    }
    let all = receiver.wait_until(|all| all.len() >= requests + 3, DEADLINE).await;
    let mut ids: Vec<_> =
        all[requests..].iter().map(|one| one.header("webhook-id").unwrap().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, ["evt_1", "evt_2", "evt_3"]);
    let gone = |record: &StoredRecord| record.key.as_deref() == Some(b"acme/main");
    let cleared = || {
        let all = system.records(&system.topics().endpoints());
        all.iter().rfind(|record| gone(record)).is_some_and(|record| record.value.is_none())
    };
    assert!(poll(DEADLINE, cleared), "a success clears what was found");
}
