//! Sealed secrets, and the keys that open them.

use paynotify::merchant::vault::{KeySource, Place, Vault, is_sealed};
use proptest::{collection::vec, prelude::*, sample::Index};
use secrecy::ExposeSecret as _;

use crate::{SECRET, damaged_text, damages, is_fit_to_show};

const KEY: &str = "a AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn vault() -> Vault {
    Vault::new(&KeySource::Text(KEY.into())).unwrap()
}

fn place(ids: &[String; 3]) -> Place<'_> {
    Place { merchant: &ids[0], endpoint: &ids[1], secret: &ids[2] }
}

fn any_place() -> impl Strategy<Value = [String; 3]> {
    ["[A-Za-z0-9_:.-]{1,20}", "[A-Za-z0-9_:.-]{1,20}", "[A-Za-z0-9_:./-]{1,20}"]
}

proptest! {
    #[test]
    fn a_value_opens_where_it_was_sealed_for_and_nowhere_else(
        value in ".{0,100}", here in any_place(), there in any_place(),
    ) {
        let vault = vault();
        let sealed = vault.seal(place(&here), &value);
        prop_assert!(is_sealed(&sealed));
        prop_assert!(sealed.len() <= 150 + value.len() * 4 / 3 + 4, "bounded");
        prop_assert!(value.len() < 8 || !sealed.contains(&value));
        let opened = vault.open(place(&here), &sealed).unwrap();
        prop_assert_eq!(opened.expose_secret(), value.as_str());
        prop_assert_eq!(vault.open(place(&there), &sealed).is_ok(), here == there);
    }

    #[test]
    fn a_damaged_value_does_not_open_and_the_error_shows_nothing(
        here in any_place(), damages in damages(),
    ) {
        let vault = vault();
        let sealed = vault.seal(place(&here), SECRET);
        let changed = damaged_text(&sealed, &damages);
        match vault.open(place(&here), &changed) {
            Ok(_) => prop_assert_eq!(changed, sealed),
            Err(error) => is_fit_to_show(&error.to_string())?,
        }
    }

    #[test]
    fn any_text_does_not_open_and_the_error_can_be_shown(
        text in "(sealed:1:)?.{0,2000}", here in any_place(),
    ) {
        let error = vault().open(place(&here), &text).unwrap_err().to_string();
        is_fit_to_show(&error)?;
    }

    #[test]
    fn keys_that_cannot_be_read_are_refused_without_being_shown(
        damages in damages(), more in vec("[ -~]{0,60}", 0..3), at in any::<Index>(),
    ) {
        let mut lines: Vec<_> = more.into_iter().map(|line| line.replace(',', ";")).collect();
        let at = at.index(lines.len() + 1);
        lines.insert(at, damaged_text(&format!("id {SECRET}{SECRET}{SECRET}=="), &damages));
        lines.push(format!("b {SECRET}"));
        let error = Vault::new(&KeySource::Text(lines.join("\n").into())).unwrap_err().to_string();
        is_fit_to_show(&error)?;
        prop_assert!(error.contains("line "), "{error}");
    }
}
