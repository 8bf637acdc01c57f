//! Named schedules: the intervals that payment platforms publish, after the first attempt.
//!
//! The tables are those of `merchant-conventions`, from the platforms' own documentation; where a
//! platform publishes no table but "exponential", the name ends in `-like` and the table is ours.

use super::Span;

const S: u64 = 1;
const M: u64 = 60;
const H: u64 = 3_600;
const D: u64 = 86_400;

/// A schedule with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// As it is written in `intervals`.
    pub name: &'static str,
    /// Seconds, in order.
    seconds: &'static [u64],
    /// The last interval is repeated so often.
    repeated: usize,
}

const fn preset(name: &'static str, seconds: &'static [u64]) -> Preset {
    Preset { name, seconds, repeated: 0 }
}

/// Every preset, by name.
pub const PRESETS: [Preset; 13] = [
    // 9 s, 18 s, 27 s, then 2 m to 8 h, and every 8 h up to 30 days.
    Preset {
        name: "adyen",
        seconds: &[
            9 * S,
            18 * S,
            27 * S,
            2 * M,
            5 * M,
            10 * M,
            15 * M,
            30 * M,
            H,
            2 * H,
            4 * H,
            8 * H,
        ],
        repeated: 87,
    },
    // Domestic: 8 sends in 24 h 24 m.
    preset("alipay", &[4 * M, 10 * M, 10 * M, H, 2 * H, 6 * H, 15 * H]),
    preset("alipay-cross-border", &[2 * M, 10 * M, 10 * M, H, 2 * H, 6 * H, 15 * H]),
    // Its table begins with 0 s, which is the first attempt.
    preset("antom", &[2 * M, 10 * M, 10 * M, H, 2 * H, 6 * H, 15 * H]),
    preset("dwolla", &[15 * M, 45 * M, 2 * H, 3 * H, 6 * H, 12 * H, 24 * H, 24 * H]),
    // 1 m, 5 m twice, 10 m and 1 h five times, 6 h three times: 24 h.
    preset(
        "hyperswitch",
        &[
            M,
            5 * M,
            5 * M,
            10 * M,
            10 * M,
            10 * M,
            10 * M,
            10 * M,
            H,
            H,
            H,
            H,
            H,
            6 * H,
            6 * H,
            6 * H,
        ],
    ),
    preset("klarna", &[10 * S, 2 * M, 15 * M, 3 * H, 6 * H, 12 * H]),
    preset("mercado-pago", &[5 * M, 45 * M, 6 * H, 2 * D, 4 * D]),
    // 10 calls in 26 h.
    preset("mollie", &[M, 2 * M, 4 * M, 8 * M, 16 * M, 29 * M, H, 2 * H, 22 * H]),
    preset(
        "payu-europe",
        &[
            M,
            2 * M,
            5 * M,
            10 * M,
            30 * M,
            H,
            2 * H,
            3 * H,
            6 * H,
            9 * H,
            12 * H,
            15 * H,
            18 * H,
            21 * H,
            24 * H,
            36 * H,
            48 * H,
            60 * H,
            72 * H,
        ],
    ),
    // Its table begins with 0 s, which is the first attempt; it wants jitter beside.
    preset(
        "standard-webhooks",
        &[5 * S, 5 * M, 30 * M, 2 * H, 5 * H, 10 * H, 14 * H, 20 * H, 24 * H],
    ),
    // "Exponential, up to 3 days": doubled from a minute, 68 h 15 m.
    preset(
        "stripe-like",
        &[
            M,
            2 * M,
            4 * M,
            8 * M,
            16 * M,
            32 * M,
            64 * M,
            128 * M,
            256 * M,
            512 * M,
            1_024 * M,
            2_048 * M,
        ],
    ),
    // 24 h 4 m.
    preset(
        "wechat-pay",
        &[
            15 * S,
            15 * S,
            30 * S,
            3 * M,
            10 * M,
            20 * M,
            30 * M,
            30 * M,
            30 * M,
            H,
            3 * H,
            3 * H,
            3 * H,
            6 * H,
            6 * H,
        ],
    ),
];

impl Preset {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }

    /// Its intervals in order.
    pub fn intervals(self) -> Vec<Span> {
        let last = self.seconds.last().copied();
        let repeated = last.into_iter().flat_map(|last| std::iter::repeat_n(last, self.repeated));
        self.seconds.iter().copied().chain(repeated).map(Span::from_secs).collect()
    }

    /// An age limit that leaves room for the attempts themselves: a quarter more than the sum.
    pub fn max_age(self) -> Span {
        let sum = self.intervals().into_iter().fold(Span::ZERO, Span::plus);
        sum.plus(Span::from_millis(sum.as_millis() / 4))
    }

    /// All names, for messages.
    pub fn names() -> String {
        PRESETS.map(|preset| preset.name).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(name: &str) -> Span {
        let intervals = Preset::named(name).unwrap().intervals();
        intervals.into_iter().fold(Span::ZERO, Span::plus)
    }

    #[test]
    fn the_sums_are_those_that_are_published() {
        for (name, minutes) in [
            ("wechat-pay", 24 * 60 + 4),
            ("alipay", 24 * 60 + 24),
            ("antom", 24 * 60 + 22),
            ("mollie", 26 * 60),
            ("hyperswitch", 24 * 60 + 1),
        ] {
            assert_eq!(total(name), Span::from_secs(minutes * 60), "{name}");
        }
        let (least, most) = (Span::from_secs(29 * D), Span::from_secs(30 * D));
        assert!((least..=most).contains(&total("adyen")), "{}", total("adyen"));
    }

    #[test]
    fn names_are_in_order_and_found() {
        let names = PRESETS.map(|preset| preset.name);
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| Preset::named(name).is_some()));
        assert_eq!(Preset::named("wechat"), None);
    }
}
