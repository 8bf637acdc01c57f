use secrecy::ExposeSecret as _;

use super::*;

const WHOLE: [(&str, &str); 7] = [
    ("security.protocol", "SASL_SSL"),
    ("sasl.mechanism", "OAUTHBEARER"),
    (METHOD, "oidc"),
    (ENDPOINT, "https://login.example/oauth2/token"),
    (ID[0], "paynotify"),
    (SECRET[0], "hunter2"),
    (SCOPE, "kafka"),
];

fn with(changes: &[(&str, Option<&str>)]) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        WHOLE.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    for (key, value) in changes {
        match value {
            Some(value) => all.insert((*key).into(), (*value).into()),
            None => all.remove(*key),
        };
    }
    all
}

fn refused(changes: &[(&str, Option<&str>)]) -> Vec<String> {
    let refused = take(&mut with(changes)).expect_err("it is refused");
    let lines = refused.iter().map(|one| format!("{}: {}; {}", one.key, one.what, one.remedy));
    lines.collect()
}

#[test]
fn what_librdkafka_would_refuse_is_taken_out_and_the_rest_stays() {
    let mut properties = with(&[("https.ca.location", Some("/ca.pem"))]);
    let grant = take(&mut properties).unwrap().unwrap();
    assert_eq!(grant.endpoint.as_str(), "https://login.example/oauth2/token");
    assert_eq!(
        (grant.client_id.as_str(), grant.client_secret.expose_secret()),
        ("paynotify", "hunter2")
    );
    assert_eq!(grant.scope.as_deref(), Some("kafka"));
    assert_eq!(grant.authorities, Authorities::File("/ca.pem".into()));
    let left: Vec<_> = properties.keys().map(String::as_str).collect();
    assert_eq!(left, ["sasl.mechanism", "security.protocol"]);
}

#[test]
fn other_mechanisms_need_no_grant() {
    let mut scram = BTreeMap::from([("sasl.mechanisms".to_owned(), "SCRAM-SHA-256".to_owned())]);
    assert!(take(&mut scram).unwrap().is_none());
    assert_eq!(scram.len(), 1);
}

#[test]
fn a_half_said_grant_is_refused_with_what_is_missing() {
    let missing = |key: &str| refused(&[(key, None)]).join("\n");
    for (key, remedy) in [
        (METHOD, "set it to oidc"),
        (ENDPOINT, "set it to the address of the token endpoint"),
        (ID[0], "set it to the client's id"),
        (SECRET[0], "set it, better by environment"),
    ] {
        assert_eq!(missing(key), format!("sasl.mechanism: OAUTHBEARER needs {key}; {remedy}"));
    }
    let expected =
        "sasl.mechanism: OAUTHBEARER needs security.protocol with SASL; set it to SASL_SSL";
    assert_eq!(missing("security.protocol"), expected);
    assert_eq!(refused(&[(ID[0], None), (SECRET[0], Some(" "))]).len(), 2, "all at once");
}

#[test]
fn what_this_version_cannot_do_is_refused_by_name() {
    for (key, value, expected) in [
        (METHOD, "default", "the only method is oidc; set it to oidc"),
        (EXTENSIONS, "a=b", "this version cannot send SASL extensions; remove it"),
        (
            GRANT_TYPE,
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "the only grant is client_credentials; remove it",
        ),
        (
            "sasl.oauthbearer.assertion.file",
            "x",
            "not supported by this version; use the client-credentials grant, or remove it",
        ),
    ] {
        assert_eq!(refused(&[(key, Some(value))]), [format!("{key}: {expected}")]);
    }
}

#[test]
fn leftovers_of_another_mechanism_are_refused() {
    let lines = refused(&[("sasl.mechanism", Some("PLAIN"))]);
    assert_eq!(lines.len(), 5);
    let expected = "sasl.oauthbearer.client.id: only OAUTHBEARER uses it; \
                    set sasl.mechanism to OAUTHBEARER, or remove it";
    assert_eq!(lines[0], expected);
}

#[test]
fn the_secret_is_sent_to_nobody_but_the_endpoint() {
    let endpoint = |text: &str| take(&mut with(&[(ENDPOINT, Some(text))]));
    for fine in
        ["http://localhost:8080/t", "http://127.0.0.1/t", "http://[::1]/t", "https://a/t?x=1"]
    {
        assert!(endpoint(fine).is_ok(), "{fine}");
    }
    for wrong in ["http://login.example/t", "ftp://localhost/t", "login", "https://a:hunter2@b/t"] {
        let refused = endpoint(wrong).expect_err(wrong);
        assert!(!format!("{refused:?}").contains("hunter2"));
    }
}

#[test]
fn a_grant_is_shown_without_its_secret_and_without_a_query_that_may_hold_one() {
    let endpoint = (ENDPOINT, Some("https://login.example/token?key=hunter3"));
    let grant = take(&mut with(&[endpoint])).unwrap().unwrap();
    let shown = format!("{grant:?}");
    assert!(shown.contains("https://login.example/token") && !shown.contains("hunter"), "{shown}");
}
