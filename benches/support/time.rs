//! The time of the machine, and what ids of events tell of it: `evt_<microseconds>_<number>`.

/// Microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time of the machine")]
pub fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Lets other processes go on for a while.
#[expect(clippy::disallowed_methods, reason = "a benchmark looks at other processes now and then")]
pub fn pause(time: std::time::Duration) {
    std::thread::sleep(time);
}

/// When the event of this id was published, and its number.
pub fn published(id: &str) -> Option<(i64, u64)> {
    let (sent_us, number) = id.strip_prefix("evt_")?.split_once('_')?;
    Some((sent_us.parse().ok()?, number.parse().ok()?))
}
