//! No secret in any output: workers at trace level and every command, searched for marked secrets.

use bytes::Bytes;
use paynotify::{
    kafka::producer::{Outgoing, Producer},
    model::Grade,
};
use rustls::version::TLS13;
use serde_json::Value;

use super::{
    PASSWORD, SHORT, TOKEN,
    commands::{command, commands, debug_texts, event_with_password, key, said, sources_of_keys},
    entries::{bad_entries, entries, rsa},
    marks::{BASIC, BEARER, ED25519, HMAC, KEK, Mark, NOTIFY, PROXY, TEXT, assert_none},
    network::{Proxy, merchant},
    pki::{Authority, Issued},
    support::{
        receiver::{Manner, Receiver},
        system::{DEADLINE, System, Worker, poll},
        tokens::{SECRET, Tokens},
    },
    system, with_tokens,
};

/// What nothing may tell.
fn marks(certificate: &Issued) -> Vec<Mark> {
    let texts = [HMAC, TEXT, ED25519, BASIC, BEARER, KEK, PROXY, NOTIFY, PASSWORD];
    let mut marks: Vec<_> = texts.into_iter().map(Mark::text).collect();
    marks.push(Mark::pem("the client certificate's key", &certificate.key.serialize_pem()));
    marks.push(Mark::pem("the RSA key", &rsa()));
    marks
}

/// Starts a worker that tells everything it can.
fn telling(system: &mut System) -> Worker {
    system.set("log.filter", "trace");
    system.set("log.format", "json");
    let mut worker = Worker::spawn(&mut command(system, &["worker", "--allow-unsafe"]));
    // The log in JSON does not tell the address as the helper expects it.
    let bound = poll(DEADLINE, || admin_address(&worker.log()).is_some());
    assert!(bound, "no admin server: {}", worker.log());
    worker.admin = admin_address(&worker.log()).unwrap();
    worker.await_ready();
    worker
}

fn admin_address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("admin server"))?;
    let line: Value = serde_json::from_str(line).ok()?;
    line["address"].as_str().map(str::to_owned)
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

/// Headers, keys and values of everything on a topic, a record a line; without values that are the
/// publisher's own.
fn records(system: &System, topic: &str) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = String::new();
    for record in system.records(topic) {
        let value = record.value.map(|value| text(&value)).unwrap_or_default();
        let own = if value == event_with_password() { String::new() } else { value };
        let key = record.key.map(|key| text(&key)).unwrap_or_default();
        all += &[&key, " ", &own].concat();
        for (name, value) in record.headers {
            all += &[" ", &name, ": ", &text(&value)].concat();
        }
        all.push('\n');
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
    let (authority, proxy) = (Authority::new(), Proxy::start().await);
    let tls = authority.issue("127.0.0.1").server_with(&[&TLS13], authority.demanding());
    let port = merchant(tls).await;
    let certificate = authority.issue("paynotify");
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    system.set("directory.key_file", &file("keys", &key()));
    system.set("delivery.trust_store", &file("ca.pem", &authority.pem));
    system.set("delivery.proxy", &format!("http://u:{PROXY}@{}", proxy.address));
    let marks = marks(&certificate);
    let entries = entries(|path| receiver.url(path), port, &certificate);
    let put = said(&mut command(&system, &["merchants", "put", "-"]), &entries);
    assert!(put.contains("put 4, refused 0"), "{put}");

    let worker = telling(&mut system);
    receiver.answer("/shop", Manner::Status(503));
    system.publish(&["acme", "shop", "signs", "bank"], (1..=4).map(|n| format!("evt_{n}")));
    system.publish_raw(Some(b"acme"), Some(event_with_password().as_bytes()), Vec::new());
    receiver.wait_until(|all| all.len() >= 4, DEADLINE).await;
    system.await_rest(DEADLINE);
    were_used(&receiver, &proxy);

    let bad = bad_entries(&certificate.key.serialize_pem());
    write(&system, &bad);
    let told = || worker.log().matches("an entry of the directory is refused").count();
    assert!(poll(DEADLINE, || told() >= bad.len()), "{}", worker.log());

    let topics = system.topics();
    let mut names = vec![topics.dead_letters(), topics.attempts(), topics.endpoints()];
    names.extend(system.grades.iter().map(|&delay| topics.grade(Grade::new(delay))));
    let written: String = names.iter().map(|name| records(&system, name)).collect();
    for part in
        ["paynotify-reason: exhausted", "notify_url: must not hold", "\"outcome\":\"delivered\""]
    {
        assert!(written.contains(part), "{part} is not in {written}");
    }
    let of_bank = |line: &&str| line.contains("\"merchant_id\":\"bank\"");
    let bank = written.lines().find(of_bank).unwrap_or_default();
    assert!(bank.contains("\"outcome\":\"delivered\""), "with its certificate: {bank}");
    assert_none("records", &written, &marks);
    let stored = records(&system, &topics.merchants());
    let (sealed, _) = stored.split_once("bad0").unwrap();
    assert_eq!(sealed.matches("sealed:1:k1:").count(), 7, "{sealed}");
    assert_none("the directory", sealed, &marks);
    for path in ["/metrics", "/status", "/readyz", "/livez"] {
        assert_none(path, &worker.get(path).1, &marks);
    }
    let (_, log) = worker.stop();
    assert!(log.contains("\"TRACE\"") && log.contains("librdkafka"), "the log tells little");
    assert_none("the log", &log, &marks);

    let letter = system.records(&topics.dead_letters()).remove(0).coordinates.to_string();
    commands(&system, &letter, &bad, &marks);
    sources_of_keys(&system, &file("keys", &key()), &file("spoiled", ""), &marks);
    debug_texts(&entries, &marks);
}

/// Were they not used, there would be nothing to find.
fn were_used(receiver: &Receiver, proxy: &Proxy) {
    let used = |path: &str, mark: &str| {
        let request = &receiver.requests_to(path)[0];
        let header = request.header("authorization").unwrap();
        assert!(Mark::text(mark).found(header).is_some(), "{header}");
    };
    used("/acme", BASIC);
    used("/shop", BEARER);
    let acme = receiver.requests_to("/acme");
    let signature = acme[0].header("webhook-signature").unwrap();
    assert!(signature.contains("v1,") && signature.contains("v1a,"), "{signature}");
    assert!(receiver.requests_to("/shop")[0].header("stripe-signature").is_some());
    assert!(receiver.requests_to("/signs")[0].header("signature").is_some());
    let heads = proxy.heads.lock().unwrap().concat();
    assert!(Mark::text(PROXY).found(&heads).is_some(), "{heads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_for_kafka_and_no_key_of_the_environment_is_in_the_log() {
    let tokens = Tokens::start(SHORT).await;
    let (mut system, receiver) = with_tokens("marked-tokens", &tokens, SECRET).await;
    system.set("kafka.properties.debug", "conf,security,feature,cgrp");
    system.set("directory.keys", &key());
    let authority = Authority::new();
    let certificate = authority.issue("paynotify");
    let entries = entries(|path| receiver.url(path), 1, &certificate);
    let put = said(&mut command(&system, &["merchants", "put", "-"]), &entries);
    assert!(put.contains("put 4, refused 0"), "{put}");
    let worker = telling(&mut system);
    let given = tokens.given();
    system.publish(&["acme", "shop"], ["evt_1".to_owned(), "evt_2".to_owned()]);
    receiver.wait_until(|all| all.len() >= 2, DEADLINE).await;
    assert!(poll(DEADLINE, || tokens.given() > given), "a token is renewed");
    tokens.refuse(true);
    assert!(poll(DEADLINE, || worker.get("/readyz").0 == 503), "{}", worker.log());
    let mut marks = marks(&certificate);
    marks.extend([SECRET, TOKEN].map(Mark::text));
    for path in ["/metrics", "/status", "/readyz", "/livez"] {
        assert_none(path, &worker.get(path).1, &marks);
    }
    let log = worker.log();
    assert!(log.contains("\"TRACE\"") && log.contains("librdkafka"), "the log tells little");
    assert_none("the log", &log, &marks);
    let text = said(&mut command(&system, &["config", "show"]), "");
    assert_none("config show", &text, &marks);
}
