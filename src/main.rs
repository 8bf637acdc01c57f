//! Arguments → configuration → telemetry → run → exit status.

fn main() {}
