//! Plain JSON: the value is the body.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Undecodable, field};
use crate::model::{Event, EventId};

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    merchant_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    notify_url: Option<&'a RawValue>,
}

pub(super) fn decode(key: Option<&[u8]>, value: &Bytes, text: &str) -> Result<Event, Undecodable> {
    let fields: Fields<'_> = field::object(text)?;
    let id = field::required("id", fields.id)?;
    let id = EventId::parse(&id).map_err(|error| field::invalid("id", &error))?;
    let kind = field::event_type(&field::required("type", fields.kind)?)?;
    let happened = field::required("timestamp", fields.timestamp)?;
    let happened = field::timestamp("timestamp", &happened)?;
    let named = field::required("merchant_id", fields.merchant_id)?;
    let merchant = field::merchant_of_key(key)?;
    if merchant.as_str() != named {
        let rule = format!("must equal the key of the record, {:?}", merchant.as_str());
        let found = format!("is {:?}", field::shortened(&named));
        return Err(field::broken("merchant_id", &rule, &found));
    }
    field::data(fields.data)?;
    let notify_url = field::optional("notify_url", fields.notify_url)?;
    if let Some(url) = &notify_url {
        field::check_url(url)
            .map_err(|rule| field::broken("notify_url", rule, &field::shown_url(url)))?;
    }
    Ok(Event {
        id,
        kind,
        happened,
        merchant,
        resource: field::resource(fields.resource)?,
        notify_url: notify_url.map(std::borrow::Cow::into_owned),
        body: value.clone(),
    })
}
