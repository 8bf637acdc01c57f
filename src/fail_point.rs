//! Places where a test may end this process as a kill would: at once, with nothing finished.
//! Without the feature `fail-points`, which no release has, nothing of it is compiled.

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A merchant acknowledged, and nothing of it is committed.
    Acknowledged,
    /// A record was handed over for a delay topic, and the broker has not answered.
    RouteSent,
    /// The broker has answered that, and nothing of it is committed.
    RouteAnswered,
    /// Positions are about to be committed.
    Committing,
    /// The broker has taken them, and nobody here knows yet.
    Committed,
    /// Partitions are asked back, and their last positions are not committed.
    Revoking,
    /// Partitions are given, and their positions are not read.
    Assigned,
    /// Their positions are read, and nothing else.
    Positioned,
}

impl Point {
    /// Every point with the name by which it is armed.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Acknowledged, "acknowledged"),
        (Self::RouteSent, "route-sent"),
        (Self::RouteAnswered, "route-answered"),
        (Self::Committing, "committing"),
        (Self::Committed, "committed"),
        (Self::Revoking, "revoking"),
        (Self::Assigned, "assigned"),
        (Self::Positioned, "positioned"),
    ];
}

#[cfg(feature = "fail-points")]
pub use armed::{arm, reach};

#[cfg(feature = "fail-points")]
mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    use super::Point;

    static ARMED: OnceLock<(Point, AtomicU32)> = OnceLock::new();

    /// Ends this process when the point is reached for the `times`th time. Holds once, for good.
    pub fn arm(point: Point, times: u32) {
        let _ = ARMED.set((point, AtomicU32::new(times)));
    }

    /// The process is at this point.
    pub fn reach(point: Point) {
        if let Some((armed, left)) = ARMED.get()
            && *armed == point
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            // No thread goes on and nothing is flushed, as after SIGKILL.
            std::process::abort();
        }
    }
}

/// The process is at this point, which means nothing here.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub const fn reach(_: Point) {}
