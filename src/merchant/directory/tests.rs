mod dialects;

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::{Dialect, EventFilter, Key, PRESETS, Preset, State, StatusSet, Timestamp};

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn entry() -> Value {
    json!({
        "format": 1, "merchant_id": "m_42", "name": "Acme",
        "notify_url_hosts": ["shop.acme.example"],
        "endpoints": [{
            "id": "ep_main", "url": "https://shop.acme.example/hooks",
            "events": ["payment.*", "refund.completed"],
            "policy": {
                "intervals": ["15s", "3m"], "max_age": "72h", "timeout": "9s", "jitter": 0,
                "max_in_flight": 4, "rate": null, "weight": 1, "class": "standard",
                "acknowledge": { "statuses": ["200", "202-204"] }, "headers": { "x-shop": "42" },
            },
            "auth": null,
            "secrets": [{ "id": "s1", "kind": "hmac", "value": KEY,
                "not_before": null, "expires": "2027-01-01T00:00:00Z" }],
        }],
    })
}

fn parsed(entry: &Value) -> Result<Merchant, Error> {
    parse_entry(entry.to_string().as_bytes(), &Rules::default())
}

/// The entry with the value at a JSON pointer replaced or added.
fn with(pointer: &str, value: Value) -> Value {
    let mut entry = entry();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = entry.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    entry
}

#[test]
fn an_entry_becomes_a_merchant() {
    let merchant = parsed(&entry()).unwrap();
    assert_eq!((merchant.id.as_str(), merchant.name.as_str()), ("m_42", "Acme"));
    let endpoint = &merchant.endpoints[0];
    assert_eq!(endpoint.events[0], EventFilter::Under("payment".into()));
    assert_eq!(endpoint.events[1], EventFilter::Exactly("refund.completed".into()));
    let policy = &endpoint.policy;
    assert_eq!(policy.intervals, [Span::from_secs(15), Span::from_secs(180)]);
    assert_eq!((policy.max_in_flight, &policy.dialect), (4, &Dialect::Standard));
    assert_eq!(policy.acknowledge.statuses, StatusSet(vec![(200, 200), (202, 204)]));
    assert_eq!(policy.headers, [("x-shop".to_owned(), "42".to_owned())]);
    assert!(endpoint.can_sign(Timestamp::from_millis(0)));
    assert!(matches!(&endpoint.secrets[0].key, Key::Hmac(key) if key.expose().len() == 24));
}

#[test]
fn what_an_entry_leaves_out_comes_from_the_defaults() {
    let small = json!({ "format": 1, "merchant_id": "m", "endpoints": [
        { "id": "e", "url": "https://a.example" } ] });
    let merchant = parsed(&small).unwrap();
    assert_eq!(merchant.name, "m");
    assert_eq!(merchant.state, State::Active);
    assert_eq!(merchant.endpoints[0].policy, Defaults::default().0);
    let settings = PolicyEntry { max_in_flight: Some(3), ..PolicyEntry::default() };
    let defaults = Defaults::with(settings, &Schedules::default()).unwrap();
    let rules = Rules { defaults, ..Rules::default() };
    let merchant = parse_entry(small.to_string().as_bytes(), &rules).unwrap();
    assert_eq!(merchant.endpoints[0].policy.max_in_flight, 3);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of all rules")]
fn a_broken_rule_is_refused_with_path_finding_and_remedy() {
    let policy = |field: &str| format!("/endpoints/0/policy/{field}");
    let many = |n: usize, value: Value| Value::Array(vec![value; n]);
    for (pointer, value, expected) in [
        ("/format".to_owned(), json!(2), "merchant m_42, format: is 2, but this version reads 1"),
        ("/colour".to_owned(), json!(1), "colour: unknown field `colour`, expected one of"),
        ("/co lour".to_owned(), json!(1), "entry: has an unknown field, expected one of"),
        ("/notify_url_hosts/0".to_owned(), json!("https://x"), "notify_url_hosts[0]: "),
        (policy("colour"), json!(1), "endpoints[0].policy.colour: unknown field"),
        (
            policy("rate"),
            json!({"per_second": 0}),
            "endpoints[0].policy.rate: is not from 0.001 to 100000 per_second",
        ),
        (policy("jitter"), json!(1.1), "endpoints[0].policy.jitter: is not a share from 0 to 1"),
        (policy("weight"), json!(0), "endpoints[0].policy.weight: is not from 0.1 to 100"),
        (
            policy("class"),
            json!("vip"),
            "endpoints[0].policy.class: is no class of the configuration",
        ),
        (
            policy("acknowledge"),
            json!({"body": " success"}),
            "policy.acknowledge.body: is compared after trimming",
        ),
        (
            policy("acknowledge"),
            json!({"json": { "pointer": "/a~2", "equals": 1 }}),
            "policy.acknowledge.json.pointer: is no JSON Pointer",
        ),
        (
            policy("acknowledge"),
            json!({"json": { "pointer": "/a", "equals": [] }}),
            "policy.acknowledge.json.equals: must be a string",
        ),
        (
            policy("acknowledge"),
            json!({"json": { "pointer": "/a" }}),
            "policy.acknowledge.json: missing field `equals`",
        ),
        (
            policy("intervals"),
            json!("wechat"),
            "policy.intervals: is no schedule's name; write a list such as [\"15s\", \"3m\"], or one of adyen, ",
        ),
        (
            policy("acknowledge"),
            json!({"statuses": ["3xx"]}),
            "acknowledge.statuses: \"3xx\" is no status",
        ),
        (policy("acknowledge"), json!({"statuses": []}), "acknowledge.statuses: no status counts"),
        (
            policy("intervals"),
            json!(["500ms"]),
            "policy.intervals[0]: is 500ms, but must be from 1s to 7d",
        ),
        (policy("intervals"), json!(["1x"]), "policy.intervals[0]: \"1x\" is not a duration"),
        (policy("intervals"), many(129, json!("1s")), "policy.intervals: has 129 items"),
        (
            policy("max_age"),
            json!("3m"),
            "policy.max_age: is 3m, but the intervals add up to 195s; lengthen",
        ),
        (policy("timeout"), json!("2m"), "policy.timeout: is 2m, but must be from 100ms to 1m"),
        (
            policy("max_in_flight"),
            json!(0),
            "policy.max_in_flight: is 0, but must be from 1 to 1024",
        ),
        (
            policy("headers"),
            json!({"Webhook-Id": "x"}),
            "headers.Webhook-Id: is set by paynotify itself",
        ),
        (policy("headers"), json!({"X-A": "1", "x-a": "2"}), "headers.x-a: is there twice"),
        (policy("headers"), json!({"host": "x"}), "headers.host: is set by paynotify itself"),
        (policy("headers"), json!({"a b": "x"}), "headers.a b: is no header name"),
        (policy("headers"), json!({"x-a": "b\r\nc: d"}), "headers.x-a: has a value with control"),
        (
            "/endpoints/0/id".to_owned(),
            json!("notify_url"),
            "endpoints[0].id: \"notify_url\" is reserved",
        ),
        (
            "/endpoints/0/url".to_owned(),
            json!("http://a.example"),
            "endpoints[0].url: http is not allowed; use https, or set delivery.allow_http",
        ),
        (
            "/endpoints/0/url".to_owned(),
            json!("https://u:pw@a.example"),
            "endpoints[0].url: must not hold a user name",
        ),
        (
            "/endpoints/0/url".to_owned(),
            json!("ftp://a.example"),
            "endpoints[0].url: must be an http or https URL",
        ),
        (
            "/endpoints/0/events/0".to_owned(),
            json!("Payment"),
            "endpoints[0].events[0]: \"Payment\" is no filter",
        ),
        (
            "/endpoints/0/secrets/0/not_before".to_owned(),
            json!("2028-01-01T00:00:00Z"),
            "secrets[0].expires: is not after",
        ),
    ] {
        let message = parsed(&with(&pointer, value)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message:?} should contain {expected:?}");
    }
    let mut twice = entry();
    let first = twice["endpoints"][0].clone();
    twice["endpoints"].as_array_mut().unwrap().push(first);
    assert!(
        parsed(&twice)
            .unwrap_err()
            .to_string()
            .contains("endpoints[1].id: \"ep_main\" is used twice")
    );
    twice["endpoints"] = many(33, twice["endpoints"][0].clone());
    assert!(parsed(&twice).unwrap_err().to_string().contains("endpoints: has 33 items"));
}

#[test]
fn a_named_schedule_is_that_of_the_platform_with_an_age_limit_that_leaves_room() {
    let mut entry = with("/endpoints/0/policy/intervals", json!("wechat-pay"));
    let policy = &mut entry["endpoints"][0]["policy"];
    policy.as_object_mut().unwrap().remove("max_age");
    let merchant = parsed(&entry).unwrap();
    let policy = &merchant.endpoints[0].policy;
    assert_eq!(policy.intervals, Preset::named("wechat-pay").unwrap().intervals());
    assert_eq!(policy.max_age, Span::from_secs(96 * 3_600), "the default is longer");
    entry["endpoints"][0]["policy"]["intervals"] = json!("mercado-pago");
    let max_age = parsed(&entry).unwrap().endpoints[0].policy.max_age;
    assert_eq!(max_age, Preset::named("mercado-pago").unwrap().max_age());
    entry["endpoints"][0]["policy"]["max_age"] = json!("6d");
    let error = parsed(&entry).unwrap_err().to_string();
    assert!(error.contains("max_age: is 6d, but the intervals add up to "), "{error}");
}

#[test]
fn every_named_schedule_is_possible_on_the_default_ladder_and_in_the_published_schema() {
    let schema = include_str!("../../../schemas/merchant.schema.json");
    for preset in PRESETS {
        let mut entry = with("/endpoints/0/policy/intervals", json!(preset.name));
        entry["endpoints"][0]["policy"]["max_age"] = json!(null);
        parsed(&entry).unwrap();
        assert!(schema.contains(&format!("\"{}\"", preset.name)), "{}", preset.name);
    }
}

#[test]
fn a_schedule_of_too_many_hops_is_refused_with_the_grade_to_add() {
    let ladder = crate::model::Ladder::new(vec![Span::from_secs(5)]).unwrap();
    let rules =
        Rules { schedules: Schedules { ladder, ..Schedules::default() }, ..Rules::default() };
    let entry = with("/endpoints/0/policy/intervals", json!(["80s", "85s"]));
    let error = parse_entry(entry.to_string().as_bytes(), &rules).unwrap_err().to_string();
    let expected = "merchant m_42, endpoints[0].policy.intervals[1]: 85s needs more than 16 hops over \
                    the delay topics; add the grade 85s to topics.grades, or change it";
    assert_eq!(error, expected);
}

#[test]
fn a_null_in_the_place_of_a_word_is_told_at_its_field() {
    for (pointer, path) in [("/state", "state"), ("/endpoints/0/state", "endpoints[0].state")] {
        let error = parsed(&with(pointer, Value::Null)).unwrap_err();
        assert_eq!(
            (error.path.as_str(), error.remedy.as_str()),
            (path, "see schemas/merchant.schema.json")
        );
    }
    let error = parsed(&with("/", json!(1))).unwrap_err();
    assert_eq!(error.path, "entry", "a field without a name");
}

#[test]
fn no_message_shows_a_secret_wherever_it_stands() {
    let secret = "whsec_c2VjcmV0c2VjcmV0";
    for pointer in [
        "/endpoints/0/secrets/0/value",
        "/endpoints/0/secrets/0",
        "/endpoints/0/secrets",
        "/endpoints/0/policy",
        "/endpoints/0/policy/headers",
        "/endpoints/0/auth",
        "/endpoints/0",
        "/endpoints",
        "/endpoints/0/policy/max_in_flight",
        "/endpoints/0/policy/intervals",
        "/endpoints/0/policy/jitter",
        "/endpoints/0/events",
        "/format",
        "/endpoints/0/policy/acknowledge",
        "/endpoints/0/policy/dialect",
    ] {
        for value in [json!(secret), json!([secret]), json!(4_242_424_242_424_242_u64)] {
            let Err(error) = parsed(&with(pointer, value)) else { continue };
            let text = format!("{error} {error:?}");
            assert!(!text.contains("c2VjcmV0") && !text.contains("42424242"), "{pointer}: {text}");
        }
    }
    let entry = Entry::parse(entry().to_string().as_bytes()).unwrap();
    let shown = redacted(&entry).to_string() + &format!("{entry:?}");
    assert!(!shown.contains("C2FVsBQ"), "{shown}");
    assert!(shown.contains("\"value\":\"[redacted]\""), "{shown}");
    let merchant = parsed(&self::entry()).unwrap();
    assert!(!format!("{merchant:?}").contains("11, 97"), "not even the bytes");
}

#[test]
fn a_secret_in_the_wrong_field_of_an_entry_is_in_no_error_and_not_shown() {
    let secret = "marked s3cret";
    for (pointer, value) in [
        ("/merchant_id", json!(secret)),
        ("/state", json!(secret)),
        ("/notify_url_hosts/0", json!(format!("u:{secret}@shop.example"))),
        ("/endpoints/0/id", json!(secret)),
        ("/endpoints/0/url", json!("https://u:marked s3cret@shop.example")),
        ("/endpoints/0/state", json!(secret)),
        ("/endpoints/0/secrets/0/id", json!(secret)),
        ("/endpoints/0/secrets/0/kind", json!(secret)),
        ("/endpoints/0/secrets/0/not_before", json!(secret)),
        ("/endpoints/0/secrets/0/expires", json!(secret)),
        ("/endpoints/0/auth", json!({ "kind": secret })),
        // A quote, a comma or a colon is missing.
        ("/endpoints/0/auth", json!({ "kind": "bearer", "token:s3cret": "" })),
        ("/endpoints/0/auth", json!({ "kind": "bearer", "s3cret": "token" })),
        ("/endpoints/0/secrets/0/value:s3cret", json!("")),
        ("/endpoints/0/auth:{kind:bearer,token:s3cret}", json!("")),
        ("/auth: s3cret", json!("")),
        ("/endpoints/0/whsec_s3cret", json!("")),
        (
            "/endpoints/0/auth",
            json!({ "kind": "basic", "username": format!("u:{secret}"), "password": "" }),
        ),
        (
            "/endpoints/0/auth",
            json!({ "kind": "client_certificate", "certificate": secret, "key": "k" }),
        ),
        ("/endpoints/0/policy/headers", json!({ "whsec_s3cret a": "x" })),
    ] {
        let entry = with(pointer, value);
        let error = parsed(&entry).unwrap_err();
        let read = Entry::parse(entry.to_string().as_bytes());
        let shown = read.map(|entry| redacted(&entry).to_string() + &format!("{entry:?}"));
        let text = format!("{error} {error:?} {}", shown.unwrap_or_default());
        assert!(!text.contains("s3cret"), "{pointer}: {text}");
    }
}

#[test]
fn records_of_the_topic_put_remove_or_are_refused() {
    let (rules, value) = (Rules::default(), entry().to_string());
    let update = |key: Option<&str>, value: Option<&str>| {
        super::update(key.map(str::as_bytes), value.map(str::as_bytes), &rules)
    };
    assert!(
        matches!(update(Some("m_42"), Some(&value)), Update::Put(m) if m.id.as_str() == "m_42")
    );
    assert!(matches!(update(Some("m_42"), None), Update::Remove(id) if id.as_str() == "m_42"));
    for (key, value, expected) in [
        (Some("m_43"), value.as_str(), "merchant m_43, merchant_id: is \"m_42\", but the key"),
        (None, value.as_str(), "key: a merchant id must match"),
        (Some("m_42"), "{", "merchant m_42, entry: EOF"),
    ] {
        match update(key, Some(value)) {
            Update::Refused(error) => assert!(error.to_string().contains(expected), "{error}"),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
}

fn line(id: &str, url: &str) -> String {
    json!({ "format": 1, "merchant_id": id, "endpoints": [{ "id": "e", "url": url }] }).to_string()
}

#[test]
fn a_bad_line_of_a_file_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("merchants.jsonl");
    let good = |id| line(id, "https://a.example");
    let text = [good("a"), String::new(), "{".into(), good("a"), line("b", "x"), good("c")];
    fs::write(&path, text.join("\n")).unwrap();
    let (merchants, refused) = file::read(&path, &Rules::default());
    assert_eq!(merchants.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let lines: Vec<_> = refused.iter().map(|error| error.line.unwrap()).collect();
    assert_eq!(lines, [3, 4, 5]);
    assert!(
        refused[1].to_string().contains("line 4: merchant a, merchant_id: is already on line 1")
    );
    let (merchants, refused) = file::read(&folder.path().join("none"), &Rules::default());
    assert!(merchants.is_empty() && refused[0].to_string().contains("cannot be read"));
}

#[test]
fn put_and_delete_change_one_line_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("merchants.jsonl");
    let rules = Rules::default();
    let pretty = serde_json::to_string_pretty(&entry()).unwrap();
    file::put(&path, line("a", "https://a.example").as_bytes(), &rules).unwrap();
    file::put(&path, pretty.as_bytes(), &rules).unwrap();
    file::put(&path, line("a", "https://b.example").as_bytes(), &rules).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n{}\n", entry(), line("a", "https://b.example")));
    assert!(file::put(&path, b"{}", &rules).is_err());
    let id = MerchantId::parse("a").unwrap();
    assert!(file::delete(&path, &id).unwrap());
    assert!(!file::delete(&path, &id).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", entry()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_changed_file_is_told_as_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("merchants.jsonl");
    let good = |id| line(id, "https://a.example");
    fs::write(&path, [good("a"), good("b"), good("c")].join("\n")).unwrap();
    let cancel = CancellationToken::new();
    let mut updates = file::watch(path.clone(), Rules::default(), cancel.clone());
    assert_eq!(until_loaded(&mut updates).await, ["put a", "put b", "put c"]);
    fs::write(&path, [good("a"), line("b", "nowhere"), good("d")].join("\n")).unwrap();
    assert_eq!(until_loaded(&mut updates).await, ["refused 2", "put d", "remove c"]);
    fs::write(&path, [good("a"), "{".to_owned()].join("\n")).unwrap();
    assert_eq!(until_loaded(&mut updates).await, ["refused 2"], "nobody knows whose line it was");
    cancel.cancel();
    assert!(updates.recv().await.is_none());
}

#[tokio::test]
async fn a_line_that_no_key_opened_is_told_once_the_key_is_there() {
    use crate::merchant::vault::{KeySource, Vault};
    const OLD: &str = "old AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const NEW: &str = "new AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    let folder = tempfile::tempdir().unwrap();
    let (path, keys) = (folder.path().join("merchants.jsonl"), folder.path().join("keys"));
    let ahead = Vault::new(&KeySource::Text(NEW.into())).unwrap();
    let sealed = seal_entry(entry().to_string().as_bytes(), &ahead).unwrap().unwrap();
    let sealed = String::from_utf8(sealed).unwrap();
    fs::write(&path, [line("a", "https://a.example"), sealed].join("\n")).unwrap();
    fs::write(&keys, OLD).unwrap();
    let vault = Some(Vault::new(&KeySource::File(keys.clone())).unwrap());
    let rules = Rules { vault, ..Rules::default() };
    let mut updates = file::watch(path, rules, CancellationToken::new());
    assert_eq!(until_loaded(&mut updates).await, ["refused 2", "put a"]);
    fs::write(&keys, [NEW, OLD].join("\n")).unwrap();
    assert_eq!(until_loaded(&mut updates).await, ["put m_42"]);
}

async fn until_loaded(updates: &mut tokio::sync::mpsc::Receiver<Update>) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let wait = tokio::time::timeout(Duration::from_secs(10), updates.recv());
        match wait.await.expect("told within seconds").expect("still watching") {
            Update::Loaded => return told,
            Update::Put(merchant) => told.push(format!("put {}", merchant.id)),
            Update::Remove(id) => told.push(format!("remove {id}")),
            Update::Refused(error) => told.push(format!("refused {}", error.line.unwrap())),
        }
    }
}
