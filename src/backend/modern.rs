//! The modern era towards a backend: discovery, and requests that carry their own context.
//!
//! Spec: 2026-07-28 basic/versioning, basic/transports/streamable-http.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{json, value::RawValue};

use crate::mcp::{
    discovery::Discovery,
    error::{HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION, code_of},
    header::{self, encode_value},
    message::{Message, RequestId},
    meta::{self, TASKS_EXTENSION},
    method::{DISCOVER, LISTEN, TOOLS_CALL},
    object::{self, RawObject},
    request::{Context, Request},
    version::{Era, Revision},
};

use super::{
    adapter::{Encoded, write_body, write_renamed},
    audience::Audience,
    error::BackendError,
    exchange::{Answer, read_answer},
    listening::Filter,
    transport::streamable_http::{Content, Headers, Outgoing, Refusal, Wire},
};

/// Speaks a modern revision; there is nothing else to agree upon.
pub(crate) struct Modern {
    revision: Revision,
}

/// What a probe with `server/discover` found.
pub(super) enum Probe {
    /// A modern server that speaks a revision of ours.
    Modern(Modern, Discovery),
    /// Anything else: a server of the legacy era, if it is one at all.
    Legacy,
}

impl Modern {
    /// The modern way to speak `revision`, if it is a modern one.
    pub(super) fn speaking(revision: Revision) -> Option<Self> {
        (revision.era() == Era::Modern).then_some(Self { revision })
    }

    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn encode(&self, request: &Request, id: &RequestId) -> Encoded {
        let (body, client_token) = self.write(request, id);
        let mut headers = Vec::with_capacity(3);
        headers.push((
            header::PROTOCOL_VERSION,
            HeaderValue::from_static(self.revision.as_str()),
        ));
        if request.method == TOOLS_CALL {
            // Of nearly all it is this one, which needs no memory.
            headers.push((header::METHOD, HeaderValue::from_static(TOOLS_CALL)));
        } else {
            push(&mut headers, header::METHOD, &request.method);
        }
        if let Some(name) = request.repeated_name() {
            push(&mut headers, header::NAME, &encode_value(&name));
        }
        for (name, value) in request.param_headers.iter().flatten() {
            if let Ok(name) = HeaderName::try_from(name) {
                push(&mut headers, name, value);
            }
        }
        Encoded {
            outgoing: Outgoing {
                headers: Headers::Few(headers),
                body,
            },
            client_token,
        }
    }

    /// The body of a request, and what its client calls its progress.
    fn write(&self, request: &Request, id: &RequestId) -> (Bytes, Option<Box<RawValue>>) {
        let context = introduced(&request.context);
        let says_it_all = |meta: &str| meta::says(meta, &request.context, self.revision);
        let pieces = meta::pieces(&context, self.revision);
        let renamed = write_renamed(request, id, &pieces, says_it_all);
        renamed.unwrap_or_else(|| {
            write_body(request, id, |_, members| {
                meta::set_context(members, &context, self.revision);
            })
        })
    }

    /// Asks to hear of this. Spec: 2026-07-28 basic/patterns/subscriptions.
    pub(super) fn listening(&self, id: &RequestId, filter: &Filter) -> Outgoing {
        let params = object::to_raw(&json!({ "notifications": filter.to_json() }));
        let mut context = Context::default();
        if !filter.tasks.is_empty() {
            // Only who knows tasks hears of them.
            let capabilities = json!({ "extensions": { TASKS_EXTENSION: {} } });
            context.capabilities = Some(object::to_raw(&capabilities).into());
        }
        let request = Request::new(LISTEN, Some(params), context);
        self.encode(&request, id).outgoing
    }
}

/// A client that does not say who it is, and the gateway itself, go by the gateway's name.
/// Spec: 2026-07-28 basic, "Per-request protocol fields".
fn introduced(context: &Context) -> Cow<'_, Context> {
    if context.client_info.is_some() {
        return Cow::Borrowed(context);
    }
    Cow::Owned(Context {
        client_info: Some(Arc::clone(&super::OWN_IMPLEMENTATION)),
        ..context.clone()
    })
}

impl Modern {
    /// As for everyone, but what only a server of the legacy era answers shows that the backend
    /// became one. Nothing of the request was carried out.
    pub(super) fn judge(
        refusal: &Refusal,
        id: &RequestId,
        wire: &Wire,
    ) -> Result<Answer, BackendError> {
        let legacy_words = matches!(
            refusal.status,
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        ) && !answers(refusal, id);
        if legacy_words && refusal.json.as_deref().and_then(modern_error).is_none() {
            return Err(BackendError::EraChanged);
        }
        super::refusal::judge(refusal, id, wire)
    }
}

/// Whether an HTTP error carries a JSON-RPC error for this very request.
fn answers(refusal: &Refusal, id: &RequestId) -> bool {
    matches!(
        refusal.json.as_deref().map(Message::read),
        Some(Ok(Message::Error { id: Some(answered), .. })) if answered == *id
    )
}

fn push(headers: &mut Vec<(HeaderName, HeaderValue)>, name: HeaderName, value: &str) {
    // It comes from a header that was received, or from `encode_value`: what does not fit here never
    // arrives.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.push((name, value));
    }
}

/// Asks a server of unknown era what it is.
///
/// # Errors
///
/// What says nothing of the era: no connection, overload, a refused credential, or a modern server
/// with which no revision is shared.
pub(super) async fn probe(wire: &Wire, context: &Context) -> Result<Probe, BackendError> {
    match ask(wire, context, Revision::LATEST_MODERN).await? {
        Said::Probe(probe) => Ok(probe),
        // Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation".
        Said::Offers(revision) => match ask(wire, context, revision).await? {
            Said::Probe(probe) => Ok(probe),
            Said::Offers(_) => Err(BackendError::Incompatible {
                reason: format!("it offers {revision} and refuses it"),
            }),
        },
    }
}

/// What a server said to one try.
enum Said {
    /// What it is.
    Probe(Probe),
    /// That it wants to be spoken to in this modern revision.
    Offers(Revision),
}

async fn ask(wire: &Wire, context: &Context, revision: Revision) -> Result<Said, BackendError> {
    let modern = Modern { revision };
    let id = RequestId::from_number(0);
    // What the client can do is no matter yet.
    let context = Context {
        client_info: context.client_info.clone(),
        ..Context::default()
    };
    let request = Request::new(DISCOVER, None, context);
    let reply = wire.post(modern.encode(&request, &id).outgoing).await?;
    let answer = match reply.content {
        Content::Refused(refused) => {
            let says_modern = refused.json.as_deref().and_then(modern_error);
            let Some(error) = says_modern else {
                let judged = super::refusal::judge(&refused, &id, wire);
                return unknown_era(judged).map(Said::Probe);
            };
            Answer::Error(error)
        }
        answering => match read_answer(answering, &id, &Audience::nobody()).await {
            Ok(answer) => answer,
            Err(error) => return unknown_era(Err(error)).map(Said::Probe),
        },
    };
    match answer {
        Answer::Result(result) => Ok(Said::Probe(
            read_discovery(&result)
                .map_or(Probe::Legacy, |discovery| Probe::Modern(modern, discovery)),
        )),
        Answer::Error(error) => settle(&error),
    }
}

/// A refused credential or an overloaded server is neither era; every other refusal means legacy.
fn unknown_era(judged: Result<Answer, BackendError>) -> Result<Probe, BackendError> {
    match judged {
        Err(
            error @ (BackendError::CredentialRefused { .. }
            | BackendError::Overloaded { .. }
            | BackendError::BadGateway { .. }
            | BackendError::Unreachable { .. }),
        ) => Err(error),
        _ => Ok(Probe::Legacy),
    }
}

fn read_discovery(result: &[u8]) -> Option<Discovery> {
    let result: &RawValue = serde_json::from_slice(result).ok()?;
    let is_discovery = RawObject::parse(result)
        .ok()?
        .get("supportedVersions")
        .is_some_and(|versions| versions.get().starts_with('['));
    is_discovery.then(|| Discovery::read(result).ok()).flatten()
}

pub(super) fn modern_error(body: &[u8]) -> Option<Box<RawValue>> {
    match Message::read(body) {
        Ok(Message::Error { error, .. }) => code_of(error)
            .is_some_and(|code| {
                [HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION].contains(&code)
            })
            .then(|| error.to_owned()),
        _ => None,
    }
}

/// Reads a discovery's error: a modern server may want another modern revision, or share a legacy one
/// with the gateway, or none.
fn settle(error: &RawValue) -> Result<Said, BackendError> {
    #[derive(serde::Deserialize)]
    struct Unsupported {
        data: Versions,
    }
    #[derive(serde::Deserialize)]
    struct Versions {
        supported: Vec<String>,
    }
    match code_of(error) {
        Some(UNSUPPORTED_VERSION) => {
            let supported = serde_json::from_str::<Unsupported>(error.get())
                .map(|error| error.data.supported)
                .unwrap_or_default();
            let shared = || {
                let versions = supported.iter();
                versions.filter_map(|version| version.parse::<Revision>().ok())
            };
            if let Some(modern) = shared().filter(|known| known.era() == Era::Modern).max() {
                return Ok(Said::Offers(modern));
            }
            if shared().next().is_some() {
                return Ok(Said::Probe(Probe::Legacy));
            }
            Err(BackendError::Incompatible {
                reason: "it speaks only revisions that the gateway does not".to_owned(),
            })
        }
        Some(HEADER_MISMATCH | MISSING_CAPABILITY) => Err(BackendError::Incompatible {
            reason: "it refused server/discover".to_owned(),
        }),
        _ => Ok(Said::Probe(Probe::Legacy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::kind::ListKind;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_error_settles_the_era_only_when_it_is_a_modern_one() {
        let unsupported = |list: &str| {
            settle(&raw(&format!(
                r#"{{"code":-32022,"message":"","data":{{"supported":{list},"requested":"x"}}}}"#
            )))
        };
        assert!(matches!(
            unsupported(r#"["2025-11-25"]"#),
            Ok(Said::Probe(Probe::Legacy))
        ));
        assert!(matches!(
            unsupported(r#"["2025-11-25","2026-07-28"]"#),
            Ok(Said::Offers(Revision::V2026_07_28))
        ));
        assert!(unsupported(r#"["2031-01-01"]"#).is_err());
        assert!(matches!(
            settle(&raw(r#"{"code":-32601,"message":""}"#)),
            Ok(Said::Probe(Probe::Legacy))
        ));
        assert!(
            modern_error(br#"{"jsonrpc":"2.0","error":{"code":-32020,"message":""}}"#).is_some()
        );
        assert!(
            modern_error(br#"{"jsonrpc":"2.0","error":{"code":-32000,"message":""}}"#).is_none()
        );
    }

    #[test]
    fn a_result_is_a_discovery_only_with_its_versions() {
        assert!(
            read_discovery(br#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#).is_some()
        );
        assert!(read_discovery(br#"{"capabilities":{}}"#).is_none());
        assert!(read_discovery(b"[]").is_none());
    }

    #[test]
    fn only_what_is_wanted_is_listened_for() {
        let modern = Modern::speaking(Revision::LATEST_MODERN).unwrap();
        let mut filter = Filter {
            kinds: vec![ListKind::Tools],
            ..Filter::default()
        };
        let outgoing = modern.listening(&RequestId::from_number(5), &filter);
        assert_eq!(
            outgoing.headers.protocol()["mcp-method"],
            "subscriptions/listen"
        );
        let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
        assert_eq!(body["id"], 5);
        assert_eq!(
            body["params"]["notifications"],
            json!({"toolsListChanged": true})
        );
        let meta = &body["params"]["_meta"];
        assert_eq!(meta[meta::PROTOCOL_VERSION], "2026-07-28");
        assert_eq!(meta[meta::CLIENT_CAPABILITIES], json!({}));
        filter.tasks.insert("t".to_owned());
        let outgoing = modern.listening(&RequestId::from_number(6), &filter);
        let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
        assert_eq!(
            body["params"]["notifications"],
            json!({"toolsListChanged": true, "taskIds": ["t"]})
        );
        let capabilities = &body["params"]["_meta"][meta::CLIENT_CAPABILITIES];
        assert_eq!(capabilities["extensions"][TASKS_EXTENSION], json!({}));
    }

    #[test]
    fn headers_mirror_the_body() {
        let modern = Modern::speaking(Revision::LATEST_MODERN).unwrap();
        let request = Request {
            name: Some("größe".into()),
            param_headers: Some(vec![("mcp-param-region".into(), "eu".into())]),
            ..Request::new("tools/call", None, Context::default())
        };
        let encoded = modern.encode(&request, &RequestId::from_number(1)).outgoing;
        assert_eq!(encoded.headers.protocol()["mcp-method"], "tools/call");
        assert_eq!(
            encoded.headers.protocol()["mcp-name"],
            "=?base64?Z3LDtsOfZQ==?="
        );
        assert_eq!(encoded.headers.protocol()["mcp-param-region"], "eu");
        assert_eq!(
            encoded.headers.protocol()["mcp-protocol-version"],
            "2026-07-28"
        );
    }
}
