//! The legacy era towards a backend: handshake, MCP session, messages.
//!
//! Spec: 2025-11-25 basic/lifecycle, basic/transports.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::value::RawValue;

use crate::mcp::{
    discovery::Discovery,
    error::{INVALID_PARAMS, METHOD_NOT_FOUND, UNSUPPORTED_VERSION, code_of},
    header::{PROTOCOL_VERSION, SESSION_ID},
    message::{Message, RequestId, write_notification, write_request},
    meta,
    method::{CANCELLED, INITIALIZE, INITIALIZED, may_want_input},
    object::RawObject,
    request::{Context, Request},
    version::Revision,
};

use super::{
    adapter::{Encoded, write_body, write_renamed},
    audience::Audience,
    error::BackendError,
    exchange::{Answer, read_answer},
    input,
    modern::modern_error,
    refusal,
    transport::streamable_http::{Constant, Content, Headers, Outgoing, Refusal, Wire},
};

/// What a handshake agreed upon.
pub(crate) struct Legacy {
    revision: Revision,
    session: Option<HeaderValue>,
    /// The headers of every message after the handshake.
    headers: Arc<Constant>,
}

impl Legacy {
    pub(super) fn new(revision: Revision, session: Option<HeaderValue>) -> Self {
        let mut headers = HeaderMap::with_capacity(2);
        if let Some(session) = &session {
            headers.insert(SESSION_ID, session.clone());
        }
        // Older backends know no such header; one that is strict may refuse it.
        if revision >= Revision::V2025_06_18 {
            headers.insert(
                PROTOCOL_VERSION,
                HeaderValue::from_static(revision.as_str()),
            );
        }
        Self {
            revision,
            session,
            headers: Constant::new(headers),
        }
    }

    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) const fn session(&self) -> Option<&HeaderValue> {
        self.session.as_ref()
    }

    /// Only one revision ever had them. Spec: 2025-03-26 basic, "Batches".
    pub(super) fn takes_batches(&self) -> bool {
        self.revision == Revision::V2025_03_26
    }

    /// The headers of every message after the handshake.
    pub(super) fn headers(&self) -> &HeaderMap {
        self.headers.own()
    }

    fn constant(&self) -> Headers {
        Headers::Constant(Arc::clone(&self.headers))
    }

    pub(super) fn encode(&self, request: &Request, id: &RequestId) -> Encoded {
        let renamed = write_renamed(request, id, &[], |_| false);
        let (body, client_token) = renamed.unwrap_or_else(|| {
            write_body(request, id, |params, members| {
                if may_want_input(&request.method) {
                    input::remove(params);
                }
                meta::remove_context(members);
            })
        });
        Encoded {
            outgoing: Outgoing {
                headers: self.constant(),
                body,
            },
            client_token,
        }
    }

    pub(super) fn cancellation(&self, id: &RequestId) -> Outgoing {
        let params = format!(r#"{{"requestId":{}}}"#, id.as_json());
        let params = RawValue::from_string(params).unwrap_or_default();
        Outgoing {
            headers: self.constant(),
            body: write_notification(CANCELLED, Some(&params)),
        }
    }

    /// Asks for the stream of what belongs to no request.
    /// Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server".
    pub(super) fn listening(&self) -> Outgoing {
        Outgoing {
            headers: self.constant(),
            body: Bytes::new(),
        }
    }

    /// As for everyone, but a 404 (and what servers in use answer instead) means that the MCP
    /// session is over. Spec: 2025-11-25 basic/transports, "Session Management".
    pub(super) fn judge(
        &self,
        refusal: &Refusal,
        id: &RequestId,
        wire: &Wire,
    ) -> Result<Answer, BackendError> {
        if refusal.json.as_deref().and_then(modern_error).is_some() {
            return Err(BackendError::EraChanged);
        }
        if self.session.is_some() && is_expiry(refusal, id) {
            return Err(BackendError::SessionExpired);
        }
        refusal::judge(refusal, id, wire)
    }
}

/// Whether a refusal proves that the MCP session is over and nothing of the request ran: then it is
/// sent once more over another.
///
/// 404 says so by the protocol, unless the request's own answer is in it and speaks of something else. The
/// reference servers answer 400, with words about a session or initialization: before they read the request, so that
/// their error has no id, or one that no request of the gateway's can have. One with a number may be
/// what became of some call.
fn is_expiry(refusal: &Refusal, id: &RequestId) -> bool {
    let Some(Ok(Message::Error {
        id: answered,
        error,
    })) = refusal.json.as_deref().map(Message::read)
    else {
        return refusal.status == StatusCode::NOT_FOUND;
    };
    let speaks_of_session = || {
        let message = RawObject::parse_or_empty(Some(error)).get_str("message");
        message.is_some_and(|message| {
            let message = message.to_ascii_lowercase();
            message.contains("session") || message.contains("not initialized")
        })
    };
    match (refusal.status, answered) {
        (StatusCode::NOT_FOUND, answered) => answered.as_ref() != Some(id) || speaks_of_session(),
        (StatusCode::BAD_REQUEST, answered) => {
            let is_nobodys = |id: &RequestId| id.as_json().starts_with('"');
            answered.as_ref().is_none_or(is_nobodys) && speaks_of_session()
        }
        _ => false,
    }
}

/// Shakes hands: `initialize`, then `notifications/initialized`. What is declared are the client's
/// own capabilities: a backend asks for nothing else.
///
/// # Errors
///
/// Whatever kept the backend from agreeing on a revision of the legacy era.
pub(super) async fn initialize(
    wire: &Wire,
    context: &Context,
    offer: Revision,
) -> Result<(Legacy, Discovery), BackendError> {
    let id = RequestId::from_number(0);
    let client_info = match &context.client_info {
        Some(info) => info.get().to_owned(),
        None => super::OWN_IMPLEMENTATION.get().to_owned(),
    };
    let capabilities = context.capabilities.as_ref().map_or("{}", |raw| raw.get());
    let params = format!(
        r#"{{"protocolVersion":"{offer}","capabilities":{capabilities},"clientInfo":{client_info}}}"#
    );
    let params = RawValue::from_string(params).unwrap_or_default();
    let reply = wire
        .post(Outgoing {
            headers: HeaderMap::new().into(),
            body: write_request(&id, INITIALIZE, Some(&params)),
        })
        .await?;
    let answer = match reply.content {
        Content::Refused(refused) => refusal::judge(&refused, &id, wire)?,
        answering => read_answer(answering, &id, &Audience::nobody()).await?,
    };
    let (revision, discovery) = agree(answer)?;
    let legacy = Legacy::new(revision, reply.session);
    legacy.confirm(wire).await?;
    Ok((legacy, discovery))
}

impl Legacy {
    async fn confirm(&self, wire: &Wire) -> Result<(), BackendError> {
        let reply = wire
            .post(Outgoing {
                headers: self.constant(),
                body: write_notification(INITIALIZED, None),
            })
            .await?;
        match reply.content {
            Content::Refused(refused) => {
                refusal::judge(&refused, &RequestId::from_number(0), wire).map(drop)
            }
            // Some servers answer a notification with a body; nobody waits for it.
            _ => Ok(()),
        }
    }
}

fn agree(answer: Answer) -> Result<(Revision, Discovery), BackendError> {
    let result = match answer {
        Answer::Result(result) => result,
        Answer::Error(error) => {
            let code = code_of(&error).unwrap_or_default();
            return Err(match code {
                METHOD_NOT_FOUND | INVALID_PARAMS | UNSUPPORTED_VERSION => {
                    BackendError::Incompatible {
                        reason: format!("it answered initialize with error {code}"),
                    }
                }
                // A server that is still starting, say: it may agree later.
                _ => BackendError::NotOpened { code },
            });
        }
    };
    let garbled = |_| BackendError::Garbled {
        what: "an initialize result that is not one",
    };
    let result: &RawValue = serde_json::from_slice(&result).map_err(garbled)?;
    let discovery = Discovery::read(result).map_err(garbled)?;
    let version = RawObject::parse_or_empty(Some(result)).get_str("protocolVersion");
    let version = version.unwrap_or_default();
    match version.parse::<Revision>() {
        Ok(revision) if revision <= Revision::LATEST_LEGACY => Ok((revision, discovery)),
        // Not quoted: what a backend wrote has no place in logs and in the API.
        _ => Err(BackendError::Incompatible {
            reason: "it answered initialize with a revision that the gateway does not speak"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, json: Option<&'static str>) -> Refusal {
        Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            json: json.map(Into::into),
        }
    }

    #[test]
    fn an_ended_session_is_told_from_a_bad_request() {
        let id = RequestId::from_number(1);
        let is_expiry = |status, json| super::is_expiry(&refused(status, json), &id);
        let says = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
        let own = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the session id of the shop is used up"}}"#;
        let other = r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"bad arguments"}}"#;
        let named = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Bad Request: Missing session ID"}}"#;
        let another =
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"no such session"}}"#;
        assert!(is_expiry(404, None));
        assert!(is_expiry(404, Some(says)));
        assert!(is_expiry(404, Some(named)));
        let answer =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such order"}}"#;
        assert!(is_expiry(404, Some(own)));
        assert!(!is_expiry(404, Some(answer)), "the call's own answer");
        assert!(is_expiry(400, Some(says)));
        assert!(is_expiry(400, Some(named)));
        assert!(!is_expiry(400, Some(own)));
        assert!(!is_expiry(400, Some(another)));
        assert!(!is_expiry(400, Some(other)));
        assert!(!is_expiry(400, None));
        assert!(!is_expiry(500, Some(says)));
    }

    #[test]
    fn a_strict_old_backend_gets_no_header_it_does_not_know() {
        let old = Legacy::new(Revision::V2025_03_26, None);
        assert!(old.headers().is_empty());
        let new = Legacy::new(Revision::V2025_11_25, Some(HeaderValue::from_static("s")));
        let new = new.headers();
        assert_eq!(new[PROTOCOL_VERSION], "2025-11-25");
        assert_eq!(new[SESSION_ID], "s");
    }

    #[test]
    fn a_revision_nobody_knows_is_no_agreement() {
        let answer = Answer::Result(r#"{"protocolVersion":"1999-01-01","capabilities":{}}"#.into());
        assert!(matches!(
            agree(answer),
            Err(BackendError::Incompatible { .. })
        ));
        let answer = Answer::Result(r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#.into());
        assert_eq!(agree(answer).unwrap().0, Revision::V2025_06_18);
    }
}
