//! `[scheduling.classes]`.

use paynotify::model::Method;

use super::load;

#[test]
fn classes_are_parts_of_the_slots_standard_first_and_always_there() {
    let file = "[scheduling.classes.gold]\nreserved = 0.25\nmethod = \"fifo\"\n\
                [scheduling.classes.bulk]\nmax_share = 0.5\n[scheduling.classes.plain]\n\
                [defaults.policy]\nclass = \"bulk\"\nweight = 2.5\n";
    let config = load(file, &[], &[]).unwrap().config;
    let classes = config.scheduling.classes(200);
    let shown: Vec<_> = classes
        .iter()
        .map(|class| (class.name.as_str(), class.reserved, class.most, class.method))
        .collect();
    let fair = Method::Fair;
    assert_eq!(
        shown,
        [
            ("standard", 0, 200, fair),
            ("bulk", 0, 100, fair),
            ("gold", 50, 200, Method::Fifo),
            ("plain", 0, 200, fair)
        ]
    );
    assert_eq!(config.defaults.policy.class.place(), 1);
    assert_eq!(config.defaults.policy.weight.tenths(), 25);
}

#[test]
fn every_mistake_of_a_class_names_key_place_and_remedy() {
    let cases = [
        (
            "[scheduling.classes.gold]\nreserved = 3",
            "pay.toml:2: scheduling.classes.gold.reserved: \"3\" is not a number from 0 to 1; \
             write a number from 0 to 1",
        ),
        (
            "[scheduling.classes.gold]\nreserved = 0.6\nmax_share = 0.5",
            "pay.toml:3: scheduling.classes.gold.max_share: less than what is reserved, or nothing; \
             write at least the share of `reserved`",
        ),
        (
            "[scheduling.classes.gold]\nreserved = 0.6\n[scheduling.classes.bulk]\nreserved = 0.5",
            "pay.toml:2: scheduling.classes.gold.reserved: the classes reserve more than all slots; \
             reserve less",
        ),
        (
            "[scheduling.classes.gold]\nmethod = \"lifo\"",
            "pay.toml:2: scheduling.classes.gold.method: \"lifo\" is no method; \
             write \"fair\" (by turns) or \"fifo\" (by age of the events)",
        ),
        (
            "[defaults.policy]\nclass = \"gold\"",
            "pay.toml:2: defaults.policy.class: \"gold\" is not configured; \
             write one of standard, or [scheduling.classes.gold]",
        ),
    ];
    for (file, message) in cases {
        assert_eq!(load(file, &[], &[]).unwrap_err(), message, "of {file:?}");
    }
}
