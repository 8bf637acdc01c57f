use super::*;

const ENDPOINT: &str = "https://login.example/token";

fn login() -> Login {
    Login::new(ENDPOINT.to_owned())
}

/// What is noted of this line of librdkafka's log.
fn noted(facility: &str, line: &str) -> Option<String> {
    let login = login();
    login.log(RDKafkaLogLevel::Error, facility, line);
    login.failure().map(|failure| failure.to_string())
}

/// The same of a request that ended so.
fn ended(answer: &str, code: i32) -> String {
    let address = format!("{ENDPOINT}?key=hunter2");
    let line = format!("Failed to retrieve OIDC token from \"{address}\": {answer} ({code})");
    let text = noted("OIDC", &line).expect("a failure is noted");
    assert!(!text.contains("hunter2"), "{text}");
    let start = format!("no token for Kafka from {ENDPOINT}: ");
    text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn a_refusal_is_told_by_status_and_code_and_never_by_the_answer() {
    let answer = |code: &str| {
        format!(r#"{{"error":"{code}","error_description":"you sent \"hunter2\": ({code})"}}"#)
    };
    for (code, status, remedy) in [
        ("invalid_client", 400, CHECK_CLIENT),
        ("invalid_request", 401, CHECK_CLIENT),
        ("invalid_scope", 400, CHECK_SCOPE),
        ("unauthorized_client", 400, CHECK_SERVER),
        ("temporarily_unavailable", 503, CHECK_ENDPOINT),
    ] {
        let expected = format!("it answered HTTP {status} ({code}); {remedy}");
        assert_eq!(ended(&answer(code), status), expected);
    }
    for answer in ["<html>hunter2</html>", r#"{"error":"hunter2!"}"#, r#"{"error":["hunter2"]}"#] {
        assert_eq!(ended(answer, 404), format!("it answered HTTP 404; {CHECK_ENDPOINT}"));
    }
}

#[test]
fn what_librdkafka_says_itself_is_repeated_with_the_remedy() {
    for (said, code, remedy) in [
        ("Could not resolve host: login.example", -1, CHECK_ENDPOINT),
        ("SSL certificate problem: self-signed certificate", -1, CHECK_ROOTS),
        ("Response is not JSON encoded: text/html", 200, CHECK_SERVER),
    ] {
        assert_eq!(ended(said, code), format!("{said}; {remedy}"));
    }
    let text = noted("JWT", "Failed to load private key").unwrap();
    assert!(text.ends_with(&format!(": Failed to load private key; {CHECK_ASSERTION}")), "{text}");
}

#[test]
fn other_lines_of_the_log_are_no_failures() {
    assert_eq!(noted("FAIL", "Failed to retrieve OIDC token from \"x\": y (401)"), None);
    let login = login();
    login.log(RDKafkaLogLevel::Debug, "OIDC", "token refreshed");
    assert_eq!(login.failure(), None);
}

#[test]
fn an_error_of_the_client_shows_the_noted_failure_in_place_of_the_answer() {
    let login = login();
    let answer = r#"{"error":"invalid_client","error_description":"hunter2"}"#;
    let reason = format!("{NO_TOKEN}{answer}");
    assert_eq!(login.reason(&reason), "no token for Kafka");
    let line = format!("Failed to retrieve OIDC token from \"{ENDPOINT}\": {answer} (401)");
    login.log(RDKafkaLogLevel::Error, "OIDC", &line);
    assert_eq!(login.reason(&reason), login.failure().unwrap().to_string());
    assert_eq!(login.reason("1/1 brokers are down"), "1/1 brokers are down");
}

#[test]
fn an_answer_that_holds_no_token_is_a_failure_though_the_log_is_silent() {
    let login = login();
    let said = "Expected JSON JWT response with \"exp\" field";
    let text = login.reason(&format!("{NO_TOKEN}{said}"));
    assert_eq!(text, format!("no token for Kafka from {ENDPOINT}: {said}; {CHECK_SERVER}"));
    assert_eq!(login.failure().unwrap().to_string(), text);
}

#[test]
fn a_failure_is_known_to_every_clone_until_kafka_answers() {
    let login = login();
    login.clone().log(RDKafkaLogLevel::Error, "OIDC", "Failed to retrieve");
    assert!(login.failure().is_some());
    login.clone().forget();
    assert!(login.failure().is_none());
}
