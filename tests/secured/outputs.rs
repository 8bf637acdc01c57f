//! No secret in any output: a worker at trace level and every command, searched for marked secrets.

use std::process::Command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use paynotify::kafka::producer::{Outgoing, Producer};
use serde_json::{Value, json};

use super::{
    PASSWORD,
    marks::{BASIC, BEARER, HMAC, KEK, TEXT, assert_none, found},
    support::system::{DEADLINE, System, Worker, poll},
    system,
};

const MARKED: [&str; 6] = [HMAC, TEXT, BASIC, BEARER, KEK, PASSWORD];

/// A client certificate and its private key, both in PEM.
struct Client {
    certificate: String,
    key: String,
}

impl Client {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["paynotify".to_owned()]).unwrap();
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// Everything that nobody may see, a line of the private key among it.
    fn secrets(&self) -> Vec<&str> {
        let line = self.key.lines().nth(1).unwrap();
        MARKED.into_iter().chain([line]).collect()
    }
}

/// A program whose directory is the topic.
fn command(system: &System, arguments: &[&str]) -> Command {
    let mut command = system.command(arguments);
    command.env_remove("PAYNOTIFY_DIRECTORY__FILE");
    command
}

/// Everything that a command says.
fn said(command: &mut Command, input: &str) -> String {
    use std::{io::Write as _, process::Stdio};
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails early does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// One that acknowledges, one whose only attempt fails, and one with a certificate of ours.
fn entries(url: impl Fn(&str) -> String, client: &Client) -> String {
    let hmac = format!("whsec_{}", STANDARD.encode(HMAC));
    let acme = json!({ "format": 1, "merchant_id": "acme", "endpoints": [{
        "id": "main", "url": url("/acme"),
        "auth": { "kind": "basic", "username": "u", "password": BASIC },
        "secrets": [{ "id": "s1", "kind": "hmac", "value": hmac }] }] });
    let shop = json!({ "format": 1, "merchant_id": "shop", "endpoints": [{
        "id": "main", "url": url("/shop"), "policy": { "intervals": ["1s"], "dialect": "stripe-like" },
        "auth": { "kind": "bearer", "token": BEARER },
        "secrets": [{ "id": "s1", "kind": "hmac-text", "value": TEXT }] }] });
    let bank = json!({ "format": 1, "merchant_id": "bank", "endpoints": [{
        "id": "main", "url": "https://bank.example/hooks", "policy": { "dialect": "none" },
        "auth": { "kind": "client_certificate", "certificate": client.certificate,
                  "key": client.key } }] });
    format!("{acme}\n{shop}\n{bank}\n")
}

/// Secrets where they do not belong, or in a form that nobody can read.
fn bad_entries(client: &Client) -> Vec<String> {
    let entry = |auth: Value, secrets: Value| {
        json!({ "format": 1, "merchant_id": "bad", "endpoints": [{
            "id": "main", "url": "https://shop.acme.example", "auth": auth, "secrets": secrets }] })
        .to_string()
    };
    let hmac = format!("whsec_{}", STANDARD.encode(HMAC));
    let secret = |id: &str, kind: &str, value: Value| {
        entry(Value::Null, json!([{ "id": id, "kind": kind, "value": value }]))
    };
    vec![
        secret("s1", "hmac", json!([hmac])),
        secret("s1", "hmac", json!({ "sealed": hmac, "key": BEARER })),
        secret("s1", "ed25519", json!(hmac)),
        secret("s1", "rsa", json!(TEXT)),
        secret("s 1", "hmac-text", json!(TEXT)),
        secret("s1", TEXT, json!(TEXT)),
        secret(&hmac, "hmac", json!("whsec_short")),
        secret("s1", "rsa", json!(client.key)),
        entry(json!(BEARER), json!([])),
        entry(
            json!({ "kind": "client_certificate", "certificate": client.key, "key": client.key }),
            json!([]),
        ),
        entry(
            json!({ "kind": "client_certificate", "certificate": client.key, "key": BEARER }),
            json!([]),
        ),
        entry(json!({ "kind": "bearer", "token": format!("{BEARER} {BEARER}") }), json!([])),
        entry(json!({ "kind": "bearer", "token": [BEARER] }), json!([])),
        entry(json!({ "kind": "basic", "username": "u:", "password": BASIC }), json!([])),
        entry(json!({ "kind": BEARER, "token": BEARER }), json!([])),
        entry(Value::Null, json!([])).replace("shop.acme", &format!("u:{BASIC}@shop.acme")),
        format!("{{\"token\": \"{BEARER}\""),
    ]
}

/// Writes records to the directory's topic past every check.
fn write(system: &System, entries: &[String]) {
    let (producer, mut answers) = Producer::new(&system.clients()).unwrap();
    let topic = system.topics().merchants();
    for (number, entry) in entries.iter().enumerate() {
        let key = format!("bad{number}");
        let (key, value) = (Some(key.as_bytes()), Some(entry.as_bytes()));
        let headers = Vec::<(String, Bytes)>::new();
        let record = Outgoing { token: 0, topic: &topic, partition: None, key, value, headers };
        producer.send(&record).unwrap();
    }
    producer.flush(DEADLINE);
    for _ in entries {
        answers.try_recv().unwrap().result.unwrap();
    }
}

/// Keys, values and headers of everything on these topics.
fn records(system: &System, topics: &[String]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = String::new();
    for record in topics.iter().flat_map(|topic| system.records(topic)) {
        for part in [record.key, record.value].into_iter().flatten() {
            all += &text(&part);
        }
        for (name, value) in record.headers {
            all += &["\n", &name, ": ", &text(&value)].concat();
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_logs_metrics_status_records_or_what_commands_say() {
    let scram = [
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", "alice"),
        ("sasl.password", PASSWORD),
        ("debug", "conf,security,feature,cgrp"),
    ];
    let (mut system, receiver) = system("marked", &scram).await;
    let client = Client::new();
    let secrets = client.secrets();
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    std::fs::write(&keys, format!("k1 {}\n", STANDARD.encode(KEK))).unwrap();
    system.set("directory.key_file", keys.to_str().unwrap());
    let put = said(
        &mut command(&system, &["merchants", "put", "-"]),
        &entries(|path| receiver.url(path), &client),
    );
    assert!(put.contains("put 3, refused 0"), "{put}");

    system.set("log.filter", "trace");
    system.set("log.format", "json");
    let mut worker = Worker::spawn(&mut command(&system, &["worker", "--allow-unsafe"]));
    // The log in JSON does not tell the address as the helper expects it.
    let bound = poll(DEADLINE, || admin_address(&worker.log()).is_some());
    assert!(bound, "no admin server");
    worker.admin = admin_address(&worker.log()).unwrap();
    worker.await_ready();
    receiver.answer("/shop", super::support::receiver::Manner::Status(503));
    system.publish(&["acme", "shop"], ["evt_1".to_owned(), "evt_2".to_owned()]);
    let enough = |all: &[_]| all.len() >= 3;
    receiver.wait_until(enough, DEADLINE).await;
    system.await_rest(DEADLINE);

    // Were they not used, there would be nothing to find.
    let request = &receiver.requests_to("/acme")[0];
    assert!(found(request.header("authorization").unwrap(), BASIC).is_some());
    assert_eq!(
        receiver.requests_to("/shop")[1].header("authorization"),
        Some(&*format!("Bearer {BEARER}"))
    );
    let bad = bad_entries(&client);
    write(&system, &bad);
    let refused = "an entry of the directory is refused";
    let all = bad.len();
    assert!(poll(DEADLINE, || worker.log().matches(refused).count() >= all), "{}", worker.log());

    let topics = system.topics();
    let mut names = vec![topics.dead_letters(), topics.attempts(), topics.endpoints()];
    names.extend(
        system.grades.iter().map(|&delay| topics.grade(paynotify::model::Grade::new(delay))),
    );
    let written = records(&system, &names);
    assert!(written.contains("paynotify-reason: exhausted"), "{written}");
    assert_none("records", &written, &secrets);
    let stored = records(&system, &[topics.merchants()]);
    let (sealed, _) = stored.split_once("bad0").unwrap();
    assert!(sealed.contains("sealed"), "{sealed}");
    assert_none("the directory", sealed, &secrets);
    for path in ["/metrics", "/status", "/readyz", "/livez"] {
        assert_none(path, &worker.get(path).1, &secrets);
    }
    let (_, log) = worker.stop();
    assert!(log.contains("\"TRACE\"") && log.contains("librdkafka"), "the log tells little");
    assert_none("the log", &log, &secrets);

    let letter = system.records(&topics.dead_letters()).remove(0).coordinates.to_string();
    commands(&system, &letter, &bad, &secrets);
}

/// Every command that reads or refuses.
fn commands(system: &System, letter: &str, bad: &[String], secrets: &[&str]) {
    let search = |arguments: &[&str], input: &str| {
        let text = said(&mut command(system, arguments), input);
        assert!(!text.is_empty(), "{arguments:?} says nothing");
        assert_none(&arguments.join(" "), &text, secrets);
    };
    for format in ["json", "table"] {
        for arguments in [
            &["merchants", "list"][..],
            &["merchants", "show", "acme"],
            &["merchants", "show", "shop"],
            &["merchants", "show", "bank"],
            &["merchants", "ping", "shop"],
            &["dlq", "list"],
            &["dlq", "show", letter, "--with-payload"],
            &["config", "show"],
        ] {
            search(&[arguments, &["--output", format]].concat(), "");
        }
    }
    search(&["merchants", "rewrap"], "");
    for entry in bad {
        search(&["merchants", "put", "-"], entry);
    }
    // Mistakes of the configuration, each with a secret in what is wrong.
    let base64 = STANDARD.encode(KEK);
    for wrong in [
        format!("[directory]\nkeys = \"{base64}\"\n"),
        format!("[directory]\nkeys = [\"k1 {base64}\"]\n"),
        format!("[directory]\nkeys = \"k1 {base64}\n"),
        format!("[kafka.properties]\n\"sasl.password\" = [\"{PASSWORD}\"]\n"),
        format!("[delivery]\nproxy = \"https://u:{BASIC}@proxy.example\"\n"),
    ] {
        search(&["merchants", "rewrap", "--config", "-"], &wrong);
        search(&["config", "check", "--config", "-"], &wrong);
    }
    let flag = format!("directory.keys=k1 {base64}");
    search(&["merchants", "rewrap", "--set", &flag], "");
}

fn admin_address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("admin server"))?;
    let line: Value = serde_json::from_str(line).ok()?;
    line["address"].as_str().map(str::to_owned)
}
