//! The configuration: file, environment, flags.

use std::fmt::Write as _;

use paynotify::config::{DEFAULT_TEXT, Inputs, Loaded};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{SECRET, damaged_text, damages_in_place};

/// Secrets wherever a configuration may have one.
fn good() -> String {
    format!(
        "[kafka]\ngroup = \"pay\"\n[kafka.properties]\n\"sasl.username\" = \"u\"\n\
         \"sasl.password\" = \"{SECRET}\"\n\"ssl.key.pem\" = '''{SECRET}'''\n\
         [lanes]\nmax_records = 7\n[delivery]\nproxy = \"http://u:{SECRET}@proxy.example:1\"\n\
         [directory]\nkeys = \"{SECRET}\"\n[defaults.policy.headers]\n\"x-key\" = \"{SECRET}\"\n\
         [shutdown]\ngrace = \"20s\"\n"
    )
}

fn load(
    file: &str,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String)>,
) -> Result<Loaded, String> {
    let inputs =
        Inputs { file: Some(("pay.toml".to_owned(), file.to_owned())), environment, flags };
    inputs.load().map_err(|error| {
        assert!(!format!("{error:?} {inputs:?}").contains(SECRET), "{error:?}");
        error.to_string()
    })
}

/// Every key, with its value as TOML.
fn settings() -> Vec<(String, String)> {
    let effective = load("", Vec::new(), Vec::new()).unwrap().effective;
    effective.into_iter().filter_map(|one| Some((one.key, one.value?))).collect()
}

fn variable(key: &str) -> String {
    format!("PAYNOTIFY_{}", key.replace('.', "__").to_uppercase())
}

/// What people may write for any setting.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "-?[0-9]{0,22}(\\.[0-9]{0,4})?(ms|s|m|h|d|KiB|MiB|xx)?",
        "([0-9]{1,3}(s|m|h|xx),? ?){0,5}",
        "(http|https|ftp)?(://)?([a-z]{0,5}:[a-z]{0,5}@)?[a-z0-9.\\[\\]:]{0,20}(/[a-z]{0,3})?",
        "[0-9a-f.:]{0,30}(/[0-9]{1,3})?",
        "true|false|none|json|text|info|\\[\\]|\\{\\}",
    ]
}

#[test]
fn the_file_of_these_tests_is_good() {
    load(&good(), Vec::new(), Vec::new()).unwrap();
}

proptest! {
    #[test]
    fn any_file_is_a_configuration_or_an_error_that_says_where(text in "(.|\n|[\\[\\]=\"'.#]){0,300}") {
        if let Err(error) = load(&text, Vec::new(), Vec::new()) {
            prop_assert!(error.lines().all(|line| line.starts_with("pay.toml:")), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_a_configuration_or_an_error_that_keeps_its_secrets(damages in damages_in_place()) {
        match load(&damaged_text(&good(), &damages), Vec::new(), Vec::new()) {
            Ok(_) => {}
            Err(error) => {
                prop_assert!(!error.trim().is_empty() && !error.contains(SECRET), "{error}");
                prop_assert!(error.len() <= 1_000 * error.lines().count(), "{error}");
            }
        }
    }

    #[test]
    fn the_damaged_default_file_is_a_configuration_or_an_error(damages in damages_in_place()) {
        if let Err(error) = load(&damaged_text(DEFAULT_TEXT, &damages), Vec::new(), Vec::new()) {
            prop_assert!(!error.trim().is_empty());
        }
    }

    #[test]
    fn a_setting_with_any_value_is_taken_or_the_error_names_a_setting(
        which in any::<Index>(), text in any_text(), from in 0..3,
    ) {
        let settings = settings();
        let (key, _) = which.get(&settings);
        let result = match from {
            0 => load("", vec![(variable(key), text.clone())], Vec::new()),
            1 => load("", Vec::new(), vec![(key.clone(), text.clone())]),
            _ => {
                let (section, name) = key.rsplit_once('.').unwrap();
                load(&format!("[{section}]\n\"{name}\" = {text}\n"), Vec::new(), Vec::new())
            }
        };
        if let Err(error) = result {
            // What does not fit together may be told at the other key.
            let named = settings.iter().any(|(key, _)| error.contains(&format!(": {key}: ")));
            prop_assert!(named || error.starts_with("pay.toml:"), "{key}: {error}");
            prop_assert!(error.len() <= 2_000 + 3 * text.len(), "{error}");
        }
    }

    #[test]
    fn what_is_effective_gives_the_same_configuration_when_it_is_written_into_a_file(
        changes in vec((any::<Index>(), any_text()), 0..4),
    ) {
        let settings = settings();
        let flags: Vec<_> = changes.iter().map(|(which, text)| (which.get(&settings).0.clone(), text.clone())).collect();
        let Ok(loaded) = load("", Vec::new(), flags) else { return Ok(()) };
        let mut file = String::new();
        for one in &loaded.effective {
            let Some(value) = one.value.as_ref().filter(|value| !value.contains("[redacted]")) else { continue };
            let (section, name) = one.key.rsplit_once('.').unwrap();
            writeln!(file, "{section}.\"{name}\" = {value}").unwrap();
        }
        let again = load(&file, Vec::new(), Vec::new());
        prop_assert!(again.is_ok(), "{again:?}\n{file}");
        prop_assert_eq!(again.unwrap().config, loaded.config);
    }

    #[test]
    fn any_variables_are_settings_or_an_error_that_keeps_their_values(
        names in vec("PAYNOTIFY_[A-Z_]{1,20}__[A-Z_]{1,20}", 1..4),
    ) {
        let variables = names.iter().map(|name| (name.clone(), SECRET.to_owned())).collect();
        if let Err(error) = load("", variables, Vec::new()) {
            prop_assert!(names.iter().any(|name| error.contains(name)), "{error}");
            prop_assert!(!error.contains(SECRET), "{error}");
        }
    }
}
