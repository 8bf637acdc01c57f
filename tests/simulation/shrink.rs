//! From a world that breaks a promise to a shorter one that breaks the same.

use super::{faults::Fault, plan::Cut};

/// The most that can be cut while `breaks` stays true: kinds of faults first, then how many faults
/// and events there are. One pass over the kinds, and halves after that.
pub fn shrink(
    faults: &[Fault],
    mut count: usize,
    mut events: usize,
    breaks: impl Fn(&Cut) -> bool,
) -> Cut {
    let mut cut = Cut::default();
    for fault in faults {
        let mut less = cut.clone();
        less.off.insert(*fault);
        if breaks(&less) {
            cut = less;
        }
    }
    while let Some(less) = fewer(count, |count| Cut { faults: Some(count), ..cut.clone() }, &breaks)
    {
        count = less;
        cut.faults = Some(less);
    }
    while let Some(less) =
        fewer(events, |events| Cut { events: Some(events), ..cut.clone() }, &breaks)
    {
        events = less;
        cut.events = Some(less);
    }
    cut
}

/// Half as many, three quarters, or one less: the first that still breaks.
fn fewer(count: usize, cut: impl Fn(usize) -> Cut, breaks: impl Fn(&Cut) -> bool) -> Option<usize> {
    let tries = [count / 2, count - count / 4, count.saturating_sub(1)];
    tries.into_iter().find(|less| *less < count && breaks(&cut(*less)))
}

#[test]
fn what_is_not_needed_for_the_failure_is_cut() {
    let needs = |cut: &Cut| {
        !cut.off.contains(&Fault::Crash)
            && cut.faults.is_none_or(|count| count >= 3)
            && cut.events.is_none_or(|count| count >= 17)
    };
    let cut = shrink(&[Fault::Restart, Fault::Crash, Fault::Poison], 12, 60, needs);
    let off = [Fault::Restart, Fault::Poison].into();
    assert_eq!(cut, Cut { off, faults: Some(3), events: Some(17) });
}
