//! Bytes of a signature as text.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::model::Encoding;

/// Appends the bytes in this encoding.
pub(super) fn encode(encoding: Encoding, bytes: &[u8], out: &mut String) {
    match encoding {
        Encoding::Hex => hex(bytes, out),
        Encoding::Base64 => STANDARD.encode_string(bytes, out),
        Encoding::PercentBase64 => {
            for char in STANDARD.encode(bytes).chars() {
                match char {
                    '+' => out.push_str("%2B"),
                    '/' => out.push_str("%2F"),
                    '=' => out.push_str("%3D"),
                    other => out.push(other),
                }
            }
        }
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}
