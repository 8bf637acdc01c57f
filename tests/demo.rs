//! The demonstration as a user meets it, on its embedded broker.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Far above what it takes, so that a hanging demonstration fails and does not hang the tests.
const LONGEST: Duration = Duration::from_secs(150);

#[test]
fn the_demo_ends_by_itself_with_a_right_sum() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("output");
    let mut child = Command::new(env!("CARGO_BIN_EXE_paynotify"))
        .arg("demo")
        .env_clear()
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&output).unwrap())
        .spawn()
        .unwrap();
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let id = child.id().to_string();
    let guard = std::thread::spawn(move || {
        let started = Instant::now();
        if end.recv_timeout(LONGEST).is_err() && started.elapsed() >= LONGEST {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
    });
    let status = child.wait().unwrap();
    drop(ended);
    guard.join().unwrap();
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(status.success(), "{status}: {text}");
    for line in ["published        2400", "unsettled           0", "invented            0"] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}
