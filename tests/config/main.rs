//! Configuration: precedence, defaults, redaction, and the text of every mistake.

mod classes;
mod policy;
mod secrets;

use paynotify::{
    config::{Config, DEFAULT_TEXT, Inputs, Loaded, Origin},
    model::Span,
};

fn load(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Loaded, String> {
    let own = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let inputs = Inputs {
        file: Some(("pay.toml".to_owned(), file.to_owned())),
        environment: own(environment),
        flags: own(flags),
    };
    inputs.load().map_err(|error| error.to_string())
}

fn origin(loaded: &Loaded, key: &str) -> String {
    let found = loaded.effective.iter().find(|effective| effective.key == key);
    found.expect("the key is effective").origin.to_string()
}

#[test]
fn flags_go_over_environment_over_file_over_default() {
    let file = "[kafka]\ngroup = \"file\"\n[shutdown]\ngrace = \"1s\"\n[log]\nfilter = \"warn\"";
    let environment =
        [("PAYNOTIFY_KAFKA__GROUP", "environment"), ("PAYNOTIFY_SHUTDOWN__GRACE", "2s")];
    let loaded = load(file, &environment, &[("kafka.group", "flag")]).unwrap();
    assert_eq!(loaded.config.kafka.group, "flag");
    assert_eq!(loaded.config.shutdown.grace, Span::from_secs(2));
    assert_eq!(loaded.config.log.filter, "warn");
    assert_eq!(origin(&loaded, "kafka.group"), "flag --set");
    let variable = "environment variable PAYNOTIFY_SHUTDOWN__GRACE";
    assert_eq!(origin(&loaded, "shutdown.grace"), variable);
    assert_eq!(origin(&loaded, "log.filter"), "pay.toml:6");
    assert_eq!(origin(&loaded, "log.format"), "default");
}

#[test]
fn the_default_file_says_exactly_the_defaults() {
    let loaded = load(DEFAULT_TEXT, &[], &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    for effective in &loaded.effective {
        let unset = effective.value.is_none();
        assert!(unset || effective.origin != Origin::Default, "{} is missing", effective.key);
    }
}

#[test]
fn properties_are_read_from_quoted_keys_and_from_the_environment() {
    let file = "[kafka.properties]\n\"session.timeout.ms\" = \"6000\"\n\"client.id\" = \"a\"";
    let environment = [("PAYNOTIFY_KAFKA__PROPERTIES__SESSION_TIMEOUT_MS", "9000")];
    let loaded = load(file, &environment, &[]).unwrap();
    let properties: Vec<_> = loaded.config.kafka.properties.iter().collect();
    assert_eq!(properties, [("client.id", "a"), ("session.timeout.ms", "9000")]);
}

#[test]
fn variables_without_a_section_are_not_ours() {
    let environment = [("PAYNOTIFY_SERVICE_HOST", "10.0.0.1"), ("PAYNOTIFY_PORT", "tcp://x")];
    assert!(load("", &environment, &[]).is_ok());
}

#[test]
fn lists_in_the_environment_are_separated_by_commas() {
    let environment = [
        ("PAYNOTIFY_TOPICS__GRADES", "1s, 60s"),
        ("PAYNOTIFY_DEFAULTS__POLICY__INTERVALS", "5s, 60s"),
        ("PAYNOTIFY_DEFAULTS__POLICY__ACKNOWLEDGE__STATUSES", "2xx,404,410-411"),
    ];
    let config = load("", &environment, &[]).unwrap().config;
    assert_eq!(config.topics.grades.largest().to_string(), "1m");
    let statuses = config.defaults.policy.acknowledge.statuses.0;
    assert_eq!(statuses, [(200, 299), (404, 404), (410, 411)]);
}

#[test]
fn addresses_and_ports_are_read_and_shown_as_they_are_written() {
    let file = "[delivery]\nports = [443, \"8000-8999\"]\nallow_addresses = [\"10.8.0.0/16\"]";
    let environment = [("PAYNOTIFY_DELIVERY__DENY_ADDRESSES", "10.8.1.2, fd00::/8")];
    let loaded = load(file, &environment, &[("delivery.ports", "443,1000-2000")]).unwrap();
    let shown = |key: &str| {
        let found = loaded.effective.iter().find(|effective| effective.key == key);
        found.unwrap().value.clone().unwrap()
    };
    assert_eq!(shown("delivery.ports"), "[443, \"1000-2000\"]");
    assert_eq!(shown("delivery.allow_addresses"), "[\"10.8.0.0/16\"]");
    assert_eq!(shown("delivery.deny_addresses"), "[\"10.8.1.2\", \"fd00::/8\"]");
    let guard = loaded.config.delivery.guard();
    let dials = |url: &str| guard.url(&url::Url::parse(url).unwrap()).is_ok();
    assert!(dials("https://10.8.0.1/") && dials("https://shop.example:1500/"));
    assert!(!dials("https://10.8.1.2/") && !dials("https://shop.example:8443/"));
}

#[test]
fn a_trust_store_is_read_with_the_configuration_and_its_mistakes_are_named() {
    let own = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let load = |path: &str| load("", &[("PAYNOTIFY_DELIVERY__TRUST_STORE", path)], &[]);
    let path = written("good.pem", &own.cert.pem().repeat(2));
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.config.delivery.trust_store.unwrap().path().to_string_lossy(), path);
    let key = own.signing_key.serialize_pem();
    for (path, wrong) in [
        (written("key.pem", &key), "there is no certificate in PEM in it"),
        (written("empty.pem", ""), "there is no certificate in PEM in it"),
        (
            written("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "certificate 1 cannot be a root of trust",
        ),
        ("nowhere/ca.pem".to_owned(), "cannot be read"),
    ] {
        let error = load(&path).unwrap_err();
        let named = error.contains("delivery.trust_store") && error.contains(&path);
        assert!(named && error.contains(wrong), "{error}");
    }
}

#[test]
fn a_broken_line_is_named_without_its_text() {
    let error = load("[kafka]\ngroup = \"x\"\npassword = \"hunter2", &[], &[]).unwrap_err();
    assert!(error.starts_with("pay.toml:3: not valid TOML: "), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn every_mistake_names_key_place_and_remedy() {
    let cases = [
        (
            "[topics]\ngrade = [\"5s\"]",
            "pay.toml:2: topics.grade: unknown key; did you mean topics.grades?",
        ),
        (
            "[kafak]\ngroup = \"x\"",
            "pay.toml:2: kafak.group: unknown key; did you mean kafka.group?",
        ),
        (
            "[nonsense]",
            "pay.toml:1: nonsense: unknown key; `paynotify config default` prints every key",
        ),
        (
            "[shutdown]\ngrace = 5",
            "pay.toml:2: shutdown.grace: 5 is of the wrong type; \
             write a duration such as \"500ms\", \"15s\", \"2m\", \"1h\" or \"7d\"",
        ),
        (
            "[delivery]\nmax_in_flight = 0",
            "pay.toml:2: delivery.max_in_flight: 0 is out of range; \
             write a whole number from 1 to 1000000",
        ),
        (
            "[delivery]\nallow_http = \"yes\"",
            "pay.toml:2: delivery.allow_http: \"yes\" is of the wrong type; write true or false",
        ),
        (
            "[delivery]\nports = [443, 0]",
            "pay.toml:2: delivery.ports: \"0\" is not a port; \
             write a list of ports from 1 to 65535, such as [443, \"8000-8999\"]",
        ),
        (
            "[delivery]\nports = []",
            "pay.toml:2: delivery.ports: no port; \
             write a list of ports from 1 to 65535, such as [443, \"8000-8999\"]",
        ),
        (
            "[delivery]\nallow_addresses = [\"localhost\"]",
            "pay.toml:2: delivery.allow_addresses: \"localhost\" is not an address or a range; \
             write a list of addresses and ranges such as \
             [\"10.1.2.3\", \"10.8.0.0/16\", \"fd00::/8\"]",
        ),
        (
            "[delivery]\ndeny_addresses = [\"10.1.0.0/8\"]",
            "pay.toml:2: delivery.deny_addresses: \"10.1.0.0/8\" begins in the middle of the \
             range 10.0.0.0/8; write a list of addresses and ranges such as \
             [\"10.1.2.3\", \"10.8.0.0/16\", \"fd00::/8\"]",
        ),
        (
            "[delivery]\nproxy = \"https://user:hunter2@proxy.example\"",
            "pay.toml:2: delivery.proxy: not the URL of an HTTP proxy; \
             write the proxy's address, such as \"http://proxy.example:3128\"",
        ),
        (
            "[admin]\ntoken_file = \"token\"",
            "pay.toml:2: admin.token_file: not supported by this version; remove it",
        ),
        (
            "[kafka.properties]\n\"enable.auto.commit\" = \"true\"",
            "pay.toml:2: kafka.properties.enable.auto.commit: offsets would be committed before \
             merchants acknowledged, and events would be lost; remove it",
        ),
        (
            "[defaults.policy]\nmax_age = \"1h\"",
            "pay.toml:2: defaults.policy.max_age: 1h is less than the sum of the intervals, 211370s; \
             write at least 211370s, or shorten defaults.policy.intervals",
        ),
        (
            "[parking]\nlongest_grade = \"1s\"",
            "pay.toml:2: parking.longest_grade: no grade is as short as 1s; \
             write at least 5s, or add a grade",
        ),
        (
            "[topics]\ngrades = [\"5s\", \"5000ms\"]",
            "pay.toml:2: topics.grades: grade 5s is listed twice; \
             write a list of different durations such as [\"5s\", \"1m\", \"1h\"]",
        ),
        ("kafka = 3", "pay.toml:1: kafka: a section, not a value; write [kafka] and keys below"),
        (
            "[memory]\nbudget = \"411MiB\"",
            "pay.toml:2: memory.budget: 411MiB is less than 20MiB for attempts, 384MiB for \
             connections and 8MiB for records; write more, or lower delivery.max_connections or \
             delivery.max_in_flight",
        ),
        (
            "[events]\nmax_bytes = \"a lot\"",
            "pay.toml:2: events.max_bytes: \"a lot\" is not a size; \
             write a size such as \"256KiB\"",
        ),
    ];
    for (file, message) in cases {
        assert_eq!(load(file, &[], &[]).unwrap_err(), message, "of {file:?}");
    }
}

#[test]
fn a_small_budget_is_enough_for_small_limits() {
    let limits = "[delivery]\nmax_in_flight = 32\nmax_connections = 64\n";
    assert!(load(&format!("{limits}[memory]\nbudget = \"35MiB\""), &[], &[]).is_ok());
    assert!(load(&format!("{limits}[memory]\nbudget = \"34MiB\""), &[], &[]).is_err());
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let error = load("", &[("PAYNOTIFY_ADMIN__LISTEN", "9464")], &[]).unwrap_err();
    let expected = "environment variable PAYNOTIFY_ADMIN__LISTEN: admin.listen: \
         \"9464\" is not an address with a port; \
         write an IP address and a port, such as \"0.0.0.0:9464\"";
    assert_eq!(error, expected);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let error = load("[log]\nformat = \"xml\"\nlevel = 1", &[], &[]).unwrap_err();
    assert_eq!(error.lines().count(), 2, "{error}");
}
