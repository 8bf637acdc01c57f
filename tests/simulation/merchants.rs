//! Merchants and how they answer.

use std::collections::BTreeMap;

use paynotify::{
    engine::{Answer, BodyVerdict, FailReason, TlsFault},
    model::{Ladder, Policy, Span},
};

use super::dice::Dice;

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Acknowledges within milliseconds.
    Good,
    /// Acknowledges just before the deadline.
    Slow,
    /// Says nothing until the deadline.
    Hang,
    /// Acknowledges so many of a hundred.
    Flaky(u64),
    /// Always this status.
    Status(u16),
    /// Unavailable, with a time to come again, in milliseconds.
    RetryAfter(u64),
    /// A good status and another body than the rule wants.
    Body(BodyVerdict),
    /// No answer at all.
    Fails(FailReason),
}

/// What comes of a request.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub took: Span,
    pub answer: Answer,
    /// The merchant has it.
    pub acknowledged: bool,
}

/// The manners of every endpoint, by merchant and number.
#[derive(Debug)]
pub struct Merchants {
    pub manners: BTreeMap<(usize, u8), Manner>,
    /// From now on everybody is good.
    pub healed: bool,
    /// Nobody can be reached.
    pub outage: bool,
    /// No longer waits are asked for, or a short ladder would turn for ever.
    longest: Span,
    /// The longest wait that anybody asked for.
    pub longest_asked: Span,
}

const DAY: Span = Span::from_secs(86_400);
const YEARS: u64 = 10 * 365 * 86_400_000;

/// A bad manner.
pub fn bad(dice: &mut Dice) -> Manner {
    let fails = [
        FailReason::Timeout,
        FailReason::Connect,
        FailReason::Tls(TlsFault::Expired),
        FailReason::Dns,
        FailReason::AddressDenied,
        FailReason::Reset,
        FailReason::TooLarge,
        FailReason::Protocol,
        FailReason::NoSecret,
    ];
    let bodies =
        [BodyVerdict::Differs, BodyVerdict::TooLong, BodyVerdict::NotText, BodyVerdict::Encoded];
    match dice.below(9) {
        0 => Manner::Slow,
        1 => Manner::Hang,
        2 | 3 => Manner::Flaky(dice.pick(&[20, 50, 80])),
        4 => Manner::Status(dice.pick(&[400, 401, 403, 404, 301, 429, 500, 503])),
        5 => Manner::Status(410),
        6 => Manner::RetryAfter(dice.pick(&[0, 1_000, 20_000, 300_000, YEARS])),
        7 => Manner::Body(dice.pick(&bodies)),
        _ => Manner::Fails(dice.pick(&fails)),
    }
}

impl Merchants {
    /// Merchants of whom nothing bad is known.
    pub fn of(ladder: &Ladder) -> Self {
        let largest = ladder.largest().delay();
        let enough = largest >= Span::from_secs(600);
        Self {
            manners: BTreeMap::new(),
            healed: false,
            outage: false,
            longest: Span::from_millis(largest.as_millis() * if enough { 1_000_000 } else { 100 }),
            longest_asked: Span::ZERO,
        }
    }

    /// What comes of a request to this endpoint.
    pub fn ask(&mut self, dice: &mut Dice, endpoint: (usize, u8), policy: &Policy) -> Outcome {
        let manner = self.manners.get(&endpoint).copied().unwrap_or(Manner::Good);
        let manner = match manner {
            _ if self.healed => Manner::Good,
            _ if self.outage => Manner::Fails(dice.pick(&[FailReason::Connect, FailReason::Dns])),
            manner => manner,
        };
        let quick = Span::from_millis(dice.between(1, 60));
        let fails =
            |took, reason| Outcome { took, answer: Answer::Failed(reason), acknowledged: false };
        let answers = |took, status| Outcome {
            took,
            answer: Answer::of_status(status),
            acknowledged: (200..300).contains(&status),
        };
        match manner {
            Manner::Good => answers(quick, dice.pick(&[200, 200, 204])),
            Manner::Slow => {
                let most = policy.timeout.as_millis();
                answers(Span::from_millis(dice.between(most / 2, most)), 200)
            }
            Manner::Hang | Manner::Fails(FailReason::Timeout) => {
                fails(policy.timeout, FailReason::Timeout)
            }
            Manner::Flaky(percent) if dice.percent(percent) => answers(quick, 200),
            Manner::Flaky(_) => answers(quick, 500),
            Manner::Status(status) => answers(quick, status),
            Manner::RetryAfter(millis) => {
                let retry_after = Span::from_millis(millis).min(self.longest);
                self.longest_asked = self.longest_asked.max(retry_after.min(DAY));
                let retry_after = Some(retry_after);
                let body = BodyVerdict::Holds;
                let answer = Answer::Response { status: 503, retry_after, body, excerpt: None };
                Outcome { took: quick, answer, acknowledged: false }
            }
            Manner::Body(body) => {
                let answer =
                    Answer::Response { status: 200, retry_after: None, body, excerpt: None };
                Outcome { took: quick, answer, acknowledged: false }
            }
            Manner::Fails(reason) => fails(quick, reason),
        }
    }
}
