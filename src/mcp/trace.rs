//! The trace that a request belongs to: how programs tell each other of it, and who follows a request through this one.
//!
//! Spec: W3C Trace Context; W3C Baggage; 2026-07-28 basic, "OpenTelemetry trace context".

use std::{fmt::Debug, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    event::Outcome,
    failure::Failure,
    message::RequestId,
    name::BackendName,
    object::{RawObject, quote},
    request::Request,
    version::Revision,
};
use crate::limits::{BAGGAGE_BYTES_MAX, TRACE_STATE_BYTES_MAX};

/// The place in the trace. The member of `_meta` is called the same, here and below.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the programs before this one note of it, each for itself.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What they want all to know that come after them.
pub const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The version of a `traceparent` that is written here.
const VERSION: &str = "00";

/// A place in a trace, as one program tells it to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: HeaderValue,
    tracestate: Option<HeaderValue>,
    baggage: Option<HeaderValue>,
}

/// A `traceparent`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The trace, in 32 digits.
    pub trace_id: &'a str,
    /// The span below which the next one belongs, in 16 digits.
    pub span_id: &'a str,
    /// Flags; the last bit says that the span is recorded.
    pub flags: u8,
}

/// The trace of a request that is on its way.
#[derive(Debug)]
pub struct Trace {
    /// What the next program is told.
    pub context: TraceContext,
    /// Who follows the request; `None` where what came with it passes on as it came.
    pub follower: Option<Arc<dyn Follower>>,
    /// The request to a backend that is followed, if it is one.
    pub call: Option<Box<dyn FollowedCall>>,
}

/// Who makes spans of what a request leads to.
pub trait Follower: Debug + Send + Sync {
    /// Begins to follow a request to a backend from this place on; gives the trace that it goes on in.
    fn call(&self, from: &TraceContext, call: &Called<'_>) -> Trace;
}

/// A request to a backend.
pub struct Called<'a> {
    /// The request, of which nothing but method and name is looked at.
    pub request: &'a Request,
    /// The backend.
    pub backend: &'a BackendName,
    /// The backend's host and port, where that is known.
    pub address: Option<(&'a str, Option<u16>)>,
}

/// A request to a backend that is followed, until it ends or is dropped.
pub trait FollowedCall: Debug + Send + Sync {
    /// It is sent under this id.
    fn sent(&self, id: &RequestId, revision: Revision);
    /// It will be sent again, because of this.
    fn repeats(&self, why: &Failure);
    /// It has its answer.
    fn end(&self, outcome: &Outcome);
}

impl TraceContext {
    /// A place to go on at; `None` if the words are none that can be told.
    #[must_use]
    pub fn new(place: Place<'_>, tracestate: &str, baggage: Option<HeaderValue>) -> Option<Self> {
        let Place {
            trace_id,
            span_id,
            flags,
        } = place;
        let traceparent = format!("{VERSION}-{trace_id}-{span_id}-{flags:02x}");
        Self::read(Some(traceparent), Some(tracestate.to_owned()), None)
            .map(|context| Self { baggage, ..context })
    }

    /// What a request's headers say; `None` without a `traceparent` that is one.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        // All that most requests pay for it.
        if !headers.contains_key(TRACEPARENT) {
            return None;
        }
        let one = |name| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?.to_str().ok()?;
            values.next().is_none().then(|| value.to_owned())
        };
        // A list may come in several pieces.
        let all = |name| {
            let values = headers.get_all(name).iter();
            let values: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
            Some(values?.join(","))
        };
        Self::read(one(TRACEPARENT), all(TRACESTATE), all(BAGGAGE))
    }

    /// What a request's `_meta` says; `None` without a `traceparent` that is one.
    #[must_use]
    pub fn of_meta(meta: &RawObject<'_>) -> Option<Self> {
        let text = |name: HeaderName| meta.get_str(name.as_str());
        Self::read(text(TRACEPARENT), text(TRACESTATE), text(BAGGAGE))
    }

    /// A `tracestate` or a baggage that is none, or too large, is left out.
    fn read(
        traceparent: Option<String>,
        tracestate: Option<String>,
        baggage: Option<String>,
    ) -> Option<Self> {
        let fitting = |text: String, bytes_max| {
            let fits = !text.trim().is_empty() && text.len() <= bytes_max;
            fits.then(|| HeaderValue::try_from(text).ok()).flatten()
        };
        let traceparent = traceparent?;
        Place::read(&traceparent)?;
        Some(Self {
            traceparent: HeaderValue::try_from(traceparent).ok()?,
            tracestate: tracestate.and_then(|text| fitting(text, TRACE_STATE_BYTES_MAX)),
            baggage: baggage.and_then(|text| fitting(text, BAGGAGE_BYTES_MAX)),
        })
    }

    /// The place.
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        Place::read(self.traceparent.to_str().ok()?)
    }

    /// What the programs before noted.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_ref()?.to_str().ok()
    }

    /// What all programs are to know.
    #[must_use]
    pub const fn baggage(&self) -> Option<&HeaderValue> {
        self.baggage.as_ref()
    }

    /// Puts it into headers.
    pub fn set_headers(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.traceparent.clone());
        let more = [(TRACESTATE, &self.tracestate), (BAGGAGE, &self.baggage)];
        for (name, value) in more {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }

    /// Puts it into a `_meta`, in place of what is there.
    fn set_meta(&self, meta: &mut RawObject<'_>) {
        let names = ["traceparent", "tracestate", "baggage"];
        // What is noted of another place is none of this one; baggage is for all.
        let stale = names.len() - usize::from(self.baggage.is_none());
        meta.retain(|name| !names[..stale].contains(&name));
        let values = [
            Some(&self.traceparent),
            self.tracestate.as_ref(),
            self.baggage.as_ref(),
        ];
        for (name, value) in names.into_iter().zip(values) {
            if let Some(text) = value.and_then(|value| value.to_str().ok()) {
                meta.set(name, quote(text));
            }
        }
    }
}

impl Trace {
    /// Has a `_meta` say where in the trace its request is; where nobody follows it, that says what its client wrote.
    pub fn set_meta(&self, meta: &mut RawObject<'_>) {
        if self.follower.is_some() {
            self.context.set_meta(meta);
        }
    }
}

impl<'a> Place<'a> {
    /// Of a later version, what is known of it is read.
    fn read(traceparent: &'a str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, digits: usize| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            text.len() == digits && text.bytes().all(is_digit)
        };
        let is_something = |text: &str| text.bytes().any(|digit| digit != b'0');
        let is_one = is_hex(version, 2)
            && version != "ff"
            && is_hex(trace_id, 32)
            && is_something(trace_id)
            && is_hex(span_id, 16)
            && is_something(span_id)
            && is_hex(flags, 2)
            && (version != VERSION || parts.next().is_none())
            && traceparent.len() <= TRACE_STATE_BYTES_MAX;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        is_one.then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_place_is_read_to_the_letter() {
        let place = Place::read(TRACE).unwrap();
        assert_eq!(place.trace_id, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(place.span_id, "b7ad6b7169203331");
        assert_eq!(place.flags, 1);
        let later = format!("cc{}-more-of-it", &TRACE[2..]);
        assert_eq!(Place::read(&later), Some(place));
        for broken in [
            "",
            "00",
            &TRACE[..54],
            &format!("{TRACE}-more"),
            &format!("{TRACE} "),
            &TRACE.to_ascii_uppercase(),
            &TRACE.replace("00-", "ff-"),
            &TRACE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &TRACE.replace("b7ad6b7169203331", &"0".repeat(16)),
            &TRACE.replace('-', "_"),
            &TRACE.replace('a', "g"),
            &format!("cc{}-{}", &TRACE[2..], "x".repeat(1000)),
        ] {
            assert_eq!(Place::read(broken), None, "{broken}");
        }
    }

    #[test]
    fn headers_say_it_once_and_lists_in_pieces() {
        let read = |pairs: &[(HeaderName, &str)]| {
            let mut all = HeaderMap::new();
            for (name, value) in pairs {
                all.append(name.clone(), value.parse().unwrap());
            }
            let context = TraceContext::of_headers(&all)?;
            let mut told = HeaderMap::new();
            context.set_headers(&mut told);
            Some(told)
        };
        let parent = (TRACEPARENT, TRACE);
        assert_eq!(
            read(&[parent.clone(), (TRACESTATE, "a=1"), (TRACESTATE, "b=2")]),
            Some(headers(&[parent.clone(), (TRACESTATE, "a=1,b=2")]))
        );
        assert_eq!(read(&[parent.clone(), parent.clone()]), None);
        assert_eq!(read(&[(TRACESTATE, "a=1"), (BAGGAGE, "b=2")]), None);
        let long = "x".repeat(BAGGAGE_BYTES_MAX + 1);
        assert_eq!(
            read(&[parent.clone(), (TRACESTATE, &long), (BAGGAGE, &long)]),
            Some(headers(&[parent]))
        );
    }

    #[test]
    fn a_meta_says_it_in_place_of_what_it_said() {
        let text = r#"{"tracestate":"old=1","x":1.0,"traceparent":"nonsense"}"#;
        let raw = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
        let mut meta = RawObject::parse(&raw).unwrap();
        assert_eq!(TraceContext::of_meta(&meta), None);
        let context = TraceContext::of_headers(&headers(&[(TRACEPARENT, TRACE)])).unwrap();
        context.set_meta(&mut meta);
        assert_eq!(
            meta.to_raw().get(),
            format!(r#"{{"x":1.0,"traceparent":"{TRACE}"}}"#)
        );
        assert_eq!(TraceContext::of_meta(&meta), Some(context));
    }
}
