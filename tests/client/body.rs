//! Bodies that acknowledge, or do not.

use paynotify::engine::{Answer, Verdict, judge};
use serde_json::{Value, json};

use super::{answering, client, clock, endpoint_that_acknowledges, event};

/// What a rule for the body makes of an answer.
async fn judged(answer: String, rule: &Value) -> (Verdict, Option<String>) {
    let (url, _received) = answering(answer).await;
    let endpoint = endpoint_that_acknowledges(&url, "5s", rule);
    let result = client().attempt(&endpoint, &event(), 1, &[], clock).await;
    let excerpt = match &result.answer {
        Answer::Response { excerpt, .. } => excerpt.clone(),
        Answer::Failed(_) => None,
    };
    (judge(&endpoint.policy.acknowledge, &result.answer), excerpt)
}

fn with_body(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_body_acknowledges_only_when_it_is_what_the_merchant_agreed_to_send() {
    let word = json!({ "body": "success" });
    let code = json!({ "statuses": ["200"], "json": { "pointer": "/code", "equals": "SUCCESS" } });
    for (rule, headers, body, verdict) in [
        (&word, "", " success\n", Verdict::Delivered),
        (&word, "content-encoding: identity\r\n", "success", Verdict::Delivered),
        (&word, "", "fail", Verdict::Retry("body")),
        (&word, "", "", Verdict::Retry("body")),
        (&word, "content-encoding: gzip\r\n", "success", Verdict::Retry("body_encoded")),
        (&code, "", r#"{"code":"SUCCESS"}"#, Verdict::Delivered),
        (&code, "", r#"{"code":"FAIL"}"#, Verdict::Retry("body")),
    ] {
        let (found, excerpt) = judged(with_body(headers, body), rule).await;
        assert_eq!(found, verdict, "{body}");
        // An answer with a good status that is no acknowledgement is shown to operators too.
        let shown = found != Verdict::Delivered && !body.is_empty();
        assert_eq!(excerpt.is_some(), shown, "{body}");
    }
}

#[tokio::test]
async fn a_body_at_the_bound_is_compared_and_one_beyond_it_is_too_large() {
    let rule = json!({ "body": "success" });
    let padded = |length: usize| with_body("", &format!("success{}", " ".repeat(length - 7)));
    assert_eq!(judged(padded(64 * 1024), &rule).await.0, Verdict::Delivered);
    assert_eq!(judged(padded(64 * 1024 + 1), &rule).await.0, Verdict::Retry("too_large"));
}
