//! What a backend's HTTP error means, the same in both eras.

use http::StatusCode;

use crate::mcp::message::{Message, RequestId};

use super::{
    error::BackendError,
    exchange::Answer,
    transport::streamable_http::{Refusal, Wire},
};

/// Tells a refused credential, an overloaded backend, a proxy's complaint, and an answer apart.
///
/// A JSON-RPC error in the body is an answer, whatever the status: it is passed on untouched.
pub(super) fn judge(
    refusal: &Refusal,
    id: &RequestId,
    wire: &Wire,
) -> Result<Answer, BackendError> {
    let status = refusal.status;
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(wire.credential_refused(status)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(BackendError::Overloaded {
                status,
                retry_after: refusal.retry_after,
            })
        }
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Err(BackendError::BadGateway { status })
        }
        _ => match refusal.json.as_deref().map(Message::read) {
            Some(Ok(Message::Error {
                id: answered,
                error,
            })) if answered.as_ref().is_none_or(|answered| answered == id) => {
                Ok(Answer::Error(error.to_owned()))
            }
            _ => Err(BackendError::Status { status }),
        },
    }
}

/// Whether the same request may be granted later.
pub(super) fn may_pass(status: StatusCode) -> bool {
    let is_trouble = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    is_trouble
        || [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::REQUEST_TIMEOUT,
            // A server may allow one stream a session, and not know yet that the last one ended.
            StatusCode::CONFLICT,
        ]
        .contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_that_may_pass_is_asked_again() {
        for (status, passes) in [
            (500, true),
            (503, true),
            (429, true),
            (409, true),
            (501, false),
            (404, false),
            (405, false),
            (401, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(may_pass(status), passes, "{status}");
        }
    }
}
