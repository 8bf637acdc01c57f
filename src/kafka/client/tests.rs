use super::*;

fn settings(properties: &[(&str, &str)]) -> ClientSettings {
    let properties = properties.iter().map(|(key, value)| ((*key).into(), (*value).into()));
    ClientSettings {
        bootstrap_servers: "localhost:9092".into(),
        group: "paynotify".into(),
        properties: properties.collect(),
    }
}

#[test]
fn unsafe_properties_are_refused_with_key_value_and_reason() {
    for (key, value) in [
        ("enable.idempotence", "false"),
        ("acks", "1"),
        ("enable.auto.commit", "true"),
        ("isolation.level", "read_uncommitted"),
        ("enable.auto.offset.store", "true"),
        ("auto.offset.reset", "latest"),
        ("partition.assignment.strategy", "range"),
        ("group.protocol", "consumer"),
        ("transactional.id", "x"),
        ("message.timeout.ms", "0"),
        ("group.id", "other"),
    ] {
        let text = settings(&[(key, value)]).producer().unwrap_err().to_string();
        let start = format!("kafka.properties.\"{key}\" = \"{value}\" is refused: ");
        assert!(text.starts_with(&start) && text.len() > start.len() + 20, "{text}");
    }
}

#[test]
fn a_safe_value_may_be_written_out() {
    let given = [("acks", "all"), ("enable.auto.commit", "False"), ("message.timeout.ms", "5000")];
    settings(&given).check().unwrap();
}

#[test]
fn other_properties_pass_and_win_over_defaults() {
    let consumer = settings(&[("session.timeout.ms", "6000"), ("fetch.min.bytes", "7")]);
    let consumer = consumer.consumer().unwrap();
    assert_eq!(consumer.get("session.timeout.ms"), Some("6000"));
    assert_eq!(consumer.get("fetch.min.bytes"), Some("7"));
    assert_eq!(consumer.get("group.id"), Some("paynotify"));
    assert_eq!(consumer.get("auto.offset.reset"), Some("error"));
}

#[test]
fn librdkafka_accepts_every_configuration_with_scram_over_tls() {
    let settings = settings(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "worker"),
        ("sasl.password", "hunter2"),
    ]);
    for config in [settings.consumer(), settings.producer(), settings.admin()] {
        let config = config.unwrap();
        assert_eq!(config.get("ssl.ca.location"), Some("probe"));
        config.create_native_config().unwrap();
    }
}

#[test]
fn librdkafka_accepts_every_configuration_with_tokens() {
    let given = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", "https://login.example/token"),
        ("sasl.oauthbearer.client.id", "paynotify"),
        ("sasl.oauthbearer.client.secret", "hunter2"),
        ("sasl.oauthbearer.extensions", "logicalCluster=lkc-1"),
    ];
    let settings = settings(&given);
    assert!(settings.uses_tokens());
    for config in [settings.consumer(), settings.producer(), settings.admin()] {
        let config = config.unwrap();
        assert_eq!(config.get("https.ca.location"), Some("probe"));
        config.create_native_config().unwrap();
    }
}

#[test]
fn named_authorities_are_left_alone() {
    let given = [("security.protocol", "ssl"), ("ssl.ca.location", "/ca.pem")];
    assert_eq!(settings(&given).admin().unwrap().get("ssl.ca.location"), Some("/ca.pem"));
    assert_eq!(settings(&[]).admin().unwrap().get("ssl.ca.location"), None);
}

#[test]
fn secrets_are_never_printed() {
    let given = settings(&[("sasl.password", "hunter2"), ("ssl.key.pem", "hunter2")]);
    let text = format!("{given:?}");
    assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");
}
