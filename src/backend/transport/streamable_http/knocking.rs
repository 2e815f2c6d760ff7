//! Knocks at a backend's door: whether anything answers there at all.

use std::time::Duration;

use http::{StatusCode, header::USER_AGENT};
use tokio::time::timeout;

use super::{AGENT, Address};
use crate::backend::error::{BackendError, HttpError};

impl Address {
    /// Asks for the head of what is there, without a word of MCP and with nothing of a session or of the registry's
    /// headers: whatever the status, somebody answered.
    pub(crate) async fn knock(&self, within: Duration) -> Result<StatusCode, BackendError> {
        let request = self.clients.listening.head(self.uri.to_string());
        let sent = request.header(USER_AGENT, AGENT).send();
        let answered = timeout(within, sent)
            .await
            .map_err(|_| BackendError::Silent { after: within })?;
        let answer = answered.map_err(|error| BackendError::from_http(HttpError::from(error)))?;
        Ok(answer.status())
    }
}
