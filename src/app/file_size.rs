//! What the system does to a process whose file grows beyond a limit.

use super::AppError;

/// SIGXFSZ; the same number on every system that the gateway is built for.
#[cfg(unix)]
const FILE_SIZE_EXCEEDED: i32 = 25;

/// Has a write beyond a limit on the size of files (`ulimit -f`) fail, as one to a full disk does.
/// Without a handler the system kills the process.
///
/// # Errors
///
/// When the system gives no signal handlers.
#[cfg(unix)]
pub(super) fn fail_beyond_a_limit() -> Result<(), AppError> {
    use tokio::signal::unix::{SignalKind, signal};
    // The handler outlives what is returned, and there is nothing to do: the write tells.
    let _told_by_the_write =
        signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED)).map_err(AppError::Runtime)?;
    Ok(())
}

/// Nothing to do on other systems.
///
/// # Errors
///
/// Never.
#[cfg(not(unix))]
pub(super) fn fail_beyond_a_limit() -> Result<(), AppError> {
    Ok(())
}
