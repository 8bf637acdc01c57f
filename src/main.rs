//! Arguments → configuration → telemetry → run → exit status.

/// What one thread allocates another frees; glibc's allocator makes them wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    paynotify::cli::main()
}
