//! HTTP/1.1 and TLS.

use paynotify::{
    engine::{FailReason as Why, TlsFault},
    model::Span,
};

use super::{
    Case, Expected,
    Expected::{Fails, Status},
    Step, run,
    server::{Step::*, Wire},
};

fn case(name: &'static str, wire: Wire, steps: Vec<Step>, expected: Expected) -> Case {
    Case { name, wire, steps, expected, or: None }
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn say(what: &str) -> Step {
    Say(text(what))
}

/// After a request, this and then `next`.
fn after(name: &'static str, what: &str, next: Step, expected: Expected) -> Case {
    case(name, Wire::Plain, vec![Request, say(what), next], expected)
}

/// An answer of some KiB that would unpack to 7 MiB of zeros.
fn bomb() -> Vec<u8> {
    // One block of fixed codes: a zero, and then 258 times the byte before, 28,000 times.
    let mut bits: Vec<u8> = vec![1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    for _ in 0..28_000 {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    bits.extend([0; 7]);
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    gzip.extend(bits.chunks(8).map(byte));
    let length = gzip.len();
    let mut answer =
        text(&format!("{HEAD}content-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"));
    answer.extend(gzip);
    answer
}

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const CHUNKED_TOO: &str =
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n";
const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_ends_is_cut_at_the_bound_or_at_the_deadline() {
    let kib = || vec![b'a'; 1024];
    run(vec![
        after("one endless status line", "HTTP/1.1 200 ", Endless(kib()), Fails(Why::TooLarge)),
        after("one endless header", &format!("{HEAD}x: "), Endless(kib()), Fails(Why::TooLarge)),
        after("headers without end", HEAD, Endless(text("x: y\r\n")), Fails(Why::TooLarge)),
        after("an endless body with a length", LONG, Endless(kib()), Status(200, None)),
        after(
            "an endless body in chunks",
            CHUNKED,
            Endless(text("8\r\naaaaaaaa\r\n")),
            Status(200, None),
        ),
        after("a body until it closes", UNTIL_CLOSE, Endless(kib()), Status(200, None)),
        after("one chunk's size without end", CHUNKED, Endless(text("f")), Fails(Why::Protocol)),
        after("a size of endless zeros", CHUNKED, Endless(text("0")), Fails(Why::Timeout)),
        after(
            "one chunk's extension",
            &format!("{CHUNKED}1;"),
            Endless(kib()),
            Fails(Why::Protocol),
        ),
        after(
            "trailers without end",
            &format!("{CHUNKED}0\r\n"),
            Endless(text("x: y\r\n")),
            Fails(Why::Protocol),
        ),
        after("100 without end", "", Endless(text("HTTP/1.1 100 Go\r\n\r\n")), Fails(Why::Timeout)),
        after("102 without end", "", Endless(text("HTTP/1.1 102 Go\r\n\r\n")), Fails(Why::Timeout)),
        after("103 without end", "", Endless(text("HTTP/1.1 103 Go\r\n\r\n")), Fails(Why::Timeout)),
        after("a slow status line", "", Drip(text(HEAD)), Fails(Why::Timeout)),
        after("slow headers", HEAD, Drip(text("x: y\r\n")), Fails(Why::Timeout)),
        after("slow sizes of chunks", CHUNKED, Drip(text("1\r\na\r\n")), Fails(Why::Timeout)),
        after("a slow body", LONG, Drip(text("a")), Fails(Why::Timeout)),
        after("a slow body until it closes", UNTIL_CLOSE, Drip(text("a")), Fails(Why::Timeout)),
        case("a gzip bomb", Wire::Plain, vec![Request, Say(bomb()), Silence], Status(200, None)),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_and_silence_are_told_apart_at_every_stage() {
    let stages = [
        ("after the request", ""),
        ("in the status line", "HTTP/1."),
        ("in the headers", "HTTP/1.1 200 OK\r\nx: "),
        ("in the body", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"),
        ("in a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nok"),
    ];
    let mut cases = vec![
        case("reset at once", Wire::Plain, vec![Reset], Fails(Why::Connect)).or(Fails(Why::Reset)),
        case("silence at once", Wire::Plain, vec![Silence], Fails(Why::Timeout)),
        case("reset instead of TLS", Wire::NoTls, vec![Reset], Fails(Why::Connect)),
        case("silence instead of TLS", Wire::NoTls, vec![Silence], Fails(Why::Timeout)),
        case("slow TLS", Wire::NoTls, vec![Drip(vec![0x16, 3, 3, 0x40, 0])], Fails(Why::Timeout)),
    ];
    for (name, said) in stages {
        for wire in [Wire::Plain, Wire::Tls] {
            let reset = vec![Request, say(said), Reset];
            cases.push(case(name, wire, reset, Fails(Why::Reset)));
            let silence = vec![Request, say(said), Silence];
            cases.push(case(name, wire, silence, Fails(Why::Timeout)));
        }
    }
    run(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_response_is_not_taken_for_one() {
    let ended = |name, head: &str, expected| after(name, head, Silence, expected);
    let with = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nok");
    let handshake = Fails(Why::Tls(TlsFault::Handshake));
    run(vec![
        after("a length too large", &with("content-length: 3"), say(""), Fails(Why::Reset)),
        ended("a length too small", &with("content-length: 1"), Status(200, None)),
        ended("two lengths", &with("content-length: 2\r\ncontent-length: 1"), Fails(Why::Protocol)),
        ended("a negative length", &with("content-length: -1"), Fails(Why::Protocol)),
        ended("a length that is none", &with("content-length: two"), Fails(Why::Protocol)),
        ended(
            "a length beyond numbers",
            &with("content-length: 99999999999999999999"),
            Fails(Why::Protocol),
        ),
        ended(
            "chunks and a length, and no chunks",
            &format!("{CHUNKED_TOO}ok"),
            Fails(Why::Protocol),
        ),
        ended(
            "chunks and a length",
            &format!("{CHUNKED_TOO}1\r\na\r\n0\r\n\r\n"),
            Status(200, None),
        ),
        case(
            "an answer before the request",
            Wire::Plain,
            vec![say(&with("content-length: 2")), Silence],
            Status(200, None),
        )
        .or(Fails(Why::Reset)),
        case(
            "a handshake that breaks",
            Wire::NoTls,
            vec![Say(vec![0x16, 3, 3, 0, 90, 2]), Reset],
            Fails(Why::Connect),
        ),
        ended("status 000", "HTTP/1.1 000 No\r\ncontent-length: 0\r\n\r\n", Fails(Why::Protocol)),
        ended("status 099", "HTTP/1.1 099 No\r\ncontent-length: 0\r\n\r\n", Fails(Why::Protocol)),
        ended("status 999", "HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n", Status(999, None)),
        ended("garbage", "\0\u{1}\u{2} garbage\r\n\r\n", Fails(Why::Protocol)),
        case(
            "garbage instead of TLS",
            Wire::NoTls,
            vec![say("garbage, no TLS"), Silence],
            handshake,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_of_ten_years_is_thirty_days_and_nonsense_is_none() {
    let days = Some(Span::from_secs(30 * 86_400));
    let asking = |name, wait: &str, span| {
        let head = format!("HTTP/1.1 503 No\r\nretry-after: {wait}\r\ncontent-length: 0\r\n\r\n");
        after(name, &head, Silence, Status(503, span))
    };
    run(vec![
        asking("ten years in seconds", "315360000", days),
        asking("more seconds than there are", "99999999999999999999999", days),
        asking("a date in ten years", "Tue, 01 Jan 2036 00:00:00 GMT", days),
        asking("a negative wait", "-5", None),
        asking("a wait that is none", "soon", None),
    ])
    .await;
}
