//! The modern era towards a backend: discovery, and requests that carry their own context.
//!
//! Spec: 2026-07-28 basic/versioning, basic/transports/streamable-http.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{json, value::RawValue};

use crate::mcp::{
    discovery::Discovery,
    error::{HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION, code_of},
    header::{self, encode_value},
    message::{Message, RequestId},
    meta,
    method::{
        DISCOVER, LISTEN, PROMPTS_GET, RESOURCES_READ, TASKS_CANCEL, TASKS_GET, TASKS_UPDATE,
        TOOLS_CALL, subject_member,
    },
    object::{self, RawObject},
    request::{Context, Request},
    version::{Era, Revision},
};

use super::{
    adapter::{Encoded, write_body},
    audience::Audience,
    error::BackendError,
    exchange::{Answer, read_answer},
    listening::Filter,
    transport::streamable_http::{Content, Outgoing, Refusal, Wire},
};

/// Spec: SEP-2663, "Capability Negotiation".
const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

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
        let (body, client_token) = write_body(request, id, |_, members| {
            meta::set_context(members, &request.context, self.revision);
        });
        let mut headers = HeaderMap::with_capacity(3 + request.param_headers.len());
        headers.insert(
            header::PROTOCOL_VERSION,
            HeaderValue::from_static(self.revision.as_str()),
        );
        insert(&mut headers, header::METHOD, &request.method);
        if let Some(name) = named(request) {
            insert(&mut headers, header::NAME, &encode_value(&name));
        }
        for (name, value) in &request.param_headers {
            insert(&mut headers, name, value);
        }
        Encoded {
            outgoing: Outgoing { headers, body },
            client_token,
        }
    }

    /// Asks to hear of this. Spec: 2026-07-28 basic/patterns/subscriptions.
    pub(super) fn listening(&self, id: &RequestId, filter: &Filter) -> Outgoing {
        let params = object::to_raw(&json!({ "notifications": filter.to_json() }));
        let mut context = own_context(&Context::default());
        if !filter.tasks.is_empty() {
            // Only who knows tasks hears of them.
            let capabilities = json!({ "extensions": { TASKS_EXTENSION: {} } });
            context.capabilities = Some(object::to_raw(&capabilities).into());
        }
        let request = Request::new(LISTEN, Some(params), context);
        self.encode(&request, id).outgoing
    }
}

/// What the `Mcp-Name` header of a request repeats, for the methods that have one.
/// Spec: 2026-07-28 basic/transports/streamable-http, "Standard Request Headers"; SEP-2663,
/// "Streamable HTTP: Routing Headers".
fn named(request: &Request) -> Option<Cow<'_, str>> {
    let method = request.method.as_ref();
    let is_named = matches!(
        method,
        TOOLS_CALL | PROMPTS_GET | RESOURCES_READ | TASKS_GET | TASKS_UPDATE | TASKS_CANCEL
    );
    let member = subject_member(method).filter(|_| is_named)?;
    match &request.name {
        Some(name) => Some(Cow::Borrowed(name)),
        None => RawObject::parse_or_empty(request.params.as_deref())
            .get_str(member)
            .map(Cow::Owned),
    }
}

/// What the gateway says of itself in a request of its own, made for a client or for none.
fn own_context(context: &Context) -> Context {
    Context {
        client_info: Some(super::implementation_of(context)),
        ..Context::default()
    }
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

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    // Both come from a header that was received, or from `encode_value`: what does not fit here
    // never arrives.
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

/// Asks a server of unknown era what it is.
///
/// # Errors
///
/// What says nothing of the era: no connection, overload, a refused credential, or a modern server
/// with which no revision is shared.
pub(super) async fn probe(wire: &Wire, context: &Context) -> Result<Probe, BackendError> {
    if let Some(found) = probe_once(wire, context).await? {
        return Ok(found);
    }
    // It does speak the revision that it refused.
    let found = probe_once(wire, context).await?;
    found.ok_or_else(no_common_revision)
}

/// `None` when the server says that it speaks the very revision in which it was asked.
async fn probe_once(wire: &Wire, context: &Context) -> Result<Option<Probe>, BackendError> {
    let modern = Modern {
        revision: Revision::LATEST_MODERN,
    };
    let id = RequestId::from_number(0);
    let request = Request::new(DISCOVER, None, own_context(context));
    let reply = wire.post(modern.encode(&request, &id).outgoing).await?;
    let answer = match reply.content {
        Content::Refused(refused) => {
            let says_modern = refused.json.as_deref().and_then(modern_error);
            match says_modern {
                Some(error) => Answer::Error(error),
                None => return unknown_era(super::refusal::judge(&refused, &id, wire)).map(Some),
            }
        }
        answering => match read_answer(answering, &id, &Audience::nobody()).await {
            Ok(answer) => answer,
            Err(error) => return unknown_era(Err(error)).map(Some),
        },
    };
    match answer {
        Answer::Result(result) => Ok(Some(
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

fn no_common_revision() -> BackendError {
    BackendError::Incompatible {
        reason: "it speaks only revisions that the gateway does not".to_owned(),
    }
}

/// Reads a discovery's error: a modern server may still share no modern revision with the gateway,
/// and then shares a legacy one or none. `None` when it names the one it was asked in.
fn settle(error: &RawValue) -> Result<Option<Probe>, BackendError> {
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
            let known = |version: &String| version.parse::<Revision>().ok();
            let mut known = supported.iter().filter_map(known).peekable();
            if known.peek().is_none() {
                return Err(no_common_revision());
            }
            let is_modern = known.any(|revision| revision.era() == Era::Modern);
            Ok((!is_modern).then_some(Probe::Legacy))
        }
        Some(HEADER_MISMATCH | MISSING_CAPABILITY) => Err(BackendError::Incompatible {
            reason: "it refused server/discover".to_owned(),
        }),
        _ => Ok(Some(Probe::Legacy)),
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
            unsupported(r#"["2031-01-01","2025-11-25"]"#),
            Ok(Some(Probe::Legacy))
        ));
        assert!(matches!(
            unsupported(r#"["2025-11-25","2026-07-28"]"#),
            Ok(None)
        ));
        assert!(unsupported(r#"["2031-01-01"]"#).is_err());
        assert!(matches!(
            settle(&raw(r#"{"code":-32601,"message":""}"#)),
            Ok(Some(Probe::Legacy))
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
        assert_eq!(outgoing.headers["mcp-method"], "subscriptions/listen");
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
            param_headers: vec![("mcp-param-region".into(), "eu".into())],
            ..Request::new("tools/call", None, Context::default())
        };
        let encoded = modern.encode(&request, &RequestId::from_number(1)).outgoing;
        assert_eq!(encoded.headers["mcp-method"], "tools/call");
        assert_eq!(encoded.headers["mcp-name"], "=?base64?Z3LDtsOfZQ==?=");
        assert_eq!(encoded.headers["mcp-param-region"], "eu");
        assert_eq!(encoded.headers["mcp-protocol-version"], "2026-07-28");
    }
    #[test]
    fn only_some_methods_repeat_what_they_are_about() {
        let modern = Modern::speaking(Revision::LATEST_MODERN).unwrap();
        for (method, name, repeated) in [
            (
                "resources/read",
                Some("file:///a%20b"),
                Some("file:///a%20b"),
            ),
            ("tasks/get", Some("t"), Some("t")),
            ("tasks/result", Some("t"), None),
            ("x/unknown", Some("x"), None),
            ("prompts/get", None, Some("in params")),
            ("tools/list", None, None),
        ] {
            let params = raw(r#"{"name":"in params"}"#);
            let request = Request {
                name: name.map(ToOwned::to_owned),
                ..Request::new(method, Some(params), Context::default())
            };
            let encoded = modern.encode(&request, &RequestId::from_number(1)).outgoing;
            let header = encoded
                .headers
                .get("mcp-name")
                .map(|name| name.to_str().unwrap());
            assert_eq!(header, repeated, "{method}");
        }
    }
}
