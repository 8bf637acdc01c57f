//! The directory from the command line: on its topic and in a file.

use rdkafka::mocking::MockCluster;

use super::{paynotify, status, stderr, stdout};

const GOOD: &str = r#"{"format":1,"merchant_id":"m_1","name":"Acme \u001b[2J","endpoints":[{"id":"ep_main","url":"https://shop.acme.example/hooks","secrets":[{"id":"s1","kind":"hmac","value":"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]}]}"#;
const BAD: &str =
    r#"{"format":1,"merchant_id":"m_2","endpoints":[{"id":"a b","url":"ftp://x","secrets":[]}]}"#;

/// put, list, show, delete on whatever directory the environment names.
fn the_whole_life_of_an_entry(environment: &[(&str, &str)]) {
    let run = |arguments: &[&str], input: &str| paynotify(arguments, environment, input);
    let put = run(&["merchants", "put", "-"], &format!("{GOOD}\n\n{BAD}\n"));
    assert_eq!(status(&put), 1, "{}", stderr(&put));
    let lines: Vec<_> = stderr(&put).lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("<stdin>:3: refused: merchant m_2, endpoints[0]"), "{lines:?}");
    assert_eq!(lines[1], "put 1, refused 1");

    let show = run(&["merchants", "show", "m_1", "--output", "table"], "");
    assert_eq!(status(&show), 0, "{}", stderr(&show));
    assert!(stdout(&show).contains("\"[redacted]\""), "{}", stdout(&show));
    let list = run(&["merchants", "list"], "");
    assert_eq!(stdout(&list).lines().count(), 1);
    let table = run(&["merchants", "list", "--output", "table"], "");
    assert!(stdout(&table).contains("ep_main (shop.acme.example)"), "{}", stdout(&table));
    for output in [show, list, table] {
        assert!(!stdout(&output).contains("MDEy"), "a secret: {}", stdout(&output));
        assert!(!stdout(&output).contains('\u{1b}'));
    }

    let deleted = run(&["merchants", "delete", "m_1"], "");
    assert_eq!(status(&deleted), 0, "{}", stderr(&deleted));
    let again = run(&["merchants", "delete", "m_1"], "");
    assert_eq!(
        (status(&again), stderr(&again).as_str()),
        (1, "paynotify: there is no merchant m_1\n")
    );
    assert_eq!(status(&run(&["merchants", "show", "m_1"], "")), 1);
}

#[test]
fn entries_are_put_shown_and_deleted_on_the_topic() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("payments.completions.merchants", 4, 1).unwrap();
    let servers = cluster.bootstrap_servers();
    the_whole_life_of_an_entry(&[("PAYNOTIFY_KAFKA__BOOTSTRAP_SERVERS", &servers)]);
}

#[test]
fn entries_are_put_shown_and_deleted_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("merchants.jsonl");
    the_whole_life_of_an_entry(&[("PAYNOTIFY_DIRECTORY__FILE", file.to_str().unwrap())]);
}

#[test]
fn one_entry_may_span_lines() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("merchants.jsonl");
    let environment = [("PAYNOTIFY_DIRECTORY__FILE", file.to_str().unwrap())];
    let spread = GOOD.replace(",\"", ",\n\"");
    let put = paynotify(&["merchants", "put", "-"], &environment, &spread);
    assert_eq!((status(&put), stderr(&put).as_str()), (0, "put 1, refused 0\n"));
    let list = paynotify(&["merchants", "list"], &environment, "");
    assert_eq!(stdout(&list).lines().count(), 1);
}

#[test]
fn an_entry_that_leads_inside_is_refused_unless_the_operator_allows_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("merchants.jsonl");
    let file = ("PAYNOTIFY_DIRECTORY__FILE", file.to_str().unwrap());
    let inside = GOOD.replace("shop.acme.example", "10.8.0.1");
    let put = paynotify(&["merchants", "put", "-"], &[file], &inside);
    assert_eq!(status(&put), 1);
    let said = "<stdin>:1: refused: merchant m_1, endpoints[0].url: the address 10.8.0.1 is not \
         public; use a public address, or add this one to delivery.allow_addresses";
    assert_eq!(stderr(&put).lines().next(), Some(said));
    let allowed = ("PAYNOTIFY_DELIVERY__ALLOW_ADDRESSES", "10.8.0.0/16");
    let put = paynotify(&["merchants", "put", "-"], &[file, allowed], &inside);
    assert_eq!((status(&put), stderr(&put).as_str()), (0, "put 1, refused 0\n"));
}

#[test]
fn a_key_is_rotated_with_an_overlap_and_a_made_one_is_printed_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("merchants.jsonl");
    let environment = [("PAYNOTIFY_DIRECTORY__FILE", file.to_str().unwrap())];
    let run = |arguments: &[&str], input: &str| paynotify(arguments, &environment, input);
    assert_eq!(status(&run(&["merchants", "put", "-"], GOOD)), 0);

    let made = run(&["merchants", "rotate-secret", "m_1", "ep_main", "--id", "s2"], "");
    assert_eq!(status(&made), 0, "{}", stderr(&made));
    let key = stdout(&made);
    assert!(key.starts_with("whsec_") && key.trim().len() == 50, "{key}");
    assert!(!stderr(&made).contains("whsec_"));
    let entry = std::fs::read_to_string(&file).unwrap();
    assert!(entry.contains(key.trim()) && entry.contains("whsec_MDEy"), "both are there");

    let given = ["merchants", "rotate-secret", "m_1", "ep_main", "--id", "s3", "--from", "-"];
    let own = run(&given, "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=\n");
    assert_eq!((status(&own), stdout(&own).as_str()), (0, ""), "{}", stderr(&own));
    let shown = stdout(&run(&["merchants", "show", "m_1"], ""));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let secrets = shown["endpoints"][0]["secrets"].as_array().unwrap();
    let ends: Vec<_> = secrets.iter().map(|one| !one["expires"].is_null()).collect();
    assert_eq!(ends, [false, true, true], "{secrets:?}");

    let bad = run(&given, "whsec_short");
    assert_eq!(status(&bad), 1);
    assert!(!stderr(&bad).contains("whsec_short"), "{}", stderr(&bad));
}
