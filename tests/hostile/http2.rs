//! HTTP/2, frame by frame.

use paynotify::engine::FailReason as Why;

use super::{
    Case,
    Expected::{self, Fails, Status},
    Step, run,
    server::{Step::*, Wire},
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` of the static table.
const OK: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Settings, the request, these frames, and then `next`.
fn after(name: &'static str, frames: &[Vec<u8>], next: Step, expected: Expected) -> Case {
    let settings = Say(frame(SETTINGS, 0, 0, &[]));
    let steps = vec![settings, Request, Say(frames.concat()), next];
    Case { name, wire: Wire::Http2, steps, expected, or: None }
}

/// One header that fills the table, named again and again.
fn bomb() -> Vec<u8> {
    let mut block = vec![0x88, 0x40, 1, b'x', 0x7f, 0xb9, 0x16];
    block.extend([b'a'; 3000]);
    block.extend([0xbe; 10_000]);
    block
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_end_by_the_deadline() {
    let head = || frame(HEADERS, END_HEADERS, 1, OK);
    let open = || frame(HEADERS, 0, 1, OK);
    let empty = || frame(DATA, 0, 1, &[]);
    let settings = || frame(SETTINGS, 0, 0, &[]);
    let none_at_a_time = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 0]);
    let wider = |by| frame(WINDOW_UPDATE, 0, 0, &[by >> 1, 0, 0, by]);
    let more = || frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']);
    let interim = || frame(HEADERS, END_HEADERS, 1, &[0x08, 3, b'1', b'0', b'3']);
    let refused = frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]);
    let goodbye = frame(GOAWAY, 0, 0, &[0; 8]);
    let promise = frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x88]);
    let ended = frame(HEADERS, END_HEADERS | END_STREAM, 1, OK);
    let full = || frame(DATA, 0, 1, &[b'a'; 1024]);
    run(vec![
        after("an honest answer", &[ended], Silence, Status(200, None)),
        after("silence", &[], Silence, Fails(Why::Timeout)),
        after("silence in the body", &[head()], Silence, Fails(Why::Timeout)),
        after("reset", &[], Reset, Fails(Why::Reset)),
        after("reset in the body", &[head()], Reset, Fails(Why::Reset)),
        after("settings without end", &[], Endless(settings()), Fails(Why::Timeout)),
        after("pings without end", &[], Endless(frame(PING, 0, 0, &[0; 8])), Fails(Why::Timeout)),
        after("empty data without end", &[head()], Endless(empty()), Fails(Why::Protocol)),
        after("windows without end", &[], Endless(wider(1)), Fails(Why::Timeout)),
        after("a window beyond numbers", &[], Endless(wider(0x7f)), Fails(Why::Protocol)),
        after("headers that go on", &[open()], Endless(more()), Fails(Why::Protocol)),
        after("103 without end", &[], Endless(interim()), Fails(Why::Timeout)),
        after("more than the window takes", &[head()], Endless(full()), Fails(Why::Protocol))
            .or(Status(200, None)),
        after("slow frames", &[head()], Drip(full()), Fails(Why::Timeout)),
        after("a stream refused", &[refused], Silence, Fails(Why::Reset)),
        after("goodbye", &[goodbye], Silence, Fails(Why::Reset)),
        after("a pushed response", &[promise], Silence, Fails(Why::Protocol)),
        after("a bomb of headers", &[frame(HEADERS, 4, 1, &bomb())], Silence, Fails(Why::Protocol)),
        after("garbage", &[vec![0xff; 64]], Silence, Fails(Why::Protocol)),
        Case {
            name: "no stream at a time",
            wire: Wire::Http2,
            steps: vec![Say(none_at_a_time), Silence],
            expected: Fails(Why::Timeout),
            or: None,
        },
    ])
    .await;
}
