//! SIGTERM and SIGINT → a token; the second of them ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status of a process that was told twice to stop: 128 and SIGINT, as shells write it.
const IMPATIENT: i32 = 130;

/// Begins to listen for signals; the token is cancelled by the first.
///
/// Must be called inside a tokio runtime; fails when the system refuses the handlers.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let name = first(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; a second signal ends at once");
        stop.cancel();
        let name = first(&mut terminate, &mut interrupt).await;
        tracing::warn!(
            signal = name,
            "ending at once: running attempts are cut and repeated later"
        );
        #[expect(clippy::disallowed_methods, reason = "a second signal asks for just this")]
        std::process::exit(IMPATIENT);
    });
    Ok(token)
}

async fn first(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
