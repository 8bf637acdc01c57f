use super::*;

const WHOLE: [(&str, &str); 6] = [
    ("security.protocol", "SASL_SSL"),
    ("sasl.mechanism", "OAUTHBEARER"),
    (METHOD, "oidc"),
    (ENDPOINT, "https://login.example/oauth2/token"),
    (ID[0], "paynotify"),
    (SECRET[0], "hunter2"),
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
    let refused = check(&with(changes));
    refused.iter().map(|one| format!("{}: {}; {}", one.key, one.what, one.remedy)).collect()
}

#[test]
fn a_whole_grant_passes_under_either_name_of_each_property() {
    assert_eq!(refused(&[]), [""; 0]);
    let others = [
        ("sasl.mechanism", None),
        ("sasl.mechanisms", Some("OAUTHBEARER")),
        (ID[0], None),
        (ID[1], Some("paynotify")),
        (SECRET[0], None),
        (SECRET[1], Some("hunter2")),
    ];
    assert_eq!(refused(&others), [""; 0]);
}

#[test]
fn other_mechanisms_and_other_grants_need_no_secret() {
    let scram = BTreeMap::from([("sasl.mechanisms".to_owned(), "SCRAM-SHA-256".to_owned())]);
    assert_eq!(check(&scram), []);
    let jwt = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let none = [(ID[0], None), (SECRET[0], None)];
    assert_eq!(refused(&[&none[..], &[(GRANT_TYPE, Some(jwt))]].concat()), [""; 0]);
    let azure = [(METADATA, Some("azure_imds")), (ENDPOINT, None)];
    assert_eq!(refused(&[&none[..], &azure].concat()), [""; 0]);
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
    let default = refused(&[(METHOD, Some("default"))]);
    assert_eq!(default, [format!("{METHOD}: the only method is oidc; set it to oidc")]);
}

#[test]
fn leftovers_of_another_mechanism_are_refused() {
    let lines = refused(&[("sasl.mechanism", Some("PLAIN"))]);
    assert_eq!(lines.len(), 4);
    let expected = "sasl.oauthbearer.client.id: only OAUTHBEARER uses it; \
                    set sasl.mechanism to OAUTHBEARER, or remove it";
    assert_eq!(lines[0], expected);
}

#[test]
fn the_secret_is_sent_to_nobody_but_the_endpoint() {
    let endpoint = |text: &str| check(&with(&[(ENDPOINT, Some(text))]));
    for fine in
        ["http://localhost:8080/t", "http://127.0.0.1/t", "http://[::1]/t", "https://a/t?x=1"]
    {
        assert_eq!(endpoint(fine), [], "{fine}");
    }
    for wrong in ["http://login.example/t", "ftp://localhost/t", "login", "https://a:hunter2@b/t"] {
        let refused = endpoint(wrong);
        assert_eq!(refused.len(), 1, "{wrong}");
        assert!(!format!("{refused:?}").contains("hunter2"));
    }
}

#[test]
fn an_endpoint_is_shown_without_its_query_that_may_hold_a_key() {
    let shown = |text| shown_endpoint(&with(&[(ENDPOINT, Some(text))]));
    assert_eq!(shown("https://login.example/token?key=hunter3#x"), "https://login.example/token");
    assert_eq!(shown_endpoint(&with(&[(ENDPOINT, None)])), "the token endpoint");
}
