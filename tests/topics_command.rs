//! `paynotify topics` on a real Kafka: created once, checked, and safe.

mod support;

use std::process::{Command, Output};

use support::kafka::broker;

fn topics(prefix: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_paynotify"))
        .arg("topics")
        .args(arguments)
        .env("PAYNOTIFY_KAFKA__BOOTSTRAP_SERVERS", broker().bootstrap())
        .env("PAYNOTIFY_KAFKA__GROUP", prefix)
        .env("PAYNOTIFY_TOPICS__PREFIX", prefix)
        .env("PAYNOTIFY_TOPICS__GRADES", "5s,1h")
        .env("PAYNOTIFY_DEFAULTS__POLICY__INTERVALS", "5s,1h")
        .current_dir(directory.path())
        .output()
        .unwrap()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

#[test]
fn missing_topics_fail_the_check_until_they_are_created() {
    let prefix = broker().prefix("command");
    let check = topics(&prefix, &["check"]);
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(lines(&check.stderr), ["paynotify: 8 settings are unsafe, see above"]);
    let create = topics(&prefix, &["create", "--partitions", "3"]);
    assert_eq!(create.status.code(), Some(0), "{:?}", lines(&create.stderr));
    assert_eq!(lines(&create.stdout).len(), 8);
    let again = topics(&prefix, &["create"]);
    let expected = [
        "created 0, grown 0; beginning committed on 0 partitions",
        "every topic is there and safe",
    ];
    assert_eq!(
        (again.status.code(), lines(&again.stderr)),
        (Some(0), expected.map(Into::into).into())
    );
    let check = topics(&prefix, &["check"]);
    assert_eq!((check.status.code(), lines(&check.stdout)), (Some(0), vec![]));
}
