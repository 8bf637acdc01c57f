//! Dialects, keys and credentials of an entry.

use serde_json::{Value, json};

use super::{KEY, entry, parsed, with};
use crate::{
    merchant::directory::{Entry, redacted},
    model::Dialect,
};

/// Of an entry with this dialect: its secrets replaced by one of this kind.
fn signing(dialect: &Value, kind: &str, value: &str) -> Value {
    let mut entry = with("/endpoints/0/policy/dialect", dialect.clone());
    entry["endpoints"][0]["secrets"] = json!([{ "id": "s1", "kind": kind, "value": value }]);
    entry
}

fn custom(field: &str, value: &Value) -> Value {
    let mut dialect = json!({
        "kind": "custom", "algorithm": "hmac-sha256", "encoding": "hex",
        "headers": { "x-signature": "t={timestamp},s={signature}" }, "content": "{id}.{body}",
    });
    dialect[field] = value.clone();
    dialect
}

fn dialect_of(entry: &Value) -> Dialect {
    parsed(entry).unwrap().endpoints[0].policy.dialect.clone()
}

fn refused(entry: &Value, expected: &str) {
    let message = parsed(entry).unwrap_err().to_string();
    assert!(message.contains(expected), "{message:?} should contain {expected:?}");
}

#[test]
fn a_dialect_is_a_name_or_an_object() {
    let long = "0123456789abcdef";
    for written in [json!("standard"), json!({ "kind": "standard" }), Value::Null] {
        assert_eq!(dialect_of(&signing(&written, "hmac", KEY)), Dialect::Standard);
    }
    for (written, header) in [
        (json!("stripe-like"), "stripe-signature"),
        (json!({ "kind": "stripe-like", "header": "X-Sig" }), "x-sig"),
    ] {
        let found = dialect_of(&signing(&written, "hmac-text", long));
        assert_eq!(found, Dialect::StripeLike(header.parse().unwrap()));
    }
    assert_eq!(dialect_of(&signing(&json!("none"), "hmac", KEY)), Dialect::None);
    let found = dialect_of(&signing(&custom("encoding", &json!("base64")), "hmac", KEY));
    assert_eq!(found.name(), "custom");
}

#[test]
fn a_bad_dialect_is_refused_with_path_finding_and_remedy() {
    for (dialect, expected) in [
        (json!("wechat"), "policy.dialect: is not known; write standard, stripe-like, none"),
        (json!({ "kind": "custom" }), "policy.dialect.algorithm: is missing; write one of hmac"),
        (json!({ "kind": "none", "header": "x" }), "policy.dialect: has more than its kind"),
        (
            json!({ "kind": "stripe-like", "content": "x" }),
            "dialect: has more than kind and header",
        ),
        (json!({ "kind": "stripe-like", "header": "a b" }), "dialect.header: is no header name"),
        (json!({ "kind": "standard", "colour": 1 }), "dialect.colour: unknown field `colour`"),
        (json!(7), "policy.dialect: is of type integer, but must be the name of a dialect"),
        (custom("algorithm", &json!("md5")), "dialect.algorithm: is not known; write one of"),
        (custom("encoding", &json!("rot13")), "dialect.encoding: is not known; write one of hex"),
        (custom("header", &json!("x")), "dialect.header: belongs to stripe-like; use headers"),
        (custom("headers", &json!({ "x": "1" })), "dialect.headers: hold no {signature}; write"),
        (custom("headers", &json!({})), "dialect.headers: hold no {signature}"),
        (
            custom("headers", &json!({ "Webhook-Id": "{signature}" })),
            "dialect.headers.webhook-id: is set by paynotify itself",
        ),
        (
            custom("headers", &json!({ "X-A": "{signature}", "x-a": "1" })),
            "dialect.headers.x-a: is there twice",
        ),
        (
            custom("headers", &json!({ "x-a": "{signature}\n" })),
            "dialect.headers.x-a: has control characters",
        ),
        (
            custom("headers", &json!({ "x-a": "{signature}{body}" })),
            "dialect.headers.x-a: has a name in braces that is none of {signature}, {timestamp}",
        ),
        (
            custom("headers", &json!({ "X-Shop": "{signature}" })),
            "policy.headers.x-shop: is set by the dialect; leave it out of one of them",
        ),
        (custom("content", &json!("{body")), "dialect.content: has a brace without its other"),
        (custom("content", &json!("}{body}")), "dialect.content: has a brace without its other"),
        (custom("content", &json!("{{body}}")), "dialect.content: holds neither {body} nor {id}"),
        (custom("content", &json!("{body}{body}")), "content: holds {body} more than once"),
        (custom("content", &json!("{signature}")), "content: has a name in braces that is none"),
        (custom("content", &json!("")), "dialect.content: is empty or longer than 1024 bytes"),
    ] {
        refused(&signing(&dialect, "hmac", KEY), expected);
    }
}

#[test]
fn a_key_that_the_dialect_cannot_use_is_refused() {
    let (standard, stripe) = (json!("standard"), json!("stripe-like"));
    let algorithm = |name: &str| custom("algorithm", &json!(name));
    for (dialect, kind, expected) in [
        (&standard, "rsa", "cannot sign in the dialect standard; use hmac or ed25519"),
        (&standard, "hmac-text", "cannot sign in the dialect standard; use hmac or ed25519"),
        (&stripe, "hmac", "cannot sign in the dialect stripe-like; use hmac-text"),
        (
            &algorithm("hmac-sha512"),
            "ed25519",
            "cannot sign in the dialect custom; use hmac, hmac-text or hmac-hex",
        ),
        (&algorithm("rsa-sha256"), "hmac", "cannot sign in the dialect custom; use rsa"),
        (&algorithm("ed25519"), "rsa", "cannot sign in the dialect custom; use ed25519"),
        (&standard, "dsa", "is not known; write hmac, hmac-text, hmac-hex, ed25519 or rsa"),
    ] {
        refused(&signing(dialect, kind, KEY), &format!("secrets[0].kind: {expected}"));
    }
}

#[test]
fn a_key_is_read_once_and_a_bad_one_is_refused_without_its_value() {
    let seed = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";
    let pair =
        "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    let antom: Value =
        serde_json::from_str(include_str!("../../../../deploy/examples/antom.json")).unwrap();
    let rsa = antom["endpoints"][0]["secrets"][0]["value"].as_str().unwrap();
    let any = json!("none");
    for (kind, value) in [
        ("hmac", KEY.to_owned()),
        ("hmac-text", "whsec_any text 1".replace(' ', "-")),
        ("hmac-hex", "D7DD5BA6146493707BF0BE7496F6404E".to_owned()),
        ("ed25519", format!("whsk_{seed}")),
        ("ed25519", format!("whsk_{pair}")),
        ("rsa", rsa.to_owned()),
    ] {
        let merchant = parsed(&signing(&any, kind, &value)).unwrap();
        let shown = format!("{merchant:?}");
        assert!(shown.contains("key: [redacted]"), "{shown}");
    }
    for (kind, value) in [
        ("hmac", "whsec_geheim".to_owned()),
        ("hmac-text", "geheim".to_owned()),
        ("hmac-text", "geheim and with spaces".to_owned()),
        ("hmac-hex", "geheim".to_owned()),
        ("hmac-hex", "+1".repeat(16)),
        ("ed25519", format!("whsk_{}", &seed[..40])),
        ("ed25519", format!("whsk_{}", pair.replace("Kvg", "Kvw"))),
        ("rsa", rsa.replace("PRIVATE KEY", "RSA PRIVATE KEY")),
        ("rsa", rsa[..400].to_owned()),
    ] {
        let error = parsed(&signing(&any, kind, &value)).unwrap_err();
        assert_eq!(error.path, "endpoints[0].secrets[0].value", "{kind} {value}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("geheim") && !shown.contains(&value[..]), "{shown}");
    }
}

#[test]
fn credentials_become_a_header_and_are_shown_nowhere() {
    for (auth, header) in [
        // RFC 7617, section 2.
        (
            json!({ "kind": "basic", "username": "Aladdin", "password": "open sesame" }),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (json!({ "kind": "bearer", "token": "mF_9.B5f-4.1JqM" }), "Bearer mF_9.B5f-4.1JqM"),
    ] {
        let entry = with("/endpoints/0/auth", auth);
        let merchant = parsed(&entry).unwrap();
        let found = merchant.endpoints[0].authorization.as_ref().unwrap();
        assert_eq!(found.expose(), header.as_bytes());
        let entry = Entry::parse(entry.to_string().as_bytes()).unwrap();
        let shown = format!("{merchant:?} {entry:?} {}", redacted(&entry));
        for hidden in ["sesame", "mF_9", "QWxh", "66, 97, 115"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(shown.contains("\"[redacted]\""), "{shown}");
    }
}

#[test]
fn bad_credentials_are_refused_without_their_values() {
    for (auth, expected) in [
        (json!("geheim"), "auth: is of type string, but must be an object with kind"),
        (json!({}), "auth: missing field `kind`"),
        (json!({ "kind": "digest" }), "auth.kind: is not known; write basic, bearer or"),
        (json!({ "kind": "client_certificate" }), "auth: needs certificate and key"),
        (json!({ "kind": "basic", "username": "u" }), "auth: needs username and password"),
        (json!({ "kind": "basic", "token": "geheim" }), "auth: needs username and password"),
        (json!({ "kind": "bearer", "username": "geheim" }), "auth: needs token, and nothing else"),
        (
            json!({ "kind": "basic", "username": "geheim:", "password": "" }),
            "auth.username: has a colon",
        ),
        (
            json!({ "kind": "basic", "username": "u", "password": "geheim\n" }),
            "auth.password: has a control character",
        ),
        (json!({ "kind": "basic", "username": "u", "password": 7 }), "auth.password: must be a"),
        (json!({ "kind": "bearer", "token": "geheim geheim" }), "auth.token: is empty, is longer"),
        (json!({ "kind": "bearer", "token": "" }), "auth.token: is empty"),
    ] {
        let entry = with("/endpoints/0/auth", auth);
        refused(&entry, expected);
        let error = parsed(&entry).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }
    assert!(parsed(&entry()).unwrap().endpoints[0].authorization.is_none());
}
