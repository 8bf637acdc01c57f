//! Tokens from an endpoint on this machine.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

/// Serves these answers in turn, then none; tells every request.
fn endpoint(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/token?tenant=t1", listener.local_addr().unwrap());
    let (told, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
            while !request.windows(10).any(|part| part == b"grant_type") {
                let length = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..length]);
            }
            told.send(String::from_utf8(request).unwrap()).unwrap();
            // Who has read enough hangs up.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, requests)
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn source(endpoint: &str) -> Source {
    source_with(endpoint, &[])
}

fn source_with(endpoint: &str, more: &[(&str, &str)]) -> Source {
    let properties = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", endpoint),
        ("sasl.oauthbearer.client.id", "pay:notify"),
        ("sasl.oauthbearer.client.secret", "hunter 2+"),
        ("sasl.oauthbearer.scope", "kafka write"),
    ];
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let mut properties: BTreeMap<_, _> = properties.iter().chain(more).map(own).collect();
    Source::new(properties::take(&mut properties).unwrap().unwrap())
}

/// What becomes of this answer: principal and life, or the error's text.
fn outcome(answer: String) -> Result<(String, Duration), String> {
    let (address, _requests) = endpoint(vec![answer]);
    match source(&address).token() {
        Ok(token) => Ok((token.principal, token.life)),
        Err(error) => {
            let text = error.to_string();
            let start = format!("no token for Kafka from {}: ", address.replace("?tenant=t1", ""));
            assert!(!text.contains("hunter") && !text.contains("tok-en"), "{text}");
            Err(text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned())
        }
    }
}

#[test]
fn the_client_credentials_grant_is_asked_for_as_the_rfc_says() {
    let good =
        answer("200 OK", r#"{"access_token":"tok-en","expires_in":3600,"token_type":"Bearer"}"#);
    let (address, requests) = endpoint(vec![good]);
    source(&address).token().unwrap();
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /token?tenant=t1 HTTP/1.1\r\n"), "{request}");
    // pay%3Anotify:hunter+2%2B
    let header = "authorization: Basic cGF5JTNBbm90aWZ5Omh1bnRlcisyJTJC\r\n";
    assert!(request.contains(header), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    assert!(
        request.ends_with("\r\n\r\ngrant_type=client_credentials&scope=kafka+write"),
        "{request}"
    );
}

#[test]
fn all_clients_share_one_token() {
    let good = answer("200 OK", r#"{"access_token":"tok-en","expires_in":3600}"#);
    let (address, requests) = endpoint(vec![good]);
    let source = source(&address);
    let first = Login::new(Some(source.clone()));
    assert!(first.is_awaited());
    assert_eq!(first.token().unwrap().token, "tok-en");
    assert!(!first.is_awaited());
    assert_eq!(Login::new(Some(source)).token().unwrap().principal_name, "pay:notify");
    assert_eq!(requests.iter().count(), 1, "the endpoint is asked once");
}

#[test]
fn a_token_is_renewed_before_anybody_needs_the_next() {
    let token =
        |value: &str| answer("200 OK", &format!(r#"{{"access_token":"{value}","expires_in":1}}"#));
    let (address, requests) = endpoint(vec![token("first"), token("second")]);
    let source = source(&address);
    assert_eq!(source.token().unwrap().value.expose_secret(), "first");
    requests.recv().unwrap();
    // Nobody asks in between.
    requests.recv_timeout(Duration::from_secs(10)).unwrap();
    drop(source);
}

#[test]
fn principal_and_life_come_from_the_answer_or_from_the_token() {
    let jwt = |claims: &str| format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims));
    let body = |token: &str, more: &str| {
        answer("200 OK", &format!(r#"{{"access_token":"{token}"{more}}}"#))
    };
    let hour = Duration::from_secs(3600);
    let named = jwt(r#"{"sub":"alice"}"#);
    assert_eq!(outcome(body(&named, r#","expires_in":3600"#)), Ok(("alice".into(), hour)));
    assert_eq!(outcome(body("opaque", r#","expires_in":"3600""#)), Ok(("pay:notify".into(), hour)));
    let (_, life) = outcome(body(&jwt(r#"{"exp":4102444800}"#), "")).unwrap();
    assert!(life > hour, "{life:?}");
    let expired = outcome(body(&jwt(r#"{"exp":1700000000}"#), "")).unwrap_err();
    assert!(expired.starts_with("its token has expired already"), "{expired}");
    let unknown = outcome(body("tok-en", "")).unwrap_err();
    assert!(unknown.starts_with("nothing says how long its token lives"), "{unknown}");
}

#[test]
fn a_refusal_says_what_to_check_and_repeats_no_secret() {
    let echo = r#"{"error":"invalid_client","error_description":"hunter 2+ is wrong"}"#;
    let client = "check sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret in \
                  kafka.properties";
    let refused = outcome(answer("401 Unauthorized", echo));
    assert_eq!(refused, Err(format!("it answered HTTP 401 (invalid_client); {client}")));
    let scope = outcome(answer("400 Bad Request", r#"{"error":"invalid_scope"}"#)).unwrap_err();
    assert!(scope.ends_with("check sasl.oauthbearer.scope in kafka.properties"), "{scope}");
    let odd = outcome(answer("400 Bad Request", r#"{"error":"hunter 2+"}"#)).unwrap_err();
    assert!(odd.starts_with("it answered HTTP 400; "), "{odd}");
}

#[test]
fn an_answer_that_is_no_token_is_refused() {
    for (body, expected) in [
        ("<html>", "its answer is not JSON; "),
        ("{}", "its answer holds no access_token; "),
        (r#"{"access_token":"a b","expires_in":9}"#, "its access_token has characters"),
        (r#"{"access_token":"a","expires_in":9,"token_type":"mac"}"#, "its token_type is not"),
        (&"x".repeat(70_000), "its answer is longer than 64 KiB; "),
    ] {
        let error = outcome(answer("200 OK", body)).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
    let error = outcome(elsewhere.to_owned()).unwrap_err();
    assert!(error.starts_with("it answered HTTP 302, and redirects are not followed; "), "{error}");
}

#[test]
fn root_certificates_that_cannot_be_read_are_named() {
    for (key, value, expected) in [
        ("https.ca.location", "/nowhere/ca.pem", "cannot read /nowhere/ca.pem: "),
        ("https.ca.pem", "not PEM", "the root certificates are not PEM; "),
    ] {
        let error = source_with("https://localhost:9/token", &[(key, value)]).token().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.remedy.starts_with("check https.ca.location"), "{error}");
    }
}

#[test]
fn an_endpoint_that_is_away_is_named() {
    let error = source("http://127.0.0.1:9/token").token().unwrap_err().to_string();
    let (start, end) = ("no token for Kafka from http://127.0.0.1:9/token: ", "and the network");
    assert!(error.starts_with(start) && error.ends_with(end), "{error}");
}
