//! Records of the endpoints topic.

use paynotify::{
    merchant::finding,
    model::{
        Disabled, DisabledReason, EndpointId, MerchantId, Offset, Revision, Standing, Timestamp,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::Value;

use crate::{any_json, damaged, damages, is_fit_to_show, pointers, spoiled};

prop_compose! {
    fn any_time()(millis in 0_i64..4_000_000_000_000) -> Timestamp { Timestamp::from_millis(millis) }
}

prop_compose! {
    fn any_standing()(
        offset in 0_i64..1 << 40, failing_since in any_time(), gone_since in option::of(any_time()),
        disabled in option::of((any_time(), any_time(), select(vec![DisabledReason::Gone, DisabledReason::Failing]))),
    ) -> Standing {
        let disabled = disabled.map(|(at, since, reason)| Disabled { at, since, reason });
        Standing { revision: Revision::at(Offset(offset)), failing_since, gone_since, disabled }
    }
}

fn ids() -> (MerchantId, EndpointId) {
    (MerchantId::parse("m_1").unwrap(), EndpointId::parse("ep.a").unwrap())
}

fn written(standing: &Standing) -> Vec<u8> {
    let (merchant, endpoint) = ids();
    finding::value(&merchant, &endpoint, standing, "worker-1", Timestamp::default())
}

proptest! {
    #[test]
    fn a_finding_is_read_as_it_was_written(
        standing in any_standing(), merchant in "[A-Za-z0-9_:.-]{1,128}",
        endpoint in "[A-Za-z0-9_:.-]{1,64}", worker in ".{0,30}", at in any_time(),
    ) {
        let (merchant, endpoint) =
            (MerchantId::parse(&merchant).unwrap(), EndpointId::parse(&endpoint).unwrap());
        let value = finding::value(&merchant, &endpoint, &standing, &worker, at);
        let key = finding::key(&merchant, &endpoint);
        let read = finding::read(key.as_bytes(), Some(&value)).unwrap();
        prop_assert_eq!(read, ((merchant, endpoint), Some(standing)));
    }

    #[test]
    fn any_record_is_a_finding_or_an_error_that_can_be_shown(
        key in prop_oneof![vec(any::<u8>(), 0..3_000), Just(b"m_1/ep.a".to_vec())],
        value in option::of(vec(any::<u8>(), 0..300)),
    ) {
        if let Err(error) = finding::read(&key, value.as_deref()) {
            is_fit_to_show(&error.to_string())?;
        }
    }

    #[test]
    fn a_damaged_finding_is_read_or_an_error_names_whose_it_is(
        standing in any_standing(), damages in damages(),
    ) {
        let value = damaged(&written(&standing), &damages);
        if let Err(error) = finding::read(b"m_1/ep.a", Some(&value)) {
            let error = error.to_string();
            is_fit_to_show(&error)?;
            prop_assert!(error.contains("m_1/ep.a"), "{error}");
        }
    }

    #[test]
    fn a_finding_with_another_value_is_read_or_an_error_that_can_be_shown(
        standing in any_standing(), which in any::<prop::sample::Index>(), with in any_json(),
    ) {
        let good: Value = serde_json::from_slice(&written(&standing)).unwrap();
        let fields = pointers(&good);
        let pointer = which.get(&fields);
        let value = spoiled(&good, pointer, with).to_string();
        if let Err(error) = finding::read(b"m_1/ep.a", Some(value.as_bytes())) {
            is_fit_to_show(&error.to_string())?;
        }
    }
}
