//! What commands say, and what `Debug` of the core types would.

use std::process::{Command, Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use paynotify::{
    config::Inputs,
    merchant::{
        directory::{Entry, Rules, parse_entry},
        guard::Guard,
        vault::{KeySource, Vault},
    },
};
use serde_json::Value;

use super::{
    PASSWORD,
    entries::bad_entries,
    marks::{BASIC, BEARER, HMAC, KEK, Mark, NOTIFY, PROXY, TEXT, assert_none},
    support::system::{System, event},
};

/// A line of a source of keys.
pub fn key() -> String {
    format!("k1 {}", STANDARD.encode(KEK))
}

/// An event whose `notify_url` holds a password: what is published is passed on byte for byte, but
/// nothing repeats the URL.
pub fn event_with_password() -> String {
    let mut event: Value = serde_json::from_str(&event("evt_bad", "acme")).unwrap();
    event["notify_url"] = format!("https://u:{NOTIFY}@shop.acme.example/").into();
    event.to_string()
}

/// A program whose directory is the topic.
pub fn command(system: &System, arguments: &[&str]) -> Command {
    let mut command = system.command(arguments);
    command.env_remove("PAYNOTIFY_DIRECTORY__FILE");
    command
}

/// Everything that a command says.
pub fn said(command: &mut Command, input: &str) -> String {
    use std::io::Write as _;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails early does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// Every command that reads, writes or refuses.
pub fn commands(system: &System, letter: &str, bad: &[String], marks: &[Mark]) {
    let search = |arguments: &[&str], input: &str| {
        let text = said(&mut command(system, arguments), input);
        assert!(!text.is_empty(), "{arguments:?} says nothing");
        assert_none(&arguments.join(" "), &text, marks);
    };
    for format in ["json", "table"] {
        for arguments in [
            &["merchants", "list"][..],
            &["merchants", "show", "acme"],
            &["merchants", "show", "shop"],
            &["merchants", "show", "signs"],
            &["merchants", "show", "bank"],
            &["dlq", "list"],
            &["dlq", "show", letter],
            &["config", "show"],
        ] {
            search(&[arguments, &["--output", format]].concat(), "");
        }
    }
    for number in 0..bad.len() {
        search(&["merchants", "show", &format!("bad{number}")], "");
    }
    search(&["config", "check"], "");
    search(&["topics", "check"], "");
    search(&["merchants", "rewrap"], "");
    search(&["merchants", "disable", "bank"], "");
    search(&["merchants", "enable", "bank"], "");
    search(&["publish"], &event_with_password());
    search(&["dlq", "replay", "--reason", "exhausted"], "");
    for entry in bad {
        search(&["merchants", "put", "-"], entry);
        search(&["merchants", "put", "--revision", "7", "-"], entry);
    }
    for (kind, value) in [("hmac", TEXT), ("ed25519", BASIC), ("rsa", BEARER), ("hmac-hex", HMAC)] {
        let arguments =
            ["merchants", "rotate-secret", "acme", "main", "--kind", kind, "--from", "-"];
        search(&arguments, value);
    }
    let rotate =
        ["merchants", "rotate-secret", "shop", "main", "--kind", "hmac-text", "--from", "-"];
    search(&rotate, &format!("{TEXT}-new"));
    // Mistakes of the configuration, each with a secret in what is wrong.
    let (kek, key) = (STANDARD.encode(KEK), key());
    for wrong in [
        format!("[directory]\nkeys = \"{kek}\"\n"),
        format!("[directory]\nkeys = [\"{key}\"]\n"),
        format!("[directory]\nkeys = \"{key}\n"),
        format!("[directory]\nkeys = \"{key}\"\nkey_command = [\"true\"]\n"),
        format!("[kafka.properties]\n\"sasl.password\" = [\"{PASSWORD}\"]\n"),
        format!("[kafka.properties]\n\"sasl.password\" = \"{PASSWORD}\n"),
        format!("[delivery]\nproxy = \"https://u:{PROXY}@proxy.example\"\n"),
        format!("[delivery]\nproxy = [\"http://u:{PROXY}@proxy.example\"]\n"),
    ] {
        for arguments in [&["merchants", "list"][..], &["config", "check"], &["config", "show"]] {
            search(&[arguments, &["--config", "-"]].concat(), &wrong);
        }
    }
    for flag in [
        format!("directory.keys={key}"),
        format!("kafka.properties.sasl.password={PASSWORD}"),
        format!("delivery.proxy=http://u:{PROXY}@proxy.example"),
    ] {
        search(&["config", "check", "--set", &flag], "");
    }
}

/// The key by command and by environment, good and spoiled.
pub fn sources_of_keys(system: &System, good: &str, spoiled: &str, marks: &[Mark]) {
    let without_file = |arguments: &[&str]| {
        let mut command = command(system, arguments);
        command.env_remove("PAYNOTIFY_DIRECTORY__KEY_FILE");
        command
    };
    std::fs::write(spoiled, format!("{}\n", STANDARD.encode(KEK))).unwrap();
    let by_command = |words: &str| ("PAYNOTIFY_DIRECTORY__KEY_COMMAND", words.to_owned());
    let by_text = |text: String| ("PAYNOTIFY_DIRECTORY__KEYS", text);
    for ((name, value), expected) in [
        (by_text(key()), "in order before"),
        (by_text(STANDARD.encode(KEK)), "line 1: not an id and a key"),
        (by_text(format!("k1 {}", STANDARD.encode(format!("{KEK}x")))), "not 32 bytes"),
        (by_text(format!("{},{}", key(), key())), "used twice"),
        (by_command(&format!("cat,{good}")), "in order before"),
        (by_command(&format!("cat,{spoiled}")), "line 1: not an id and a key"),
        (by_command("false"), "ended with"),
    ] {
        for arguments in [&["merchants", "rewrap"][..], &["merchants", "list"], &["config", "show"]]
        {
            let text = said(without_file(arguments).env(name, &value), "");
            let rewrap = arguments[1] == "rewrap";
            assert!(!rewrap || text.contains(expected), "{name}: {expected} is not in {text}");
            assert_none(&format!("{arguments:?} with {name}"), &text, marks);
        }
    }
}

/// What a forgotten `{:?}` would tell.
pub fn debug_texts(entries: &str, marks: &[Mark]) {
    let vault = Vault::new(&KeySource::Text(key().into())).unwrap();
    let rules = Rules {
        allow_http: true,
        guard: Guard::with_loopback(),
        vault: Some(vault),
        ..Rules::default()
    };
    let mut all = vec![format!("{rules:?} {:?}", KeySource::Text(key().into()))];
    for line in entries.lines() {
        let merchant = parse_entry(line.as_bytes(), &rules).unwrap();
        all.push(format!("{merchant:?} {:?}", Entry::parse(line.as_bytes()).unwrap()));
        for endpoint in &merchant.endpoints {
            let Some(shown) = &endpoint.certificate else { continue };
            all.push(format!("{shown:?} {:?}", endpoint.secrets));
        }
    }
    for entry in bad_entries("none") {
        let bytes = entry.as_bytes();
        all.push(format!("{:?} {:?}", Entry::parse(bytes), parse_entry(bytes, &rules)));
    }
    let environment = [
        ("PAYNOTIFY_DIRECTORY__KEYS", key()),
        ("PAYNOTIFY_KAFKA__PROPERTIES__SASL_PASSWORD", PASSWORD.to_owned()),
        ("PAYNOTIFY_DELIVERY__PROXY", format!("http://u:{PROXY}@proxy.example")),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let inputs = Inputs { environment, ..Inputs::default() };
    let loaded = inputs.load().unwrap();
    all.push(format!("{inputs:?} {loaded:?} {:?}", loaded.config.kafka.client_settings()));
    assert_none("Debug", &all.join("\n"), marks);
}
