//! One broker process under a supervising shell.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use super::install::{Install, missing};

/// A loaded machine may take this long to start a broker.
const START: Duration = Duration::from_secs(180);

/// Kills the JVM when its stdin ends, which it does however the test process ends; removes the
/// node's files then, unless it was told to keep them. A signal to the whole group, such as
/// Ctrl-C, ends the wait too: the JVM ignores it, being in the background, and must not be left.
const SUPERVISOR: &str = r#"
exec 2>/dev/null
trap : INT TERM HUP
dir=$1; log=$2; shift 2
"$@" >>"$log" 2>&1 </dev/null &
pid=$!
echo $pid
if read -r word; then keep=1; else keep=0; fi
if [ "$word" = term ]; then kill -TERM $pid; else kill -KILL $pid; fi
wait $pid
if [ $keep = 0 ]; then rm -rf "$dir"; rmdir "$(dirname "$dir")" 2>/dev/null; fi
"#;

/// How a broker's JVM runs.
#[derive(Debug, Clone, Copy)]
pub enum Jvm {
    /// Small and soon up, for tests.
    SoonUp,
    /// For measurements: it costs less when it is warm, after a minute, and stops to collect garbage
    /// every half minute; with the flags of Kafka's own scripts it does so several times a second.
    Fast,
}

impl Jvm {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::SoonUp => &["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
            Self::Fast => &["-Xms3g", "-Xmx3g", "-Xmn2560m", "-XX:+UseSerialGC"],
        }
    }
}

/// A running broker.
pub struct Node {
    shell: Child,
    stdin: Option<ChildStdin>,
    pid: u32,
}

impl Node {
    /// Starts the JVM with the settings in `dir`; it is not ready yet.
    pub fn spawn(dir: &Path, jvm: Jvm, flags: &[String], class_path: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISOR, "sh"]).arg(dir).arg(dir.join("broker.log")).arg("java");
        command.args(jvm.flags()).args(flags);
        command.args(["-cp", class_path, "kafka.Kafka"]).arg(dir.join("server.properties"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().unwrap_or_else(|error| missing("sh", &error));
        let mut line = String::new();
        let stdout = shell.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the shell says the pid");
        let pid = line.trim().parse().expect("the shell says the pid");
        let stdin = shell.stdin.take();
        Self { shell, stdin, pid }
    }

    /// Process id of the JVM.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the JVM at once and keeps its files.
    pub fn kill(self) {
        self.end("kill");
    }

    fn end(mut self, how: &str) {
        if let Some(mut stdin) = self.stdin.take() {
            writeln!(stdin, "{how}").expect("the shell listens");
        }
        self.shell.wait().expect("the shell ends");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.stdin.take().is_some() {
            let _ = self.shell.wait();
        }
    }
}

/// Sends a signal by name.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {pid} failed");
}

/// Lets a JVM collect its garbage now, so that it does not soon stop to do so.
pub fn collect_garbage(pid: u32) {
    let mut command = Command::new("jcmd");
    command.args([&pid.to_string(), "GC.run"]).stdout(Stdio::null());
    let status = command.status().unwrap_or_else(|error| missing("jcmd", &error));
    assert!(status.success(), "jcmd {pid} GC.run failed");
}

/// Lets writes of a process fail that make a file larger (`RLIMIT_FSIZE`), as on a full disk.
pub fn let_no_file_grow(pid: u32) {
    let mut command = Command::new("prlimit");
    let status = command.args(["--fsize=0", "--pid", &pid.to_string()]).status();
    let status = status.unwrap_or_else(|error| missing("prlimit", &error));
    assert!(status.success(), "prlimit --fsize=0 --pid {pid} failed");
}

/// Text of `server.properties` of node `id` (from 1); `ports` are client and controller port of
/// each node, `extra` comes over all else, and `{}` in it stands for the usual value.
pub fn settings(id: usize, ports: &[(u16, u16)], logs: &Path, extra: &[(&str, &str)]) -> String {
    let (port, controller) = ports[id - 1];
    let replicas = ports.len().min(3).to_string();
    let in_sync = ports.len().min(2).to_string();
    let voters = ports.iter().enumerate();
    let voters = voters.map(|(index, (_, port))| format!("{}@127.0.0.1:{port}", index + 1));
    let client = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut settings = BTreeMap::from(
        [
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", id.to_string()),
            ("controller.quorum.voters", voters.collect::<Vec<_>>().join(",")),
            ("listeners", format!("{client},CONTROLLER://127.0.0.1:{controller}")),
            ("advertised.listeners", client),
            ("controller.listener.names", "CONTROLLER".into()),
            ("inter.broker.listener.name", "PLAINTEXT".into()),
            (
                "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT".into(),
            ),
            ("log.dirs", logs.display().to_string()),
            ("auto.create.topics.enable", "false".into()),
            ("group.initial.rebalance.delay.ms", "0".into()),
            ("offsets.topic.num.partitions", "1".into()),
            ("offsets.topic.replication.factor", replicas.clone()),
            ("transaction.state.log.num.partitions", "1".into()),
            ("transaction.state.log.replication.factor", replicas.clone()),
            ("transaction.state.log.min.isr", in_sync.clone()),
            ("share.coordinator.state.topic.num.partitions", "1".into()),
            ("share.coordinator.state.topic.replication.factor", replicas),
            ("share.coordinator.state.topic.min.isr", in_sync),
            ("log.cleaner.dedupe.buffer.size", "4194304".into()),
            ("log.index.size.max.bytes", "1048576".into()),
            ("controlled.shutdown.enable", "false".into()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    if ports.len() > 1 {
        // A killed broker is replaced in about two seconds instead of ten.
        for (key, value) in [
            ("broker.heartbeat.interval.ms", "200"),
            ("broker.session.timeout.ms", "1500"),
            ("controller.quorum.election.timeout.ms", "200"),
            ("controller.quorum.election.backoff.max.ms", "100"),
            ("controller.quorum.fetch.timeout.ms", "1000"),
            ("replica.fetch.wait.max.ms", "100"),
        ] {
            settings.insert(key.into(), value.into());
        }
    }
    for (key, value) in extra {
        let usual = settings.get(*key).cloned().unwrap_or_default();
        settings.insert((*key).into(), value.replace("{}", &usual));
    }
    settings.iter().fold(String::new(), |mut text, (key, value)| {
        writeln!(text, "{key}={value}").expect("writing to a string cannot fail");
        text
    })
}

/// Writes settings and first metadata of node `id` into `dir`, instead of formatting with a JVM.
pub fn prepare(
    install: &Install,
    id: usize,
    ports: &[(u16, u16)],
    dir: &Path,
    extra: &[(&str, &str)],
) {
    let logs = dir.join("logs");
    fs::create_dir_all(&logs).expect("the node's directory can be created");
    let meta = format!("version=1\nnode.id={id}\ncluster.id={}\n", install.cluster_id);
    fs::write(logs.join("meta.properties"), meta).expect("the node's files can be written");
    fs::copy(&install.checkpoint, logs.join("bootstrap.checkpoint")).expect("it was formatted");
    let text = settings(id, ports, &logs, extra);
    fs::write(dir.join("server.properties"), text).expect("the node's files can be written");
}

/// Two free ports. Below the range of outgoing connections, so that a port stays free while its
/// broker is stopped.
pub fn free_ports() -> (u16, u16) {
    (free_port(), free_port())
}

/// One port, as [`free_ports`].
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes with ids next to each other begin far from each other.
    let seed = u16::try_from(u64::from(std::process::id()) * 7_919 % 12_000).expect("below 12000");
    for _ in 0..12_000 {
        let port = 20_000 + (seed + NEXT.fetch_add(1, Ordering::Relaxed) % 12_000) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on 127.0.0.1 between 20000 and 32000");
}

/// Waits until `count` brokers answer at `bootstrap`.
pub fn await_brokers(bootstrap: &str, count: usize, logs: &[PathBuf]) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "100")
        .create()
        .expect("a client needs no broker");
    let deadline = std::time::Instant::now() + START;
    while std::time::Instant::now() < deadline {
        // Blocks until a broker answers, for at most a second.
        let metadata = client.client().fetch_metadata(None, Duration::from_secs(1));
        if metadata.is_ok_and(|metadata| metadata.brokers().len() == count) {
            return;
        }
    }
    let logs = logs.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
    panic!("{count} brokers did not start within {START:?}:\n{}", logs.collect::<String>());
}

/// Runs a broker once and writes the classes that it used to the archive.
pub fn archive_classes(install: &Install, root: &Path) {
    let dir = root.join("archiving");
    // An earlier run may have been cut off.
    let _ = fs::remove_dir_all(&dir);
    let ports = [free_ports()];
    prepare(install, 1, &ports, &dir, &[]);
    let part = root.join("classes.part");
    let flag = format!("-XX:ArchiveClassesAtExit={}", part.display());
    let node = Node::spawn(&dir, Jvm::SoonUp, &[flag], &install.class_path);
    let bootstrap = format!("127.0.0.1:{}", ports[0].0);
    await_brokers(&bootstrap, 1, &[dir.join("broker.log")]);
    node.end("term");
    fs::rename(&part, &install.archive).expect("the JVM wrote its archive");
    let _ = fs::remove_dir_all(&dir);
}
