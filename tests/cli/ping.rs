//! Test events from the command line.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Output,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use super::{paynotify, status, stderr, stdout};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const DEADLINE: Duration = Duration::from_secs(20);

/// What arrived, and when.
struct Arrived {
    head: http::HeaderMap,
    body: String,
    at: Instant,
}

/// Answers requests one after the other, always with this status.
fn merchant(status: u16) -> (SocketAddr, Receiver<Arrived>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (arrived, arrivals) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            if arrived.send(answer(stream.unwrap(), status)).is_err() {
                return;
            }
        }
    });
    (address, arrivals)
}

/// Reads a request and answers it.
fn answer(stream: TcpStream, status: u16) -> Arrived {
    let at = Instant::now();
    let mut reader = BufReader::new(stream);
    let mut head = http::HeaderMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        let name: http::HeaderName = name.parse().unwrap();
        head.insert(name, value.parse().unwrap());
    }
    let length = head["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\nword");
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
    Arrived { head, body: String::from_utf8(body).unwrap(), at }
}

/// A directory of one merchant, `m_1`, with one endpoint on each address.
fn directory(endpoints: &[SocketAddr]) -> tempfile::NamedTempFile {
    let endpoints: Vec<_> = (1..)
        .zip(endpoints)
        .map(|(number, address)| {
            serde_json::json!({
                "id": format!("ep_{number}"), "url": format!("http://{address}/hooks"),
                "secrets": [{ "id": "s1", "kind": "hmac", "value": SECRET }],
            })
        })
        .collect();
    let entry = serde_json::json!({ "format": 1, "merchant_id": "m_1", "endpoints": endpoints });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{entry}\n")).unwrap();
    file
}

fn ping(directory: &tempfile::NamedTempFile, arguments: &[&str], allowed: &str) -> Output {
    let arguments = [&["merchants", "ping", "m_1"], arguments].concat();
    let locks = directory.path().parent().unwrap().to_str().unwrap();
    let environment = [
        ("PAYNOTIFY_DIRECTORY__FILE", directory.path().to_str().unwrap()),
        // Turns are taken for a system, and tests run beside each other.
        ("PAYNOTIFY_TOPICS__PREFIX", directory.path().file_name().unwrap().to_str().unwrap()),
        ("PAYNOTIFY_DELIVERY__ALLOW_HTTP", "true"),
        ("PAYNOTIFY_DELIVERY__PORTS", "1-65535"),
        ("PAYNOTIFY_DELIVERY__ALLOW_ADDRESSES", allowed),
        ("TMPDIR", locks),
    ];
    paynotify(&arguments, &environment, "")
}

fn told(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_endpoint_gets_a_signed_event_and_the_status_tells_whether_all_acknowledged() {
    let (good, arrivals) = merchant(200);
    let (bad, _others) = merchant(500);
    let directory = directory(&[good, bad]);
    let output = ping(&directory, &[], "127.0.0.0/8");
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    assert_eq!(stderr(&output), "paynotify: 1 of 2 endpoints did not acknowledge\n");
    let told = told(&output);
    let of = |at: usize, key: &str| told[at][key].clone();
    assert_eq!((of(0, "outcome"), of(0, "status")), ("delivered".into(), 200.into()));
    assert_eq!((of(0, "key_id"), of(0, "response_excerpt")), ("s1".into(), ().into()));
    assert_eq!((of(1, "outcome"), of(1, "reason")), ("failed".into(), "status".into()));
    assert_eq!(of(1, "response_excerpt"), "word");

    let Arrived { head, body, .. } = arrivals.recv_timeout(DEADLINE).unwrap();
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(body.as_bytes(), &head).unwrap();
    let event: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["type"], "paynotify.ping");
    assert_eq!(event["id"], of(0, "event_id"));
    assert_eq!(head["webhook-id"], event["id"].as_str().unwrap());

    let one = ping(&directory, &["--endpoint", "ep_1"], "127.0.0.0/8");
    assert_eq!((status(&one), stdout(&one).lines().count()), (0, 1), "{}", stderr(&one));
    let none = ping(&directory, &["--endpoint", "ep_3"], "127.0.0.0/8");
    let expected = "paynotify: merchant m_1 has no endpoint ep_3; see `paynotify merchants show`\n";
    assert_eq!((status(&none), stderr(&none).as_str()), (1, expected));
}

#[test]
fn pings_one_after_the_other_come_a_second_apart() {
    let (address, arrivals) = merchant(200);
    let directory = directory(&[address]);
    for _ in 0..3 {
        let output = ping(&directory, &[], "127.0.0.0/8");
        assert_eq!(status(&output), 0, "{}", stderr(&output));
    }
    let at: Vec<Instant> = (0..3).map(|_| arrivals.recv_timeout(DEADLINE).unwrap().at).collect();
    for two in at.windows(2) {
        let apart = two[1] - two[0];
        // They are accepted a little after they were sent.
        assert!(apart > Duration::from_millis(900), "{apart:?}");
    }
}

#[test]
fn a_ping_beside_another_is_refused_and_not_sent() {
    let merchant = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = directory(&[merchant.local_addr().unwrap()]);
    thread::scope(|scope| {
        let first = scope.spawn(|| ping(&directory, &[], "127.0.0.0/8"));
        let (stream, _) = merchant.accept().unwrap();
        let second = ping(&directory, &[], "127.0.0.0/8");
        assert_eq!(status(&second), 1);
        let said = stderr(&second);
        assert!(said.contains("ep_1 of m_1 was pinged less than a second ago"), "{said}");
        answer(stream, 200);
        assert_eq!(status(&first.join().unwrap()), 0);
    });
    merchant.set_nonblocking(true).unwrap();
    assert!(merchant.accept().is_err(), "nobody else has connected");
}

#[test]
fn an_address_that_may_not_be_dialled_is_not_pinged_either() {
    let (address, arrivals) = merchant(200);
    let directory = directory(&[address]);
    let output = ping(&directory, &[], "10.0.0.0/8");
    assert_eq!(status(&output), 1);
    let said = stderr(&output);
    assert!(
        said.contains("merchant m_1, endpoints[0].url") && said.contains("127.0.0.1 is not public"),
        "{said}"
    );
    assert!(arrivals.try_recv().is_err());
}
