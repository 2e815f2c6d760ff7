//! The signals that end the program.

use super::AppError;

/// Listens for `SIGTERM` and `SIGINT` from now on; what is returned ends with the first of them. The
/// second ends the program at once, after `last`.
///
/// # Errors
///
/// When the system gives no signal handlers.
#[cfg(unix)]
pub(super) fn stop(
    last: impl FnOnce() + Send + 'static,
) -> Result<impl Future<Output = ()> + Send + 'static, AppError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Runtime)?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(
            signal = name,
            "stopping on {name}; requests in flight may finish, unless another signal comes"
        );
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // What was acknowledged is on the disk; nothing else is worth the wait any more.
            tracing::warn!("stopped by a second signal");
            last();
            std::process::exit(130);
        });
    })
}

/// Listens for Ctrl-C; what is returned ends with it.
///
/// # Errors
///
/// Never; for the sake of the other systems.
#[cfg(not(unix))]
pub(super) fn stop(
    _last: impl FnOnce() + Send + 'static,
) -> Result<impl Future<Output = ()> + Send + 'static, AppError> {
    Ok(async {
        // Without a handler the system ends the program by itself.
        let _no_handler = tokio::signal::ctrl_c().await;
        tracing::info!("stopping on Ctrl-C; requests in flight may finish");
    })
}
