//! `Retry-After`, which merchants send.

use paynotify::{
    merchant::client::wait_asked,
    model::{Span, Timestamp},
};
use proptest::{collection::vec, prelude::*};

/// What is asked is cut here; the engine cuts again.
const LONGEST: Span = Span::from_secs(30 * 86_400);

prop_compose! {
    fn any_now()(seconds in 0_i64..4_000_000_000) -> Timestamp { Timestamp::from_millis(seconds * 1_000) }
}

proptest! {
    #[test]
    fn any_value_is_a_bounded_wait_or_none(value in vec(any::<u8>(), 0..60), now in any_now()) {
        prop_assert!(wait_asked(&value, now).is_none_or(|wait| wait <= LONGEST));
    }

    #[test]
    fn any_text_is_a_bounded_wait_or_none(
        text in "(-?[0-9]{0,40}(\\.[0-9]{1,3})?)|((Sun|Mon|Sunday)?,? ?[0-9]{0,2}[ -](Feb|Nov|XXX)[ -][0-9]{2,6} [0-9]{2}:[0-9]{2}:[0-9]{2}( GMT)?)",
        now in any_now(),
    ) {
        prop_assert!(wait_asked(text.as_bytes(), now).is_none_or(|wait| wait <= LONGEST));
    }

    #[test]
    fn seconds_are_what_they_say_up_to_the_bound(seconds in any::<u64>(), now in any_now()) {
        let wait = wait_asked(format!(" {seconds} ").as_bytes(), now);
        prop_assert_eq!(wait, Some(Span::from_secs(seconds.min(30 * 86_400))));
    }

    #[test]
    fn a_date_is_the_time_until_then_and_nothing_when_it_is_past(at in any_now(), now in any_now()) {
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at.as_millis().unsigned_abs());
        let wait = wait_asked(httpdate::fmt_http_date(date).as_bytes(), now);
        prop_assert_eq!(wait, Some(at.since(now).min(LONGEST)));
    }
}
