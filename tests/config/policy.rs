//! `[defaults.policy]`.

use super::load;

#[test]
fn the_default_schedule_must_be_possible_on_the_ladder_or_says_which_grade_to_add() {
    let file = "[topics]\ngrades = [\"5s\", \"1h\"]\n";
    let expected = "default: defaults.policy.intervals: 2m needs more than 16 hops over the delay \
                    topics; add the grade 2m to topics.grades, or change it";
    assert_eq!(load(file, &[], &[]).unwrap_err(), expected);
    let file = "[defaults.policy]\nintervals = [\"8d\"]\nmax_age = \"30d\"\n";
    let expected = "pay.toml:2: defaults.policy.intervals: 8d is not from 1s to 7d; change it, or \
                    directory.shortest_interval and directory.longest_interval";
    assert_eq!(load(file, &[], &[]).unwrap_err(), expected);
}

#[test]
fn a_default_rate_and_a_value_in_json_that_acknowledges_are_read_and_refused() {
    let file = "[defaults.policy]\nrate.per_second = 0.5\nrate.burst = 2\n\
                acknowledge.json.pointer = \"/code\"\nacknowledge.json.equals = 0\n";
    let loaded = load(file, &[], &[]).unwrap();
    let policy = &loaded.config.defaults.policy;
    let rate = policy.rate.unwrap();
    assert_eq!((rate.per_second().to_string(), rate.burst()), ("0.5".to_owned(), 2));
    let json = policy.acknowledge.json.as_ref().unwrap();
    assert_eq!((json.pointer.as_str(), &json.equals), ("/code", &serde_json::json!(0)));
    for (line, expected) in [
        ("rate.per_second = 0", "rate.per_second: is not from 0.001 to 100000 with a burst from 1"),
        ("rate.burst = 5", "rate.burst: there is no rate; write defaults.policy.rate.per_second"),
        ("acknowledge.json.equals = true", "acknowledge.json.equals: nothing says where; write"),
        ("acknowledge.json.pointer = \"/a\"", "acknowledge.json.pointer: nothing says what has"),
    ] {
        let error = load(&format!("[defaults.policy]\n{line}\n"), &[], &[]).unwrap_err();
        let expected = format!("pay.toml:2: defaults.policy.{expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
    let environment = [
        ("PAYNOTIFY_DEFAULTS__POLICY__ACKNOWLEDGE__JSON__POINTER", "/code"),
        ("PAYNOTIFY_DEFAULTS__POLICY__ACKNOWLEDGE__JSON__EQUALS", "SUCCESS"),
    ];
    let loaded = load("", &environment, &[]).unwrap();
    let json = loaded.config.defaults.policy.acknowledge.json.unwrap();
    assert_eq!(json.equals, "SUCCESS");
}

#[test]
fn a_default_schedule_may_be_a_named_one_with_jitter_and_a_body_that_acknowledges() {
    let file = "[defaults.policy]\nintervals = \"wechat-pay\"\njitter = 0.1\n\
                acknowledge.body = \"success\"\n";
    let loaded = load(file, &[], &[]).unwrap();
    let policy = &loaded.config.defaults.policy;
    assert_eq!(policy.intervals.len(), 15);
    assert_eq!(policy.jitter.as_f64().to_string(), "0.1");
    assert_eq!(policy.acknowledge.body.as_deref(), Some("success"));
    let blank = "[defaults.policy]\nacknowledge.body = \"success \"\n";
    let error = load(blank, &[], &[]).unwrap_err();
    let expected = "pay.toml:2: defaults.policy.acknowledge.body: is compared after trimming";
    assert!(error.starts_with(expected), "{error}");
    let wrong = "[defaults.policy]\njitter = 1.5\n";
    let expected = "pay.toml:2: defaults.policy.jitter: \"1.5\" is not a number from 0 to 1; \
                    write a number from 0 to 1";
    assert_eq!(load(wrong, &[], &[]).unwrap_err(), expected);
}
