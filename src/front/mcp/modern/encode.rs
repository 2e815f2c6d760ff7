//! Answers as the modern era has them.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use serde_json::value::RawValue;

use crate::{
    mcp::{
        editing::Edit,
        error::{INVALID_PARAMS, RESOURCE_NOT_FOUND, code_of, with_code},
        event::{Freshness, Notification, Question, Rejection, ResultBody},
        failure::Failure,
        level::Level,
        message::{RequestId, write_result},
        meta,
        method::{ELICITED, LOG_MESSAGE, PROGRESS, RESOURCES_READ, may_want_input},
        object::RawObject,
        request::Request,
        shelf::Shelf,
    },
    session::outbox::Writer,
};

use super::{
    super::{
        Head,
        encode::{Encode, Parts, Put},
        refusal,
    },
    elicitation,
};

/// Writes the answer to one request.
pub(super) struct Modern {
    /// The least severe log message wanted; `None` for none at all.
    level: Option<Level>,
    /// How long a result may be kept where nothing says so; `None` for methods without that.
    freshness: Option<Freshness>,
    may_want_input: bool,
    /// What the client can do, read where it matters.
    capabilities: Option<Arc<RawValue>>,
    /// Set where the exchange began for another request.
    progress: Option<Progress>,
}

/// What a request calls the progress on it.
#[derive(Debug)]
enum Progress {
    /// So.
    Token(Box<RawValue>),
    /// It wants to hear of none.
    Unwanted,
}

/// What a result of the legacy era is: good for one, and for now.
const STALE: Freshness = Freshness {
    ttl_ms: 0,
    public: false,
};

impl Modern {
    pub(super) fn new(request: &Request) -> Self {
        let method = request.method.as_ref();
        let level = request.context.log_level.as_deref();
        // Spec: 2026-07-28 server/utilities/caching.
        let is_cacheable = Shelf::of(method).is_some() || method == RESOURCES_READ;
        Self {
            level: level.and_then(Level::read),
            freshness: is_cacheable.then_some(STALE),
            may_want_input: may_want_input(method),
            capabilities: request.context.capabilities.clone(),
            progress: None,
        }
    }

    /// Answers this request with what began for another one.
    pub(super) fn goes_on_for(&mut self, head: &Head<'_>) {
        let token = head.meta.members().get(meta::PROGRESS_TOKEN);
        self.progress = Some(token.map_or(Progress::Unwanted, |it| Progress::Token(it.to_owned())));
    }

    /// Log messages come only to who asked for them. Spec: 2026-07-28 server/utilities/logging.
    fn wants_log(&self, params: Option<&RawValue>) -> bool {
        let Some(wanted) = self.level else {
            return false;
        };
        let members = RawObject::parse_or_empty(params);
        let level = members.get("level").and_then(Level::read);
        level.is_none_or(|level| level >= wanted)
    }

    fn typed(&self, body: &ResultBody) -> Bytes {
        typed(&body.json, body.freshness.or(self.freshness))
    }

    fn told(&self, body: ResultBody) -> Bytes {
        if !body.typed {
            return self.typed(&body);
        }
        if begins_with_its_kind(&body.json) {
            return body.json;
        }
        // Every result of this era must say its kind; one that does not is complete.
        let members = RawObject::parse_or_empty(serde_json::from_slice(&body.json).ok());
        let says = |name| members.get(name).is_some();
        let is_kept = says("ttlMs") || says("cacheScope");
        if says("resultType") {
            return body.json;
        }
        typed(&body.json, self.freshness.filter(|_| !is_kept))
    }
}

impl Encode for Modern {
    fn notification(&self, notification: Notification) -> Option<Notification> {
        match (notification.method.as_str(), &self.progress) {
            (LOG_MESSAGE, _) => self
                .wants_log(notification.params.as_deref())
                .then_some(notification),
            // Spec: 2026-07-28 client/elicitation: the server learns of the visit by the retry.
            (PROGRESS, Some(Progress::Unwanted)) | (ELICITED, _) => None,
            (PROGRESS, Some(Progress::Token(token))) => {
                let mut params = RawObject::parse_or_empty(notification.params.as_deref());
                params.set(meta::PROGRESS_TOKEN, token.clone());
                let params = Some(params.to_raw());
                Some(Notification {
                    method: PROGRESS.to_owned(),
                    params,
                })
            }
            _ => Some(notification),
        }
    }

    fn result(&self, id: &RequestId, body: ResultBody) -> Result<Bytes, Box<RawValue>> {
        Ok(write_result(id, &self.told(body)))
    }

    /// A typed result that does not begin with its kind may say it anywhere, or not at all.
    fn parts(&self, first: &ResultBody) -> Parts {
        if !first.typed {
            return Parts::AsTheyAre(self.typed(first));
        }
        if begins_with_its_kind(&first.json) {
            return Parts::AsTheyAre(first.json.clone());
        }
        let mut complete = vec![("resultType", r#""complete""#.to_owned())];
        if let Some(Freshness { ttl_ms, public }) = self.freshness {
            complete.push(("ttlMs", ttl_ms.to_string()));
            complete.push(("cacheScope", format!(r#""{}""#, scope(public))));
        }
        Parts::Edited(Edit {
            complete,
            ..Edit::default()
        })
    }

    /// This era has other codes, or a result, for what two codes of the legacy one say.
    ///
    /// Spec: 2026-07-28 basic, "Error Codes".
    fn rejection(&self, rejection: Rejection) -> Result<Bytes, Box<RawValue>> {
        let Rejection { error, typed } = rejection;
        if typed {
            return Err(error);
        }
        if self.may_want_input
            && let Some(told) = elicitation::told(&error, self.capabilities.as_deref())
        {
            return told;
        }
        Err(match code_of(&error) {
            Some(RESOURCE_NOT_FOUND) => with_code(&error, INVALID_PARAMS),
            _ => error,
        })
    }

    fn failure(&self, failure: &Failure) -> Box<RawValue> {
        refusal::modern_object(failure)
    }

    fn status(&self, error: &RawValue, _: Option<&Failure>) -> StatusCode {
        refusal::modern_status(error)
    }

    fn ask(&self, question: Question) -> Put {
        if self.may_want_input {
            Put::Instead(question)
        } else {
            Put::Never
        }
    }

    /// A question that was withdrawn is not asked; one that was asked is not taken back.
    fn withdraw(&self, _: u64) -> Option<Bytes> {
        None
    }

    /// Spec: 2026-07-28 basic/transports/streamable-http, "Receiving Messages".
    async fn log(&self) -> Option<Writer> {
        None
    }
}

fn begins_with_its_kind(json: &[u8]) -> bool {
    json.starts_with(br#"{"resultType":"#)
}

const fn scope(public: bool) -> &'static str {
    if public { "public" } else { "private" }
}

/// Puts what this era demands in front of a result's own members, which stay as they are.
fn typed(json: &Bytes, freshness: Option<Freshness>) -> Bytes {
    let Some(members) = json.trim_ascii_start().strip_prefix(b"{") else {
        return json.clone();
    };
    let front = match freshness {
        None => r#"{"resultType":"complete""#.to_owned(),
        Some(Freshness { ttl_ms, public }) => {
            let scope = scope(public);
            format!(r#"{{"resultType":"complete","ttlMs":{ttl_ms},"cacheScope":"{scope}""#)
        }
    };
    let is_empty = members.trim_ascii_start().starts_with(b"}");
    let mut typed = BytesMut::with_capacity(front.len() + 1 + members.len());
    typed.put_slice(front.as_bytes());
    if !is_empty {
        typed.put_u8(b',');
    }
    typed.put_slice(members);
    typed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::{editing::Editing, object::quote, request::Context};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn encoder(method: &'static str, level: Option<&str>) -> Modern {
        let context = Context {
            capabilities: Some(raw(r#"{"elicitation":{"url":{}}}"#).into()),
            log_level: level.map(|level| quote(level).into()),
            ..Context::default()
        };
        Modern::new(&Request::new(method, None, context))
    }

    fn notification(method: &str, params: &str) -> Notification {
        Notification {
            method: method.to_owned(),
            params: Some(raw(params)),
        }
    }

    #[test]
    fn a_result_gets_its_kind_and_keeps_every_byte() {
        let typed = |json: &'static str, freshness| typed(&json.into(), freshness);
        assert_eq!(
            typed(r#"{"content":[ 1.0 ]}"#, None),
            r#"{"resultType":"complete","content":[ 1.0 ]}"#
        );
        assert_eq!(typed("{ }", None), r#"{"resultType":"complete" }"#);
        let freshness = Some(Freshness {
            ttl_ms: 5,
            public: false,
        });
        assert_eq!(
            typed(r#"{"tools":[]}"#, freshness),
            r#"{"resultType":"complete","ttlMs":5,"cacheScope":"private","tools":[]}"#
        );
    }

    fn body(json: &'static str, typed: bool) -> ResultBody {
        ResultBody {
            json: json.into(),
            typed,
            freshness: None,
        }
    }

    #[test]
    fn results_that_may_be_kept_say_for_how_long() {
        let told = |method, typed| encoder(method, None).told(body("{}", typed));
        let stale = r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;
        for method in [
            "tools/list",
            "prompts/list",
            "resources/list",
            "resources/templates/list",
            "resources/read",
        ] {
            assert_eq!(told(method, false), stale, "{method}");
            assert_eq!(told(method, true), stale, "{method}");
        }
        assert_eq!(told("tools/call", false), r#"{"resultType":"complete"}"#);
    }

    #[test]
    fn a_typed_result_that_does_not_say_its_kind_is_complete() {
        let encoder = encoder("resources/read", None);
        let body = |json| body(json, true);
        for (json, expected) in [
            (r#"{"a":1,"resultType":"x"}"#, r#"{"a":1,"resultType":"x"}"#),
            (
                r#"{"ttlMs":5,"a":{"resultType":1}}"#,
                r#"{"resultType":"complete","ttlMs":5,"a":{"resultType":1}}"#,
            ),
            (
                r#"{"a":1}"#,
                r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","a":1}"#,
            ),
        ] {
            assert_eq!(encoder.told(body(json)), expected);
        }
        let Parts::Edited(edit) = encoder.parts(&body(r#"{"a":1,"#)) else {
            panic!("it may say its kind later");
        };
        let mut editing = Editing::new(edit);
        let told = editing.feed(&r#"{"a":1,"ttlMs":5}"#.into()).concat();
        assert_eq!(
            String::from_utf8(told).unwrap(),
            r#"{"a":1,"ttlMs":5,"resultType":"complete","cacheScope":"private"}"#
        );
        let part = r#"{"resultType":"complete","#;
        assert!(matches!(encoder.parts(&body(part)), Parts::AsTheyAre(same) if same == part));
    }

    #[test]
    fn log_messages_come_only_to_who_asked_and_from_the_level_they_asked_for() {
        let hears = |level, message: &str| {
            let params = format!(r#"{{"level":"{message}","data":1}}"#);
            let log = notification(LOG_MESSAGE, &params);
            encoder("tools/call", level).notification(log).is_some()
        };
        assert!(!hears(None, "emergency"));
        assert!(!hears(Some("warning"), "notice"));
        assert!(hears(Some("warning"), "warning") && hears(Some("warning"), "alert"));
        assert!(hears(Some("warning"), "of another scale"));
    }

    #[test]
    fn progress_of_an_earlier_request_is_told_under_the_token_of_this_one() {
        let told = |params: Option<&str>| {
            let params = params.map(raw);
            let message = params.map(|params| {
                let text = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"x","params":{params}}}"#);
                text.into_bytes()
            });
            let message =
                message.unwrap_or_else(|| br#"{"jsonrpc":"2.0","id":2,"method":"x"}"#.to_vec());
            let message = crate::mcp::message::Message::read(&message).unwrap();
            let mut encoder = encoder("tools/call", None);
            encoder.goes_on_for(&Head::of(&message).unwrap());
            encoder
                .notification(notification(
                    PROGRESS,
                    r#"{"progressToken":"old","progress":1.0}"#,
                ))
                .map(|told| told.params.unwrap().get().to_owned())
        };
        assert_eq!(
            told(Some(r#"{"_meta":{"progressToken":7}}"#)).as_deref(),
            Some(r#"{"progressToken":7,"progress":1.0}"#)
        );
        assert_eq!(told(Some("{}")), None);
        assert_eq!(told(None), None);
        let own = notification(PROGRESS, r#"{"progressToken":"own"}"#);
        let own = encoder("tools/call", None).notification(own).unwrap();
        assert_eq!(own.params.unwrap().get(), r#"{"progressToken":"own"}"#);
    }

    #[test]
    fn codes_of_the_legacy_era_become_this_ones() {
        let told = |error: &str, typed| {
            let error = raw(error);
            encoder("resources/read", None).rejection(Rejection { error, typed })
        };
        let missing = r#"{"code":-32002,"message":"m","data":{"uri":"a:1"}}"#;
        assert_eq!(
            told(missing, false).unwrap_err().get(),
            r#"{"code":-32602,"message":"m","data":{"uri":"a:1"}}"#
        );
        assert_eq!(told(missing, true).unwrap_err().get(), missing);
        let other = r#"{"code":-32050,"message":"m"}"#;
        assert_eq!(told(other, false).unwrap_err().get(), other);
        let wanted = r#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url"}]}}"#;
        assert!(told(wanted, false).is_ok());
        assert_eq!(told(wanted, true).unwrap_err().get(), wanted);
    }
}
