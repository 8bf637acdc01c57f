//! Events whose id tells when they were published, and the merchants that get them.

use std::{fs, path::Path};

use serde_json::json;

use super::{publish, topics::PARTITIONS};

/// Events of so many bytes, to so many merchants in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Events {
    /// Merchants.
    pub merchants: u64,
    /// Bytes of each.
    pub bytes: usize,
}

impl Events {
    /// Those that are measured where nothing else is said.
    pub const USUAL: Self = Self { merchants: 1_000, bytes: publish::SIZE };

    /// The same of another size.
    pub const fn of_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// The same to another number of merchants.
    pub const fn of_merchants(self, merchants: u64) -> Self {
        Self { merchants, ..self }
    }

    /// How many are published where so many of the usual size are: of large ones fewer, which take as
    /// long.
    pub fn count(self, usual: u64) -> u64 {
        let times = u64::try_from(self.bytes / publish::SIZE).unwrap_or(1).max(1);
        usual / times.isqrt()
    }

    /// Name of the completions topic that holds them.
    pub fn prefix(self) -> String {
        format!("bench-{}-merchants-{}-bytes", self.merchants, self.bytes)
    }

    /// Number `number`, published at `sent_us`: partition, key and value.
    pub fn event(self, number: u64, sent_us: i64) -> (i32, String, String) {
        // A multiplier without a common factor, so that neighbours are of different partitions.
        let merchant = number.wrapping_mul(7_919) % self.merchants;
        let key = format!("m_{merchant}");
        let value = publish::event(number, &key, sent_us, self.bytes);
        (partition_of(merchant), key, value)
    }

    /// Writes the directory of their merchants, with so many endpoints each under `base`.
    pub fn write_directory(
        self,
        file: &Path,
        base: &str,
        endpoints: u64,
        signed: bool,
    ) -> std::io::Result<()> {
        let endpoint = |merchant: u64, endpoint: u64| {
            let mut entry = json!({
                "id": format!("ep_{endpoint}"),
                "url": format!("{base}/m_{merchant}"),
            });
            if signed {
                let value = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
                entry["secrets"] = json!([{ "id": "s1", "kind": "hmac", "value": value }]);
            } else {
                entry["policy"] = json!({ "dialect": "none" });
            }
            entry
        };
        let lines = (0..self.merchants).map(|number| {
            let endpoints: Vec<_> = (0..endpoints).map(|one| endpoint(number, one)).collect();
            let id = format!("m_{number}");
            let entry = json!({
                "format": 1, "merchant_id": id, "name": "Bench", "endpoints": endpoints,
            });
            format!("{entry}\n")
        });
        fs::write(file, lines.collect::<String>())
    }
}

/// Where the events of a merchant are: the receiver knows it by the merchant's number too.
fn partition_of(merchant: u64) -> i32 {
    let partition = merchant % u64::from(PARTITIONS.unsigned_abs());
    i32::try_from(partition).unwrap_or(0)
}
