//! What is secret, and where keys and tokens come from.

use super::load;

#[test]
fn secrets_are_shown_nowhere() {
    let secrets = ["sasl.password", "ssl.key.pem", "sasl.jaas.config", "ssl.keystore.password"];
    let lines: Vec<_> = secrets.iter().map(|name| format!("\"{name}\" = \"hunter2\"")).collect();
    let file = format!("[kafka.properties]\n{}", lines.join("\n"));
    let loaded = load(&file, &[], &[]).unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let shown = |name: &str| loaded.effective.iter().any(|e| e.key.ends_with(name));
    assert!(secrets.iter().all(|name| shown(name)));
}

#[test]
fn credentials_of_a_proxy_are_shown_nowhere_and_have_no_place_on_a_command_line() {
    let environment = [("PAYNOTIFY_DELIVERY__PROXY", "http://user:hunter2@proxy.example:3128")];
    let loaded = load("", &environment, &[]).unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let shown = loaded.effective.iter().find(|effective| effective.key == "delivery.proxy");
    let value = shown.unwrap().value.as_deref();
    assert_eq!(value, Some("\"http://[redacted]@proxy.example:3128\""));
    let flags = [("delivery.proxy", "http://user:hunter2@proxy.example:3128")];
    let error = load("", &[], &flags).unwrap_err();
    let expected = "flag --set: delivery.proxy: a secret on the command line; \
         put it into the file or into PAYNOTIFY_DELIVERY__PROXY";
    assert_eq!(error, expected);
    assert!(load("", &[], &[("delivery.proxy", "http://proxy.example:3128")]).is_ok());
    let guard = loaded.config.delivery.guard();
    assert!(guard.url(&url::Url::parse("https://localhost/").unwrap()).is_err());
}

/// `[kafka.properties]` of a client that has its tokens from an endpoint.
const OAUTHBEARER: &str = r#"
[kafka.properties]
"security.protocol" = "SASL_SSL"
"sasl.mechanism" = "OAUTHBEARER"
"sasl.oauthbearer.method" = "oidc"
"sasl.oauthbearer.token.endpoint.url" = "https://login.example/oauth2/token"
"sasl.oauthbearer.client.id" = "paynotify"
"#;

#[test]
fn tokens_are_configured_by_the_names_of_librdkafka_and_their_secret_is_shown_nowhere() {
    let secret = [("PAYNOTIFY_KAFKA__PROPERTIES__SASL_OAUTHBEARER_CLIENT_SECRET", "hunter2")];
    let loaded = load(OAUTHBEARER, &secret, &[]).unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let clients = loaded.config.kafka.client_settings();
    assert!(clients.uses_tokens());
    assert_eq!(clients.properties["sasl.oauthbearer.client.secret"], "hunter2");
    let value = |name: &str| {
        let found = loaded.effective.iter().find(|effective| effective.key.ends_with(name));
        found.unwrap().value.clone().unwrap()
    };
    assert_eq!(value("client.secret"), "\"[redacted]\"");
    assert_eq!(value("token.endpoint.url"), "\"https://login.example/oauth2/token\"");
}

#[test]
fn half_configured_tokens_are_refused_where_they_are_asked_for() {
    let expected = "pay.toml:4: kafka.properties.sasl.mechanism: \
         OAUTHBEARER needs sasl.oauthbearer.client.secret; set it, better by environment";
    assert_eq!(load(OAUTHBEARER, &[], &[]).unwrap_err(), expected);
    let variable = "PAYNOTIFY_KAFKA__PROPERTIES__SASL_OAUTHBEARER_CLIENT_SECRET";
    let expected = format!(
        "environment variable {variable}: kafka.properties.sasl.oauthbearer.client.secret: \
         only OAUTHBEARER uses it; set sasl.mechanism to OAUTHBEARER, or remove it"
    );
    assert_eq!(load("", &[(variable, "hunter2")], &[]).unwrap_err(), expected);
}

#[test]
fn a_secret_in_a_flag_is_refused_without_showing_it() {
    let error = load("", &[], &[("kafka.properties.sasl.password", "hunter2")]).unwrap_err();
    let expected = "flag --set: kafka.properties.sasl.password: a secret on the command line; \
         put it into the file or into PAYNOTIFY_KAFKA__PROPERTIES__SASL_PASSWORD";
    assert_eq!(error, expected);
}

#[test]
fn keys_of_secrets_come_from_one_place_and_are_never_shown() {
    let key = "k1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let environment = [("PAYNOTIFY_DIRECTORY__KEYS", key)];
    let loaded = load("", &environment, &[]).unwrap();
    let shown = loaded.effective.iter().find(|one| one.key == "directory.keys").unwrap();
    assert_eq!(shown.value.as_deref(), Some("\"[redacted]\""));
    assert!(!format!("{loaded:?}").contains("AQEB"));

    let flag = load("", &[], &[("directory.keys", key)]).unwrap_err();
    assert!(flag.contains("a secret on the command line") && !flag.contains("AQEB"), "{flag}");
    let both = load("[directory]\nkey_file = \"keys\"", &environment, &[]).unwrap_err();
    assert!(both.contains("keep one of directory.key_file, key_command and keys"), "{both}");
    assert!(!both.contains("AQEB"), "{both}");
}
