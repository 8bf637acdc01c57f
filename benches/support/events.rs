//! Events of 500 bytes whose id tells when they were published, and the merchants that get them.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::json;

use super::support::publish;

/// Merchants, each with one endpoint.
pub const MERCHANTS: u64 = 1_000;

/// Number `number`, published at `sent_us`: key and value.
pub fn event(number: u64, sent_us: i64) -> (String, String) {
    // A multiplier without a common factor, so that neighbours are of different partitions.
    let merchant = format!("m_{}", number.wrapping_mul(7_919) % MERCHANTS);
    let value = publish::event(number, &merchant, sent_us);
    (merchant, value)
}

/// Writes the directory of merchants whose requests go to `path` of the receiver.
pub fn write_directory(file: &Path, receiver: SocketAddr, path: &str) -> std::io::Result<()> {
    let lines = (0..MERCHANTS).map(|number| {
        let entry = json!({
            "format": 1, "merchant_id": format!("m_{number}"), "name": "Bench",
            "endpoints": [{
                "id": "ep_main",
                "url": format!("http://{receiver}{path}/m_{number}"),
                "secrets": [{
                    "id": "s1", "kind": "hmac",
                    "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                }],
            }],
        });
        format!("{entry}\n")
    });
    fs::write(file, lines.collect::<String>())
}
