//! A Kafka where clients have to sign in: OAUTHBEARER with tokens of an endpoint, and SCRAM.

#[path = "secured/commands.rs"]
mod commands;
#[path = "secured/entries.rs"]
mod entries;
#[path = "secured/marks.rs"]
mod marks;
#[path = "secured/network.rs"]
mod network;
#[path = "secured/outputs.rs"]
mod outputs;
#[allow(dead_code, reason = "shared with tests that use more of it")]
#[path = "support/pki.rs"]
mod pki;
mod support;

use std::{
    io::Write as _,
    process::{Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::json;
use support::{
    kafka::Secured,
    receiver::Receiver,
    system::{DEADLINE, System, Worker, event, poll},
    tokens::{CLIENT, SECRET, Tokens},
};

/// A token of an endpoint begins so: its header is `{"alg":"none"}`.
const TOKEN: &str = "eyJhbGciOiJub25lIn0";
/// librdkafka takes a new token a second after 80 % of the old one's life and shows it after 90 %,
/// so a shorter life makes gaps.
const SHORT: Duration = Duration::from_secs(13);
const PASSWORD: &str = "alice-s3cret";

fn kafka() -> &'static Secured {
    static KAFKA: OnceLock<Secured> = OnceLock::new();
    KAFKA.get_or_init(|| Secured::start("alice", PASSWORD))
}

/// A system whose programs sign in with these properties.
async fn system(name: &str, properties: &[(&str, &str)]) -> (System, Receiver) {
    let kafka = tokio::task::spawn_blocking(kafka).await.unwrap();
    let mut system = System::new(kafka.open(), name.to_owned(), 2).await;
    system.set("kafka.bootstrap_servers", &kafka.bootstrap());
    system.set("kafka.properties.security_protocol", "SASL_PLAINTEXT");
    for (key, value) in properties {
        system.set(&format!("kafka.properties.{}", key.replace('.', "_")), value);
    }
    let receiver = Receiver::start().await;
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    (system, receiver)
}

async fn with_tokens(name: &str, tokens: &Tokens, secret: &str) -> (System, Receiver) {
    system(
        name,
        &[
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.token.endpoint.url", &tokens.url()),
            ("sasl.oauthbearer.client.id", CLIENT),
            ("sasl.oauthbearer.client.secret", secret),
            ("sasl.oauthbearer.scope", "kafka"),
        ],
    )
    .await
}

/// Publishes one event past the sign-in and waits until it is delivered and committed.
async fn deliver(system: &System, receiver: &Receiver, id: &str) {
    system.publish(&["acme"], [id.to_owned()]);
    let delivered =
        |one: &std::sync::Arc<support::receiver::Request>| one.header("webhook-id") == Some(id);
    receiver.wait_until(|all| all.iter().any(delivered), DEADLINE).await;
    system.await_rest(DEADLINE);
}

fn assert_no_secret(text: &str) {
    // What an endpoint answers may repeat what was sent, so it is not shown.
    for secret in [SECRET, PASSWORD, TOKEN, "error_description"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

fn run(system: &System, arguments: &[&str], input: &str) -> Output {
    let mut command = system.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails early does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_short_lived_tokens_delivers_commits_and_goes_on_when_they_are_renewed() {
    let tokens = Tokens::start(SHORT).await;
    let (system, receiver) = with_tokens("renewed", &tokens, SECRET).await;
    let worker = system.worker();
    deliver(&system, &receiver, "evt_1").await;
    let given = tokens.given();
    // The second of them comes when the first token has expired.
    assert!(poll(DEADLINE, || tokens.given() >= given + 2), "{}", worker.log());
    deliver(&system, &receiver, "evt_2").await;
    assert_eq!(worker.get("/readyz").0, 200, "{}", worker.get("/readyz").1);
    assert_eq!(receiver.requests().len(), 2, "nothing is repeated");
    let (status, log) = worker.stop();
    assert!(status.success(), "{log}");
    assert_no_secret(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_gets_no_more_tokens_is_not_ready_until_it_does() {
    let tokens = Tokens::start(SHORT).await;
    let (system, receiver) = with_tokens("cut-off", &tokens, SECRET).await;
    let worker = system.worker();
    deliver(&system, &receiver, "evt_1").await;
    tokens.refuse(true);
    let red = poll(DEADLINE, || {
        let (status, text) = worker.get("/readyz");
        status == 503 && text.contains("no token for Kafka from http://127.0.0.1")
    });
    assert!(red, "{}\n{}", worker.get("/readyz").1, worker.log());
    assert_no_secret(&worker.get("/readyz").1);
    tokens.refuse(false);
    let green = poll(DEADLINE, || worker.get("/readyz").0 == 200);
    assert!(green, "{}\n{}", worker.get("/readyz").1, worker.log());
    deliver(&system, &receiver, "evt_2").await;
    assert_no_secret(&worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_ends_the_start_soon_with_the_remedy_and_without_the_secret() {
    let tokens = Tokens::start(Duration::from_secs(60)).await;
    let wrong = format!("{SECRET}-wrong");
    let (system, _receiver) = with_tokens("wrong", &tokens, &wrong).await;
    let expected = format!(
        "no token for Kafka from {}: it answered HTTP 401 (invalid_client); check \
         sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret in kafka.properties\n",
        tokens.url()
    );
    for arguments in [&["topics", "check"] as &[_], &["worker"], &["publish"], &["dlq", "list"]] {
        let begun = Instant::now();
        let output = run(&system, arguments, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.ends_with(&expected), "{arguments:?}: {said}");
        assert_no_secret(&said);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    assert_eq!(tokens.given(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_says_nothing_ends_the_start_soon_with_what_is_missing() {
    let tokens = Tokens::start(Duration::from_secs(60)).await;
    let (system, _receiver) = with_tokens("nameless", &tokens, SECRET).await;
    tokens.spoil();
    let begun = Instant::now();
    let output = run(&system, &["topics", "check"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = format!(
        "no token for Kafka from {}: Expected JSON JWT response with \"exp\" field; \
         check the settings of this client at the token endpoint\n",
        tokens.url()
    );
    assert!(said.ends_with(&expected), "{said}");
    assert_no_secret(&said);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_hangs_ends_the_start_in_ten_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/oauth2/token", silent.local_addr().unwrap());
    let tokens = Tokens::start(Duration::from_secs(60)).await;
    let (mut system, _receiver) = with_tokens("hangs", &tokens, SECRET).await;
    system.set("kafka.properties.sasl_oauthbearer_token_endpoint_url", &address);
    let begun = Instant::now();
    let output = run(&system, &["topics", "check"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let why =
        "it or the brokers do not answer within 10 s; check sasl.oauthbearer.token.endpoint.url";
    assert!(said.contains(&format!("no token for Kafka from {address}: {why}")), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(18), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_is_trusted_by_its_certificate_alone() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("ca.pem");
    let tokens = Tokens::start_tls(Duration::from_secs(60), &certificate).await;
    let (mut system, _receiver) = with_tokens("untrusted", &tokens, SECRET).await;
    let output = run(&system, &["dlq", "list"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let start = format!("paynotify: no token for Kafka from {}: ", tokens.url());
    let remedy = "; check https.ca.location or https.ca.pem in kafka.properties\n";
    assert!(said.contains(&start) && said.ends_with(remedy), "{said}");
    assert_eq!(tokens.given(), 0, "an unknown endpoint never sees the secret");

    system.set("kafka.properties.https_ca_location", certificate.to_str().unwrap());
    let output = run(&system, &["dlq", "list"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(tokens.given() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_is_reached_through_the_proxy_of_the_environment() {
    let tokens = Tokens::start(Duration::from_secs(60)).await;
    let (mut system, _receiver) = with_tokens("proxy", &tokens, SECRET).await;
    let hidden = "http://127.0.0.1:1/oauth2/token";
    system.set("kafka.properties.sasl_oauthbearer_token_endpoint_url", hidden);
    let output = run(&system, &["dlq", "list"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    let remedy =
        "; check sasl.oauthbearer.token.endpoint.url in kafka.properties, and the network\n";
    assert!(said.contains("Could not connect") && said.ends_with(remedy), "{said}");
    let mut command = system.command(&["dlq", "list"]);
    let output = command.env("http_proxy", tokens.url()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(tokens.given() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_clients_sign_in_with_tokens() {
    let tokens = Tokens::start(Duration::from_secs(60)).await;
    let (system, receiver) = with_tokens("admin", &tokens, SECRET).await;
    let create = run(&system, &["topics", "create", "--partitions", "4"], "");
    let said = String::from_utf8_lossy(&create.stdout);
    let grown = json!({ "topic": "admin", "did": "grown", "from": 2, "to": 4 });
    assert!(
        said.lines().any(|line| serde_json::from_str(line).ok() == Some(grown.clone())),
        "{said}"
    );
    let check = run(&system, &["topics", "check"], "");
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(said.contains("settings are unsafe, see above"), "one broker is not safe: {said}");
    let worker = system.worker();
    deliver(&system, &receiver, "evt_1").await;
    let (_, log) = worker.stop();
    assert!(!log.contains("the topics were not checked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn short_commands_sign_in_with_tokens_too() {
    let tokens = Tokens::start(Duration::from_secs(60)).await;
    let (system, _receiver) = with_tokens("commands", &tokens, SECRET).await;
    let publish = run(&system, &["publish"], &event("evt_1", "acme"));
    let said = String::from_utf8_lossy(&publish.stderr);
    assert_eq!((publish.status.code(), &*said), (Some(0), "published 1, refused 0\n"));
    assert_eq!(system.records(&system.topics().completions()).len(), 1);
    let list = run(&system, &["dlq", "list"], "");
    assert_eq!(list.status.code(), Some(0), "{}", String::from_utf8_lossy(&list.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_signs_in_with_scram() {
    let scram = [
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", "alice"),
        ("sasl.password", PASSWORD),
    ];
    let (system, receiver) = system("scram", &scram).await;
    let worker = system.worker();
    deliver(&system, &receiver, "evt_1").await;
    let check = run(&system, &["topics", "check"], "");
    assert_no_secret(&String::from_utf8_lossy(&check.stderr));
    let (status, log) = Worker::stop(worker);
    assert!(status.success(), "{log}");
    assert_no_secret(&log);
}
