//! What an error of the HTTP client says: whether the request left, and whether it was read.

use std::{error::Error, sync::Arc};

use super::BackendError;

impl BackendError {
    /// Sorts an error of the HTTP client, instead of an answer, by whether the request left.
    pub(crate) fn instead_of_head(error: reqwest::Error) -> Self {
        if is_unread(&error) {
            return Self::Unread;
        }
        Self::from_http(error)
    }

    /// The same where an answer may have begun.
    pub(crate) fn from_http(error: reqwest::Error) -> Self {
        let unsent = error.is_connect() || error.is_builder();
        // The URL may carry what a registry's author put there; it is never shown.
        let cause = Arc::new(error.without_url());
        if unsent {
            Self::Unreachable { cause }
        } else {
            Self::Interrupted { cause }
        }
    }
}

/// What HTTP/2 promises of a request: that it was not looked at, and can be sent again.
///
/// Spec: RFC 9113, section 8.7.
fn is_unread(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(error) = source.downcast_ref::<h2::Error>() {
            let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let is_farewell = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            return error.is_remote() && (is_refused || is_farewell);
        }
        cause = source.source();
    }
    false
}

/// The innermost cause says what happened ("connection refused"); the outer ones only where.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() && error.is_connect() {
        return "it did not accept a connection in time".to_owned();
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::error::Retry;

    #[tokio::test]
    async fn a_refused_connection_left_nothing_and_shows_no_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = reqwest::get(format!("http://127.0.0.1:{port}/secret-path"))
            .await
            .unwrap_err();
        let error = BackendError::from_http(error);
        assert_eq!(error.retry(), Retry::Always(None));
        let text = error.to_string();
        assert!(text.to_lowercase().contains("refused"), "{text}");
        assert!(!text.contains("secret-path"), "{text}");
    }
}
