//! Arguments → configuration → telemetry → run → exit status.

fn main() -> std::process::ExitCode {
    paynotify::cli::main()
}
