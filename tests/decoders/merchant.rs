//! Entries of the directory, from records of the topic and lines of a file.

use paynotify::merchant::{
    directory::{Entry, Error, Rules, Update, file, parse_entry, redacted, update},
    guard::Guard,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{SECRET, any_json, damaged, damages_in_place, is_fit_to_show, pointers, spoiled};

fn good() -> Value {
    json!({ "format": 1, "merchant_id": "m", "name": "Acme", "state": "active",
        "notify_url_hosts": ["shop.example"], "updated_at": "2026-01-31T12:00:00Z",
        "endpoints": [
            { "id": "e", "url": "https://shop.example/x", "state": "active", "events": ["payment.*"],
                "auth": { "kind": "bearer", "token": SECRET },
                "policy": { "intervals": ["15s", "1h"], "max_age": "3h", "timeout": "10s",
                    "jitter": 0.25, "max_in_flight": 8, "rate": { "per_second": 50, "burst": 100 },
                    "http2": true, "weight": 2.5, "class": "standard",
                    "acknowledge": { "statuses": ["2xx"], "body": "success",
                        "json": { "pointer": "/result/0", "equals": null } },
                    "dialect": "stripe-like", "headers": { "x-shop": "42" } },
                "secrets": [{ "id": "s1", "kind": "hmac-text",
                    "value": format!("{SECRET}{SECRET}{SECRET}"),
                    "not_before": null, "expires": "2030-01-01T00:00:00Z" }] },
            { "id": "f", "url": "https://shop.example/y",
                "auth": { "kind": "basic", "username": "u", "password": SECRET } },
        ] })
}

fn rules() -> Rules {
    Rules {
        allow_http: true,
        guard: Guard::with_loopback(),
        classes: vec!["standard".to_owned()],
        ..Rules::default()
    }
}

/// `/endpoints/0/url` as errors write it.
fn dotted(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|part| match part.parse::<usize>() {
        Ok(at) => format!("[{at}]"),
        Err(_) => format!(".{part}"),
    });
    parts.collect::<String>().trim_start_matches('.').to_owned()
}

fn is_fit(error: &Error) -> Result<(), TestCaseError> {
    is_fit_to_show(&error.to_string())?;
    is_fit_to_show(&format!("{error:?}"))?;
    let parts = [&error.path, &error.what, &error.remedy];
    prop_assert!(parts.iter().all(|part| !part.is_empty()), "{:?}", error);
    Ok(())
}

#[test]
fn the_entry_of_these_tests_is_good() {
    parse_entry(good().to_string().as_bytes(), &rules()).unwrap();
}

proptest! {
    #[test]
    fn any_record_is_an_entry_or_an_error_that_can_be_shown(
        key in option::of(prop_oneof![vec(any::<u8>(), 0..300), Just(b"m".to_vec())]),
        value in option::of(vec(any::<u8>(), 0..400)),
    ) {
        if let Update::Refused(refused) = update(key.as_deref(), value.as_deref(), &rules()) {
            is_fit(&refused.error)?;
        }
    }

    #[test]
    fn a_damaged_entry_is_an_entry_or_an_error_that_keeps_its_secrets(damages in damages_in_place()) {
        let value = damaged(good().to_string().as_bytes(), &damages);
        match update(Some(b"m"), Some(&value), &rules()) {
            Update::Refused(refused) => is_fit(&refused.error)?,
            Update::Put(merchant) => {
                let shown = format!("{merchant:?}");
                prop_assert!(!shown.contains(SECRET), "{}", shown);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn an_error_names_the_field_that_was_spoiled(which in any::<prop::sample::Index>(), with in any_json()) {
        let fields = pointers(&good());
        let pointer = which.get(&fields);
        if let Err(error) = parse_entry(spoiled(&good(), pointer, with).to_string().as_bytes(), &rules()) {
            is_fit(&error)?;
            // What does not fit together is told at either of its fields, of the same endpoint.
            let path = dotted(pointer);
            let top = |path: &str| path.split(['.', '[']).next().unwrap().to_owned();
            prop_assert_eq!(top(&error.path), top(&path), "{}: {}", pointer, error);
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_exactly(which in any::<prop::sample::Index>()) {
        let fields = pointers(&good());
        let pointer = which.get(&fields);
        let with = json!({ "no such field": [[1]] });
        if let Err(error) = parse_entry(spoiled(&good(), pointer, with).to_string().as_bytes(), &rules()) {
            is_fit(&error)?;
            prop_assert!(error.path.starts_with(&dotted(pointer)), "{pointer}: {error}");
        }
    }

    #[test]
    fn a_signing_key_in_any_wrong_place_is_not_repeated(
        which in any::<prop::sample::Index>(), form in select(vec!["whsec_", "whsk_", "-----BEGIN PRIVATE KEY-----\n"]),
        before in "[ -~]{0,9}", listed in any::<bool>(),
    ) {
        let fields = pointers(&good());
        let key = json!(format!("{before}{form}{SECRET}"));
        let with = if listed { json!([key]) } else { key };
        let pointer = which.get(&fields);
        let entry = spoiled(&good(), pointer, with);
        let text = entry.to_string();
        if let Err(error) = parse_entry(text.as_bytes(), &rules()) {
            is_fit(&error)?;
        }
        if let Ok(entry) = Entry::parse(text.as_bytes()) {
            prop_assert!(!redacted(&entry).to_string().contains(SECRET));
        }
    }

    #[test]
    fn of_a_file_every_good_line_is_read_and_every_bad_one_told_by_its_number(
        lines in vec(prop_oneof![Just(None), damages_in_place().prop_map(Some)], 0..6),
    ) {
        let mut text = Vec::new();
        let mut good_ids = Vec::new();
        for (at, damages) in lines.iter().enumerate() {
            let id = format!("m{at}");
            let mut entry = good();
            entry["merchant_id"] = json!(id);
            let line = entry.to_string().into_bytes();
            let line = damages.as_ref().map_or(line.clone(), |damages| damaged(&line, damages));
            // Damage may break a line in two.
            text.extend(line.into_iter().map(|byte| if byte == b'\n' { b' ' } else { byte }));
            text.push(b'\n');
            if damages.is_none() {
                good_ids.push(id);
            }
        }
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &text).unwrap();
        let (read, refused) = file::read(path.path(), &rules());
        for refused in refused {
            is_fit(&refused.error)?;
            let line = usize::try_from(refused.line.unwrap()).unwrap();
            prop_assert!((1..=lines.len()).contains(&line));
            let spoiled_id = refused.error.what.contains("already on line");
            prop_assert!(lines[line - 1].is_some() || spoiled_id, "{refused}");
        }
        let ids: Vec<_> = read.iter().map(|(id, _)| id.as_str().to_owned()).collect();
        for id in good_ids {
            // Damage may have made an earlier line say the same id.
            prop_assert!(ids.contains(&id), "{id} of {ids:?}");
        }
    }
}
