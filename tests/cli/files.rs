//! The limit of open files and a worker's start.

use std::process::{Command, Stdio};

#[test]
fn a_worker_that_may_open_too_few_files_does_not_start_and_says_what_to_do() {
    let worker = |limit: &str, connections: &str| {
        let directory = tempfile::tempdir().unwrap();
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        let program = env!("CARGO_BIN_EXE_paynotify");
        let set = format!("delivery.max_connections={connections}");
        let output = Command::new("bash")
            .args([
                "-c",
                &script,
                program,
                "worker",
                "--set",
                "kafka.bootstrap_servers=127.0.0.1:1",
            ])
            .args(["--set", &set, "--set", "admin.listen=127.0.0.1:0"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, said) = worker("-n 512", "1024");
    assert_eq!(status, Some(1), "{said}");
    for part in ["may open 512 files", "delivery.max_connections 1024", "ulimit -Hn"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The soft limit alone is raised; then it is Kafka that is missing.
    let (status, said) = worker("-Sn 512", "300");
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("no Kafka broker answers") && !said.contains("may open"), "{said}");
}
