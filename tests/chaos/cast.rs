//! The merchants of a chaos run: who they are, what they want, and how they behave by default.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    receiver::{Manner, Receiver},
    system::{SECRET, System},
};

/// Merchants whose manners the nemesis changes.
pub const REGULAR: usize = 24;
/// The body that acknowledges.
pub const SUCCESS: &str = "success";
/// Two endpoints want each of its events.
pub const TWO: &str = "two";
/// Wants no event that there is.
pub const FILTERED: &str = "filtered";
/// Fails for ever, so that its events become dead letters.
pub const NEVER: &str = "never";
/// In no directory.
pub const NOBODY: &str = "nobody";

/// The endpoints that want an event of this merchant; `None` where nobody knows the merchant.
pub fn endpoints(merchant: &str) -> Option<&'static [&'static str]> {
    match merchant {
        TWO => Some(&["main", "audit"]),
        FILTERED => Some(&[]),
        NEVER => Some(&["main"]),
        _ if merchant.starts_with("m_") => Some(&["main"]),
        _ => None,
    }
}

/// Whose path this is.
pub fn addressee(path: &str) -> (&str, &'static str) {
    let name = path.trim_start_matches('/');
    name.strip_suffix("-audit").map_or((name, "main"), |merchant| (merchant, "audit"))
}

/// A regular merchant.
pub fn regular(index: usize) -> String {
    format!("m_{}", index % REGULAR)
}

/// How a regular merchant behaves while nothing is wrong with it.
pub fn usual(index: usize) -> Manner {
    match index % 4 {
        0 => Manner::SlowlySays(Duration::from_millis(20), SUCCESS),
        1 => Manner::SlowlySays(Duration::from_millis(5), SUCCESS),
        _ => Manner::Says(200, SUCCESS),
    }
}

/// Whether this answer says that the event was taken.
pub fn acknowledges(manner: Manner) -> bool {
    matches!(manner, Manner::Says(200, SUCCESS) | Manner::SlowlySays(_, SUCCESS))
}

/// Writes everybody into the directory.
pub fn enter(system: &mut System, receiver: &Receiver) {
    for index in 0..REGULAR {
        let path = format!("/{}", regular(index));
        receiver.answer(&path, usual(index));
        system.add_merchant(&regular(index), &receiver.url(&path), &policy());
    }
    receiver.answer("/never", Manner::Status(500));
    let short = json!({ "timeout": "3s", "intervals": ["1s"], "max_age": "5m" });
    system.add_merchant(NEVER, &receiver.url("/never"), &short);
    let endpoint = |id: &str, path: &str, events: &[&str]| {
        let secrets = json!([{ "id": "s1", "kind": "hmac", "value": SECRET }]);
        let url = receiver.url(path);
        json!({ "id": id, "url": url, "events": events, "policy": policy(), "secrets": secrets })
    };
    for path in ["/two", "/two-audit"] {
        receiver.answer(path, Manner::Says(200, SUCCESS));
    }
    let both =
        [endpoint("main", "/two", &["payment.*"]), endpoint("audit", "/two-audit", &["payment.*"])];
    system.merchant_with(TWO, &json!(both));
    system.merchant_with(FILTERED, &json!([endpoint("main", "/filtered", &["refund.*"])]));
}

/// Of everybody who acknowledges.
pub fn policy() -> Value {
    json!({
        "timeout": "3s", "intervals": ["1s", "1s", "2s", "2s", "2s"], "max_age": "5m",
        "acknowledge": { "statuses": ["2xx"], "body": SUCCESS },
    })
}
