use serde_json::json;

use crate::{engine::*, model::*};

fn whole(text: &str) -> Body<'_> {
    Body { bytes: text.as_bytes(), complete: true, encoded: false }
}

fn exactly(text: &str) -> Acknowledge {
    Acknowledge { body: Some(text.to_owned()), ..Acknowledge::default() }
}

fn with_json(pointer: &str, equals: serde_json::Value) -> Acknowledge {
    let json = JsonRule { pointer: pointer.to_owned(), equals };
    Acknowledge { json: Some(json), ..Acknowledge::default() }
}

fn judged(rule: &Acknowledge, status: u16, body: Body<'_>) -> Verdict {
    let body = judge_body(rule, body);
    judge(rule, &Answer::Response { status, retry_after: None, body, excerpt: None })
}

#[test]
fn without_a_rule_for_the_body_the_status_decides_whatever_the_body_is() {
    let rule = Acknowledge { statuses: StatusSet(vec![(200, 200), (204, 204)]), ..exactly("x") };
    let rule = Acknowledge { body: None, ..rule };
    let bad = Body { bytes: b"\xff", complete: false, encoded: true };
    for (status, verdict) in [
        (200, Verdict::Delivered),
        (204, Verdict::Delivered),
        (201, Verdict::Retry("status")),
        (302, Verdict::Retry("status")),
        (500, Verdict::Retry("status")),
    ] {
        assert_eq!(judged(&rule, status, bad), verdict, "{status}");
    }
}

#[test]
fn a_body_is_compared_whole_and_exactly_after_trimming() {
    let rule = exactly("success");
    for body in ["success", " success\r\n", "\u{feff}success"] {
        assert_eq!(judged(&rule, 200, whole(body)), Verdict::Delivered, "{body:?}");
    }
    for body in ["", "SUCCESS", "success!", "\"success\"", "suc cess"] {
        assert_eq!(judged(&rule, 200, whole(body)), Verdict::Retry("body"), "{body:?}");
    }
}

#[test]
fn a_value_is_found_by_its_pointer_with_its_type() {
    let rule = with_json("/result/resultStatus", json!("S"));
    let answer = r#"{"result":{"resultStatus":"S","resultCode":"SUCCESS"}}"#;
    assert_eq!(judged(&rule, 200, whole(answer)), Verdict::Delivered);
    for other in [r#"{"result":{"resultStatus":"F"}}"#, r#"{"result":"S"}"#, "S", "", "{"] {
        assert_eq!(judged(&rule, 200, whole(other)), Verdict::Retry("body"), "{other}");
    }
    let zero = with_json("/code", json!(0));
    assert_eq!(judged(&zero, 200, whole(r#"{"code":0}"#)), Verdict::Delivered);
    assert_eq!(judged(&zero, 200, whole(r#"{"code":"0"}"#)), Verdict::Retry("body"));
    let null = with_json("/error", json!(null));
    assert_eq!(judged(&null, 200, whole(r#"{"error":null}"#)), Verdict::Delivered);
    assert_eq!(judged(&null, 200, whole("{}")), Verdict::Retry("body"), "absent is not null");
    let escaped = with_json("/a~1b/0", json!(true));
    assert_eq!(judged(&escaped, 200, whole(r#"{"a/b":[true]}"#)), Verdict::Delivered);
}

#[test]
fn several_conditions_must_all_hold() {
    let rule = Acknowledge {
        statuses: StatusSet(vec![(200, 200)]),
        body: Some(r#"{"code":"OK"}"#.to_owned()),
        json: Some(JsonRule { pointer: "/code".to_owned(), equals: json!("OK") }),
    };
    assert_eq!(judged(&rule, 200, whole(r#"{"code":"OK"}"#)), Verdict::Delivered);
    assert_eq!(judged(&rule, 200, whole(r#"{"code": "OK"}"#)), Verdict::Retry("body"));
    assert_eq!(judged(&rule, 201, whole(r#"{"code":"OK"}"#)), Verdict::Retry("status"));
}

#[test]
fn a_body_that_cannot_be_compared_is_told_as_what_it_is() {
    let rule = exactly("ok");
    let ok = whole("ok");
    let too_long = Body { complete: false, ..ok };
    assert_eq!(judged(&rule, 200, too_long), Verdict::Retry("too_large"));
    assert_eq!(judged(&rule, 200, Body { encoded: true, ..ok }), Verdict::Retry("body_encoded"));
    let bytes = Body { bytes: b"ok\xff", ..ok };
    assert_eq!(judged(&rule, 200, bytes), Verdict::Retry("body_not_text"));
    assert_eq!(judged(&rule, 500, too_long), Verdict::Retry("status"), "the status comes first");
}
