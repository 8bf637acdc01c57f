//! Jars, formatted metadata and class archive, prepared once and kept under `target/kafka`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use super::node;

const KAFKA: &str = "4.3.1";
const REMEDY: &str = "apt-get install openjdk-17-jdk-headless maven";
const TOOL_TIMEOUT: Duration = Duration::from_secs(120);

/// What every broker needs.
pub struct Install {
    /// Class path of all jars.
    pub class_path: String,
    /// Classes made ready for a fast start.
    pub archive: PathBuf,
    /// First metadata of a node, the same for each.
    pub checkpoint: PathBuf,
    /// Cluster id that the metadata was made for.
    pub cluster_id: String,
}

/// Prepares what is missing. Parallel test binaries wait for each other on a file lock.
pub fn install() -> &'static Install {
    static INSTALL: OnceLock<Install> = OnceLock::new();
    INSTALL.get_or_init(|| {
        let root = root();
        fs::create_dir_all(&root).expect("target/kafka can be created");
        let lock = fs::File::create(root.join("lock")).expect("target/kafka can be written");
        lock.lock().expect("target/kafka/lock can be locked");
        fetch_jars(&root);
        let cluster_id = format(&root);
        let install = Install {
            class_path: class_path(),
            archive: root.join(format!("classes-{KAFKA}.jsa")),
            checkpoint: root.join("formatted/bootstrap.checkpoint"),
            cluster_id,
        };
        if !install.archive.exists() {
            node::archive_classes(&install, &root);
        }
        install
    })
}

/// Runs a Java tool of the jars, such as `org.apache.kafka.tools.ConsoleProducer`, with `stdin`,
/// and returns what it prints. Panics when it fails or takes more than two minutes.
pub fn java(arguments: &[&str], stdin: &str) -> String {
    let install = install();
    let archive = format!("-XX:SharedArchiveFile={}", install.archive.display());
    let mut command = Command::new("java");
    command.args([&archive, "-XX:TieredStopAtLevel=1", "-cp", &install.class_path]);
    succeed(command.args(arguments), stdin, arguments[0])
}

fn root() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("target/tmp has a parent").join("kafka")
}

fn class_path() -> String {
    format!("{}/*", root().join("lib").display())
}

fn fetch_jars(root: &Path) {
    let lib = root.join("lib");
    let stamp = lib.join(format!("complete-{KAFKA}"));
    if stamp.exists() {
        return;
    }
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let pom = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  \
         <modelVersion>4.0.0</modelVersion>\n  <groupId>paynotify.test</groupId>\n  \
         <artifactId>kafka</artifactId>\n  <version>1</version>\n  <packaging>pom</packaging>\n  \
         <dependencies>\n{}{}{}  </dependencies>\n</project>\n",
        dependency("org.apache.kafka", "kafka_2.13", KAFKA),
        dependency("org.apache.kafka", "kafka-tools", KAFKA),
        dependency("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.3"),
    );
    fs::write(root.join("pom.xml"), pom).expect("the pom can be written");
    let mut command = Command::new("mvn");
    command.current_dir(root).args(["-q", "-B", "dependency:copy-dependencies"]);
    command.arg(format!("-DoutputDirectory={}", lib.display()));
    // A first download may be slow, so this alone has no deadline of ours.
    let output = command.output().unwrap_or_else(|error| missing("mvn", &error));
    check(&output, "mvn dependency:copy-dependencies");
    fs::write(stamp, "").expect("the stamp can be written");
}

fn format(root: &Path) -> String {
    let formatted = root.join("formatted");
    let stamp = root.join("cluster-id");
    if let Ok(cluster_id) = fs::read_to_string(&stamp) {
        return cluster_id;
    }
    let tool = |arguments: &[&str]| {
        let mut command = Command::new("java");
        command.args(["-cp", &class_path(), "kafka.tools.StorageTool"]).args(arguments);
        succeed(&mut command, "", "StorageTool")
    };
    let cluster_id = tool(&["random-uuid"]).trim().to_owned();
    let file = root.join("format.properties");
    let settings = node::settings(1, &[(20_000, 20_001)], &formatted, &[]);
    fs::write(&file, settings).expect("target/kafka can be written");
    tool(&["format", "-t", &cluster_id, "-c", &file.display().to_string()]);
    fs::write(stamp, &cluster_id).expect("target/kafka can be written");
    cluster_id
}

fn succeed(command: &mut Command, stdin: &str, what: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| missing("java", &error));
    let pid = child.id();
    let mut input = child.stdin.take().expect("stdin is piped");
    let text = stdin.to_owned();
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        // A tool that ends early does not read it all; its status says why.
        let _ = input.write_all(text.as_bytes());
        drop(input);
        let _ = sender.send(child.wait_with_output());
    });
    let Ok(output) = receiver.recv_timeout(TOOL_TIMEOUT) else {
        node::signal("KILL", pid);
        panic!("{what} did not end within {TOOL_TIMEOUT:?}");
    };
    let output = output.expect("the tool can be waited for");
    check(&output, what);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn check(output: &Output, what: &str) {
    assert!(
        output.status.success(),
        "{what} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Ends the test with the remedy for a missing program.
pub fn missing(program: &str, error: &std::io::Error) -> ! {
    panic!("the tests need a real Kafka, but {program} cannot be run ({error}): {REMEDY}")
}
