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

/// Two operators read the same revision: the first may put over it, the second may not.
fn a_stale_revision_is_refused(environment: &[(&str, &str)]) {
    let run = |arguments: &[&str], input: &str| paynotify(arguments, environment, input);
    let put = |revision: &str, name: &str| {
        let entry = GOOD.replace("Acme \\u001b[2J", name);
        run(&["merchants", "put", "--revision", revision, "-"], &entry)
    };
    let shown = || -> serde_json::Value {
        let show = run(&["merchants", "show", "m_1", "--output", "json"], "");
        serde_json::from_str(&stdout(&show)).unwrap()
    };
    let first = put("0", "one");
    assert_eq!(status(&first), 0, "{}", stderr(&first));
    let one = shown()["revision"].to_string();
    assert_eq!(stderr(&first), format!("m_1 is at revision {one}\nput 1, refused 0\n"));

    let second = put(&one, "two");
    assert_eq!(status(&second), 0, "{}", stderr(&second));
    let two = shown()["revision"].to_string();
    assert_ne!(one, two);
    for stale in [one.as_str(), "0"] {
        let late = put(stale, "three");
        let said =
            format!("merchant m_1 is at revision {two}, not {stale}: somebody has changed it");
        assert_eq!(status(&late), 1);
        assert!(stderr(&late).contains(&said), "{}", stderr(&late));
    }
    assert_eq!(shown()["name"], "two", "what is refused is not written");
    let list = run(&["merchants", "list"], "");
    assert!(stdout(&list).contains(&format!("\"revision\":{two}")), "{}", stdout(&list));

    let both = format!("{GOOD}\n{}\n", GOOD.replace("m_1", "m_2"));
    let both = run(&["merchants", "put", "--revision", &two, "-"], &both);
    assert_eq!(status(&both), 2);
    assert!(stderr(&both).contains("--revision is of one entry, but <stdin> has 2"));
}

/// A state is an edit like any other: it has a revision, keeps the rest, and may be repeated.
fn states_are_set(environment: &[(&str, &str)]) {
    let run = |arguments: &[&str], input: &str| paynotify(arguments, environment, input);
    let shown = || -> serde_json::Value {
        let show = run(&["merchants", "show", "m_1", "--output", "json"], "");
        serde_json::from_str(&stdout(&show)).unwrap()
    };
    assert_eq!(status(&run(&["merchants", "put", "-"], GOOD)), 0);
    let before = shown();
    let disable = run(&["merchants", "disable", "m_1", "--endpoint", "ep_main"], "");
    assert_eq!(status(&disable), 0, "{}", stderr(&disable));
    let disabled = shown();
    let revision = &disabled["revision"];
    let said = format!("endpoint ep_main of m_1 is disabled, revision {revision}\n");
    assert_eq!(stderr(&disable), said);
    assert_eq!(disabled["endpoints"][0]["state"], "disabled");
    assert_eq!(disabled["state"], "active");
    assert_eq!(disabled["endpoints"][0]["secrets"], before["endpoints"][0]["secrets"]);

    let mut revisions = vec![before["revision"].clone(), revision.clone()];
    for _ in 0..2 {
        let enable = run(&["merchants", "enable", "m_1", "--endpoint", "ep_main"], "");
        assert_eq!(status(&enable), 0, "{}", stderr(&enable));
        assert_eq!(shown()["endpoints"][0]["state"], "active");
        revisions.push(shown()["revision"].clone());
    }
    assert_eq!(status(&run(&["merchants", "disable", "m_1"], "")), 0);
    assert_eq!(shown()["state"], "disabled");
    revisions.push(shown()["revision"].clone());
    let all = revisions.len();
    revisions.sort_by_key(ToString::to_string);
    revisions.dedup();
    assert_eq!(revisions.len(), all, "each has its own, the repeated one too");

    let absent = run(&["merchants", "enable", "m_1", "--endpoint", "ep_other"], "");
    assert_eq!(status(&absent), 1);
    assert_eq!(stderr(&absent), "paynotify: merchant m_1 has no endpoint ep_other\n");
}

#[test]
fn states_are_set_on_the_topic() {
    on_topic(states_are_set);
}

#[test]
fn states_are_set_in_a_file() {
    in_file(states_are_set);
}

/// With the directory on its topic.
fn on_topic(test: impl FnOnce(&[(&str, &str)])) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("payments.completions.merchants", 4, 1).unwrap();
    let servers = cluster.bootstrap_servers();
    test(&[("PAYNOTIFY_KAFKA__BOOTSTRAP_SERVERS", &servers)]);
}

fn in_file(test: impl FnOnce(&[(&str, &str)])) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("merchants.jsonl");
    test(&[("PAYNOTIFY_DIRECTORY__FILE", file.to_str().unwrap())]);
}

#[test]
fn entries_are_put_shown_and_deleted_on_the_topic() {
    on_topic(the_whole_life_of_an_entry);
}

#[test]
fn entries_are_put_shown_and_deleted_in_a_file() {
    in_file(the_whole_life_of_an_entry);
}

#[test]
fn an_entry_on_the_topic_is_not_put_over_a_revision_that_was_not_seen() {
    on_topic(a_stale_revision_is_refused);
}

#[test]
fn an_entry_in_a_file_is_not_put_over_a_revision_that_was_not_seen() {
    in_file(a_stale_revision_is_refused);
}

/// Both may have looked before either wrote; what is read after the write tells them.
#[test]
fn of_two_that_put_over_the_same_revision_at_once_not_both_believe_that_they_alone_did() {
    on_topic(|environment| {
        let put = |name: &str| {
            let entry = GOOD.replace("Acme", name);
            paynotify(&["merchants", "put", "--revision", "0", "-"], environment, &entry)
        };
        let (one, two) = std::thread::scope(|scope| {
            let one = scope.spawn(|| put("one"));
            let two = put("two");
            (one.join().unwrap(), two)
        });
        let ended = [status(&one), status(&two)];
        assert!(ended.contains(&1), "{}{}", stderr(&one), stderr(&two));
    });
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

const KEYS: (&str, &str) =
    ("PAYNOTIFY_DIRECTORY__KEYS", "k1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");

/// An operator edits while everything is sealed; the edit stays, whoever comes first.
fn an_edit_during_rewrap_stays(environment: &[(&str, &str)]) {
    let all: Vec<_> = (0..50).map(|n| GOOD.replace("m_1", &format!("m_{n}"))).collect();
    let put = paynotify(&["merchants", "put", "-"], environment, &all.join("\n"));
    assert_eq!(status(&put), 0, "{}", stderr(&put));
    let with_keys = [environment, &[KEYS]].concat();
    for round in 0..3 {
        let name = format!("edit {round}");
        let edit = GOOD.replace("Acme \\u001b[2J", &name);
        let (rewrap, edited) = std::thread::scope(|scope| {
            let rewrap = scope.spawn(|| paynotify(&["merchants", "rewrap"], &with_keys, ""));
            let edited = paynotify(&["merchants", "put", "-"], environment, &edit);
            (rewrap.join().unwrap(), edited)
        });
        assert_eq!((status(&rewrap), status(&edited)), (0, 0), "{}", stderr(&rewrap));
        let shown = stdout(&paynotify(&["merchants", "show", "m_1"], environment, ""));
        assert!(shown.contains(&format!("\"{name}\"")), "{shown}");
    }
    let last = paynotify(&["merchants", "rewrap"], &with_keys, "");
    assert!(stderr(&last).ends_with("failed 0\n"), "{}", stderr(&last));
    let again = paynotify(&["merchants", "rewrap"], &with_keys, "");
    assert_eq!(stderr(&again), "sealed 0, in order before 50, failed 0\n");
}

#[test]
fn an_edit_on_the_topic_during_rewrap_stays() {
    on_topic(an_edit_during_rewrap_stays);
}

#[test]
fn an_edit_in_a_file_during_rewrap_stays() {
    in_file(an_edit_during_rewrap_stays);
}

#[test]
fn rewrap_of_a_file_leaves_lines_that_are_nobodys_as_they_are_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("merchants.jsonl");
    std::fs::write(&file, format!("not an entry\n{GOOD}\n")).unwrap();
    let environment = [("PAYNOTIFY_DIRECTORY__FILE", file.to_str().unwrap()), KEYS];
    let rewrap = paynotify(&["merchants", "rewrap"], &environment, "");
    let said = "left as they are: 1 lines in which no merchant_id can be read\n\
                sealed 1, in order before 0, failed 1\n";
    assert_eq!(status(&rewrap), 1);
    assert!(stderr(&rewrap).starts_with(said), "{}", stderr(&rewrap));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("not an entry\n{") && text.contains("sealed:1:k1:"), "{text}");
}
