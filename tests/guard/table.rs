//! What strangers may write to get inside.

use std::net::Ipv4Addr;

/// IPv4: addresses of every special range, the first and the last among them.
const SPECIAL_V4: &str = "
    0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.1.2.3 10.255.255.255 100.64.0.0 100.100.100.200
    100.127.255.255 127.0.0.0 127.0.0.1 127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254
    169.254.255.255 172.16.0.0 172.17.0.1 172.31.255.255 192.0.0.0 192.0.0.192 192.0.0.255 192.0.2.0
    192.0.2.255 192.88.99.0 192.88.99.255 192.168.0.0 192.168.1.1 192.168.255.255 198.18.0.0
    198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 224.0.0.251
    239.255.255.255 240.0.0.0 255.255.255.255
";

/// IPv6: the first and last addresses of what is none of the public internet.
const SPECIAL_V6: &str = "
    [::] [::1] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::2] [::ffff:ffff]
    [::1:0:0] [::ffff:0:0] [::ffff:ffff:ffff] [64:ff9b::] [64:ff9b::ffff:ffff] [64:ff9b:1::]
    [64:ff9b:1:ffff:ffff:ffff:ffff:ffff] [100::] [100::ffff:ffff:ffff:ffff] [100:0:0:1::1]
    [1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff] [2001::] [2001::1] [2001:1::1] [2001:2::] [2001:3::]
    [2001:4:112::] [2001:10::] [2001:20::] [2001:30::] [2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff]
    [2001:db8::] [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff] [2001:DB8::1] [2002::]
    [2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff] [3fff::] [3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff]
    [4000::] [4000::1] [5f00::1] [8000::] [fc00::] [fc00::1] [fd00::1] [fd00:ec2::254]
    [fd20:ce::254] [fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff] [fe00::] [fe80::] [fe80::1]
    [fe80::a9fe:a9fe] [febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff] [fec0::1] [feff::1] [ff00::]
    [ff01::1] [ff02::1] [ff05::1:3] [ff0e::1] [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]
";

/// Zones, with and without escapes.
const ZONES: &str = "
    [fe80::1%25eth0] [fe80::1%eth0] [::1%25lo] [::1%lo] [fe80::1%251] [2606:4700::1%25eth0]
";

/// Short forms of IPv4.
const SHORT: &str = "
    0 1 127.1 127.0.1 0177.1 0x7f.1 0x7f.0.1 10.1 192.168.257 00.0.0.0 0x 0x.0x.0x.0x 4294967295
    017700000001 127.0.0.1.. 0x7f000001.
";

/// Names of inside networks, and names of nobody; one has an invisible character.
const NAMES: &str = "
    localhost LocalHost. localhost.localhost intranet metadata kafka. db.internal
    metadata.google.internal. printer.local kafka.default.svc.cluster.local ｌｏｃａｌｈｏｓｔ
    local\u{ad}host xn--localhost-
";

/// Addresses of every special range of IPv4.
pub fn special_v4() -> impl Iterator<Item = Ipv4Addr> {
    SPECIAL_V4.split_whitespace().map(|address| address.parse().unwrap())
}

/// Hosts that lead inside, or nowhere.
pub fn hosts() -> Vec<String> {
    let others = [SPECIAL_V6, ZONES, SHORT, NAMES].into_iter().flat_map(str::split_whitespace);
    special_v4().flat_map(notations).chain(others.map(str::to_owned)).collect()
}

/// The same address in other notations, some of which only some programs read.
fn notations(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let number = u32::from_be_bytes([a, b, c, d]);
    let (high, low) = (number >> 16, number & 0xffff);
    let wide = |text: String| -> String {
        let wide = |char: char| match char {
            '0'..='9' => char::from_u32(u32::from(char) - 0x30 + 0xff10).unwrap(),
            '.' => '\u{3002}',
            char => char,
        };
        text.chars().map(wide).collect()
    };
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{number}"),
        format!("0x{number:x}"),
        format!("0X{number:X}."),
        format!("0{number:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("000{a:o}.{b}.0x{c:02x}.{d}"),
        format!("{a}.{}", number & 0xff_ffff),
        format!("{a}.{b}.{low}"),
        escaped(&format!("{a}.{b}.{c}.{d}")),
        escaped(&format!("{number}")),
        format!("{a}%2E{b}%2e{c}%2E{d}"),
        wide(format!("{a}.{b}.{c}.{d}")),
        wide(format!("{number}")),
        format!("{a}\u{ff0e}{b}\u{ff61}{c}\u{3002}{d}"),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:FFFF:{high:04X}:{low:04X}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[::ffff:0:{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b:1::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::1]"),
        format!("[2001:0:{high:x}:{low:x}::1]"),
        format!("[2001:0:c000:1::{:x}:{:x}]", high ^ 0xffff, low ^ 0xffff),
        format!("[fe80::5efe:{a}.{b}.{c}.{d}]"),
    ]
}

fn escaped(text: &str) -> String {
    text.bytes().flat_map(|byte| format!("%{byte:02x}").into_bytes()).map(char::from).collect()
}
