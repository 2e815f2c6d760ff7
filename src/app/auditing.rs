//! The audit log of a gateway that serves: opened, opened anew when that is asked for, and written to its end.

use tokio::task::spawn_blocking;

use crate::{
    audit::{AuditLog, AuditTo, Writing},
    watch::Watch,
};

use super::AppError;

/// An audit log, if one is to be written.
pub(super) struct Auditing {
    pub(super) log: AuditLog,
    writing: Option<Writing>,
    _hang_up: Option<Watch>,
}

impl Auditing {
    /// Begins to write.
    ///
    /// # Errors
    ///
    /// [`AppError::Audit`] when it cannot be written.
    pub(super) fn begin(to: Option<AuditTo>) -> Result<Self, AppError> {
        let Some(to) = to else {
            return Ok(Self {
                log: AuditLog::default(),
                writing: None,
                _hang_up: None,
            });
        };
        let (log, writing) = AuditLog::open(to).map_err(AppError::Audit)?;
        let reopened = log.clone();
        // No file: whoever moves it away sends a signal.
        let hang_up = Watch::over(Vec::new(), move || reopened.reopen());
        Ok(Self {
            log,
            writing: Some(writing),
            _hang_up: Some(hang_up.map_err(AppError::Runtime)?),
        })
    }

    /// Waits until every line is written.
    pub(super) async fn end(self) {
        if let Some(writing) = self.writing {
            let log = self.log;
            // A thread that died has said so.
            let _died = spawn_blocking(move || log.close(writing)).await;
        }
    }
}
