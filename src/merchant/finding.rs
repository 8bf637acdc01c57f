//! Records of the endpoints topic: what workers found of an endpoint, so that a restart, a rebalance
//! and every other worker know it too. Key `merchant/endpoint`; a tombstone says that it works.

use serde::{Deserialize, Serialize};

use crate::model::{EndpointId, MerchantId, Standing, Timestamp};

/// Header that names the run of the worker that wrote the record, tombstones included.
pub const WRITER_HEADER: &str = "paynotify-worker";

/// Why a record of the endpoints topic is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its key is not `merchant/endpoint`.
    #[error("the key {0:?} is not MERCHANT/ENDPOINT")]
    Key(String),
    /// Its value is no finding of a version that this one knows.
    #[error("the finding of {key} cannot be read: {what}")]
    Value {
        /// Whose.
        key: String,
        /// What the parser says, shortened.
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    format: u32,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    #[serde(flatten)]
    standing: Standing,
    #[serde(borrow)]
    worker: std::borrow::Cow<'a, str>,
    at: Timestamp,
}

/// The key of an endpoint's record.
pub fn key(merchant: &MerchantId, endpoint: &EndpointId) -> String {
    format!("{merchant}/{endpoint}")
}

/// The value of a record, by this worker at this time.
pub fn value(
    merchant: &MerchantId,
    endpoint: &EndpointId,
    standing: &Standing,
    worker: &str,
    at: Timestamp,
) -> Vec<u8> {
    let record = Record {
        format: 1,
        merchant_id: merchant.clone(),
        endpoint_id: endpoint.clone(),
        standing: standing.clone(),
        worker: worker.into(),
        at,
    };
    // Strings and numbers always become JSON.
    serde_json::to_vec(&record).unwrap_or_default()
}

/// Reads a record: whose it is, and how that endpoint stands, if badly.
pub fn read(
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<((MerchantId, EndpointId), Option<Standing>), Error> {
    let key = String::from_utf8_lossy(key);
    let parts = key.split_once('/').and_then(|(merchant, endpoint)| {
        Some((MerchantId::parse(merchant).ok()?, EndpointId::parse(endpoint).ok()?))
    });
    let parts = parts.ok_or_else(|| Error::Key(shortened(&key)))?;
    let Some(value) = value else { return Ok((parts, None)) };
    let record: Record<'_> = serde_json::from_slice(value).map_err(|error| Error::Value {
        key: key.into_owned(),
        what: shortened(&error.to_string()),
    })?;
    Ok((parts, Some(record.standing)))
}

/// Anybody may have written it, and it goes into the log.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Disabled, DisabledReason, Offset, Revision};

    #[test]
    fn a_finding_is_read_as_it_was_written_and_unknown_fields_are_let_pass() {
        let (merchant, endpoint) =
            (MerchantId::parse("m_1").unwrap(), EndpointId::parse("ep.a").unwrap());
        let at = Timestamp::from_millis(1_700_000_000_123);
        let standing = Standing {
            revision: Revision::at(Offset(41)),
            failing_since: at,
            gone_since: None,
            disabled: Some(Disabled { at, since: at, reason: DisabledReason::Failing }),
        };
        let value = value(&merchant, &endpoint, &standing, "worker-1", at);
        let text = String::from_utf8(value).unwrap();
        let wanted = "{\"format\":1,\"merchant_id\":\"m_1\",\"endpoint_id\":\"ep.a\",\
            \"revision\":42,\"failing_since\":\"2023-11-14T22:13:20.123Z\",\"gone_since\":null,\
            \"disabled\":{\"at\":\"2023-11-14T22:13:20.123Z\",\"since\":\"2023-11-14T22:13:20.123Z\",\
            \"reason\":\"failing\"},\"worker\":\"worker-1\",\"at\":\"2023-11-14T22:13:20.123Z\"}";
        assert_eq!(text, wanted);
        let newer = text.replacen('{', "{\"later\":1,", 1);
        let key = key(&merchant, &endpoint);
        let read = read(key.as_bytes(), Some(newer.as_bytes())).unwrap();
        assert_eq!(read, ((merchant, endpoint), Some(standing)));
    }

    #[test]
    fn what_is_said_of_a_record_is_short_however_long_the_record_is() {
        let long = "x".repeat(5_000);
        let value = format!("{{\"format\":\"{long}\"}}");
        for (key, value) in [(long.as_str(), None), ("m_1/ep", Some(value.as_bytes()))] {
            let error = read(key.as_bytes(), value).unwrap_err().to_string();
            assert!(error.len() < 200, "{error}");
        }
    }

    #[test]
    fn what_is_no_finding_is_said_and_not_believed() {
        assert!(matches!(read(b"paynotify-clock", None), Err(Error::Key(_))));
        assert!(matches!(read(b"m_1/ep", Some(b"{}")), Err(Error::Value { .. })));
        assert_eq!(read(b"m_1/ep", None).unwrap().1, None);
    }
}
