//! What an error of the HTTP client says: whether the request left, and whether it was read.

use std::{error::Error, io, sync::Arc};

use super::BackendError;

/// Any error, of which only its words matter.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What an HTTP client met.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// It could not be made.
    #[error(transparent)]
    SetUp(BoxError),
    /// No connection could be had for a call.
    #[error(transparent)]
    Connecting(BoxError),
    /// Instead of the head of a call's answer.
    #[error(transparent)]
    Sending(hyper::Error),
    /// Either of the two, over a connection that may be shared.
    #[error(transparent)]
    Client(hyper_util::client::legacy::Error),
    /// The connection was over and left no error.
    #[error("the connection was closed before the answer was there")]
    Ended,
    /// Within the body of a call's answer.
    #[error(transparent)]
    Body(hyper::Error),
    /// On a stream that is listened to.
    #[error(transparent)]
    Listening(reqwest::Error),
}

impl HttpError {
    /// Whether no connection was there, so that not a byte of the request was sent.
    fn is_unsent(&self) -> bool {
        match self {
            Self::SetUp(_) | Self::Connecting(_) => true,
            Self::Client(error) => error.is_connect(),
            Self::Sending(_) | Self::Ended | Self::Body(_) => false,
            Self::Listening(error) => error.is_connect() || error.is_builder(),
        }
    }

    /// Whether it is that something was not there in time.
    pub(super) fn is_timeout(&self) -> bool {
        if let Self::Listening(error) = self {
            return error.is_timeout();
        }
        self.causes().any(|cause| {
            let io = cause.downcast_ref::<io::Error>();
            io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        })
    }

    /// What the client met and what is behind that, the innermost last.
    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        // Not by `source`, which is transparent: it would leave out the very error that this stands for.
        let first: &(dyn Error + 'static) = match self {
            Self::SetUp(error) | Self::Connecting(error) => &**error,
            Self::Sending(error) | Self::Body(error) => error,
            Self::Client(error) => error,
            Self::Listening(error) => error,
            Self::Ended => self,
        };
        std::iter::successors(Some(first), |error| {
            let error: &(dyn Error + 'static) = *error;
            error.source()
        })
    }
}

impl From<reqwest::Error> for HttpError {
    /// The URL may carry what a registry's author put there; it is never shown.
    fn from(error: reqwest::Error) -> Self {
        Self::Listening(error.without_url())
    }
}

impl BackendError {
    /// Sorts an error of the HTTP client, instead of an answer, by whether the request left.
    pub(crate) fn instead_of_head(error: HttpError) -> Self {
        if is_unread(&error) {
            return Self::Unread;
        }
        Self::from_http(error)
    }

    /// The same where an answer may have begun.
    pub(crate) fn from_http(error: HttpError) -> Self {
        let unsent = error.is_unsent();
        let cause = Arc::new(error);
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
fn is_unread(error: &HttpError) -> bool {
    let mut causes = error.causes();
    let found = causes.find_map(|cause| cause.downcast_ref::<h2::Error>());
    found.is_some_and(|error| {
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let is_farewell = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (is_refused || is_farewell)
    })
}

/// The innermost cause says what happened ("connection refused"); the outer ones only where.
pub(super) fn root_cause(error: &HttpError) -> String {
    if error.is_unsent() && error.is_timeout() {
        return "it did not accept a connection in time".to_owned();
    }
    let innermost = error.causes().last();
    innermost.map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Full;

    use super::*;
    use crate::backend::{error::Retry, transport::call_client::CallClient};

    #[test]
    fn a_connection_that_comes_too_late_is_told_as_such() {
        let late = io::Error::from(io::ErrorKind::TimedOut);
        let error = HttpError::Connecting(late.into());
        assert_eq!(root_cause(&error), "it did not accept a connection in time");
    }

    #[tokio::test]
    async fn a_refused_connection_left_nothing_and_shows_no_address() {
        // Bound and never listening: so that nobody else listens there.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = held.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/secret-path");
        let listening = reqwest::get(&url).await.unwrap_err().into();
        let client = CallClient::new(Duration::from_mins(1)).unwrap();
        let request = http::Request::post(&url).body(Full::default()).unwrap();
        let call = client.send(Box::new(request)).await.err().unwrap();
        for error in [listening, call] {
            let error = BackendError::from_http(error);
            assert_eq!(error.retry(), Retry::Always(None));
            let text = error.to_string();
            assert!(text.to_lowercase().contains("refused"), "{text}");
            assert!(!text.contains("secret-path"), "{text}");
        }
    }
}
