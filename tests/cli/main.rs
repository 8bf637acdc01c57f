//! The program as a user meets it: exit status, standard output and standard error.

mod dlq;
mod files;
mod merchants;
mod ping;

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

/// Runs the program in an empty directory with nothing of ours in the environment.
fn paynotify(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_paynotify"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already; its status tells.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_and_version_are_no_errors() {
    let help = paynotify(&["--help"], &[], "");
    assert_eq!(status(&help), 0);
    let commands =
        ["worker", "demo", "topics", "publish", "merchants", "dlq", "config", "completions"];
    for command in commands {
        assert!(stdout(&help).contains(&format!("\n  {command} ")), "{command} is missing");
    }
    let version = paynotify(&["--version"], &[], "");
    assert_eq!(stdout(&version), format!("paynotify {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_use_is_status_2_with_the_remedy() {
    for (arguments, message) in [
        (&["wroker"] as &[_], "a similar subcommand exists: 'worker'"),
        (&["config"], "Usage: paynotify config"),
        (&["config", "show", "--output", "xml"], "[possible values: table, json]"),
        (&["config", "check", "--set", "group"], "write KEY=VALUE, such as kafka.group=blue"),
        (
            &["worker", "--first-start", "yesterday"],
            "is no first start: write earliest, latest or a time such as",
        ),
        (&["topics", "create", "--partitions", "0"], "0 is not in 1..=10000"),
        (&["merchants", "show", "a b"], "a merchant id must match"),
        (&["dlq", "show", "nowhere"], "are no coordinates: write topic/partition/offset"),
    ] {
        let output = paynotify(arguments, &[], "");
        assert_eq!(status(&output), 2, "of {arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "of {arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn the_printed_default_is_a_valid_configuration() {
    let default = paynotify(&["config", "default"], &[], "");
    assert_eq!(status(&default), 0);
    let check = paynotify(&["config", "check", "--config", "-"], &[], &stdout(&default));
    assert_eq!(status(&check), 0, "{}", stderr(&check));
    assert!(stdout(&check).starts_with("configuration is valid: "));
}

#[test]
fn a_wrong_configuration_is_status_2_in_every_command_that_needs_it() {
    let environment = [("PAYNOTIFY_KAFKA__GRUOP", "x")];
    let expected = "paynotify: environment variable PAYNOTIFY_KAFKA__GRUOP: \
         kafka.gruop: unknown key; did you mean kafka.group?\n";
    for arguments in [
        &["config", "check"] as &[_],
        &["config", "show"],
        &["worker"],
        &["topics", "check"],
        &["publish"],
        &["merchants", "list"],
        &["dlq", "list"],
    ] {
        let output = paynotify(arguments, &environment, "");
        assert_eq!(status(&output), 2, "of {arguments:?}");
        assert_eq!(stderr(&output), expected, "of {arguments:?}");
    }
}

#[test]
fn a_missing_configuration_file_is_named() {
    let output = paynotify(&["config", "check", "--config", "nowhere.toml"], &[], "");
    assert_eq!(status(&output), 2);
    let expected = "paynotify: cannot read configuration file nowhere.toml: ";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
}

#[test]
fn config_show_redacts_secrets_and_tells_origins() {
    let file = "[kafka]\ngroup = \"blue\"\n[kafka.properties]\n\"ssl.key.password\" = \"hunter2\"";
    let environment = [
        ("PAYNOTIFY_KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
        ("PAYNOTIFY_DEFAULTS__POLICY__HEADERS__x-gateway", "hunter2"),
    ];
    for format in ["json", "table"] {
        let arguments = ["config", "show", "--config", "-", "--output", format];
        let output = paynotify(&arguments, &environment, file);
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        assert!(!stdout(&output).contains("hunter2"), "{}", stdout(&output));
        assert!(stdout(&output).contains("[redacted]"));
    }
    let arguments = ["config", "show", "--config", "-"];
    let lines = stdout(&paynotify(&arguments, &[], file));
    let expected = "{\"from\":\"<stdin>:2\",\"key\":\"kafka.group\",\"value\":\"blue\"}";
    assert!(lines.lines().any(|line| line == expected), "{lines}");
    let expected = "{\"from\":\"default\",\"key\":\"delivery.max_in_flight\",\"value\":256}";
    assert!(lines.lines().any(|line| line == expected), "{lines}");
}

#[test]
fn a_flag_goes_over_the_environment() {
    let environment = [("PAYNOTIFY_KAFKA__GROUP", "green")];
    let output = paynotify(&["config", "show", "--set", "kafka.group=blue"], &environment, "");
    let expected = "{\"from\":\"flag --set\",\"key\":\"kafka.group\",\"value\":\"blue\"}";
    assert!(stdout(&output).lines().any(|line| line == expected), "{}", stdout(&output));
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = paynotify(&["completions", shell], &[], "");
        assert_eq!(status(&output), 0);
        assert!(stdout(&output).contains("merchants"), "{shell}");
    }
    assert_eq!(status(&paynotify(&["completions", "tcsh"], &[], "")), 2);
}
