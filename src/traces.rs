//! Spans of requests, for a collector that speaks OTLP: one for each exchange with a client, one for each request to a
//! backend that comes of it.
//!
//! Names and attributes follow OpenTelemetry's conventions for MCP. What a request or an answer holds is in none of them,
//! nor is a whole session id, nor a URI. Without a collector there is no span, and nothing is done for one.

mod calls;
mod sending;
#[cfg(test)]
mod tests;
mod words;

use std::{net::IpAddr, sync::Arc};

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
        TraceId, TraceState, Tracer as _,
    },
};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use crate::{
    mcp::{
        failure::Failure,
        message::RequestId,
        name::BackendName,
        trace::{Place, Trace, TraceContext},
        version::Revision,
    },
    metrics::Ending,
};

pub use sending::{Collector, InvalidCollector, Sending, TracesError};

use calls::Calls;

/// Where spans come from; without a collector, none do. Cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<SdkTracer>>);

/// A client's request, as far as its span tells of it.
pub struct Asked<'a> {
    /// The method, shortened.
    pub method: &'a str,
    /// What it is about.
    pub subject: Option<&'a str>,
    /// The request's id.
    pub id: &'a RequestId,
    /// The part of the session's id that may be shown.
    pub session: &'a str,
    /// Where the request came from.
    pub client: Option<IpAddr>,
    /// The revision that its header names.
    pub revision: Option<Revision>,
}

/// The span of an exchange with a client. Dropped, it ends.
pub struct ExchangeSpan {
    span: Span,
    method: String,
    subject: Option<String>,
    has_failed: bool,
}

impl Traces {
    /// Whether there is a collector.
    #[must_use]
    pub const fn are_sent(&self) -> bool {
        self.0.is_some()
    }

    /// Begins to follow a client's request, which goes on at the place that its `_meta` names, else at that of its
    /// headers. `None` without a collector.
    ///
    /// Where both name one, the conventions for MCP have that of the transport linked.
    #[must_use]
    pub fn exchange(
        &self,
        asked: &Asked<'_>,
        by_meta: Option<&TraceContext>,
        by_headers: Option<&TraceContext>,
    ) -> Option<(ExchangeSpan, Trace)> {
        let tracer = self.0.as_ref()?;
        let from = by_meta.or(by_headers);
        let beside = by_headers.filter(|_| by_meta.is_some());
        let links = beside.and_then(remote).map(Link::with_context);
        let builder = tracer
            .span_builder(words::name(asked.method, None))
            .with_kind(SpanKind::Server)
            .with_links(links.into_iter().collect())
            .with_attributes(attributes(asked));
        let span = tracer.build_with_context(builder, &below(from));
        let baggage = from.and_then(TraceContext::baggage);
        let context = told(span.span_context(), baggage.cloned())?;
        let trace = Trace {
            context,
            follower: Some(Arc::new(Calls(Arc::clone(tracer)))),
            call: None,
        };
        let span = ExchangeSpan {
            span,
            method: asked.method.to_owned(),
            subject: asked.subject.map(str::to_owned),
            has_failed: false,
        };
        Some((span, trace))
    }
}

fn attributes(asked: &Asked<'_>) -> Vec<KeyValue> {
    let mut attributes = words::of_request(asked.method, asked.subject);
    attributes.push(KeyValue::new(words::REQUEST_ID, words::id(asked.id)));
    attributes.push(KeyValue::new(words::SESSION, asked.session.to_owned()));
    if let Some(client) = asked.client {
        attributes.push(KeyValue::new(words::CLIENT_ADDRESS, client.to_string()));
    }
    if let Some(revision) = asked.revision {
        attributes.push(KeyValue::new(words::PROTOCOL_VERSION, revision.as_str()));
    }
    attributes
}

impl ExchangeSpan {
    /// A backend answered with an error of this code.
    pub fn rejected(&mut self, code: i64) {
        let code = code.to_string();
        let attribute = KeyValue::new(words::STATUS_CODE, code.clone());
        self.span.set_attribute(attribute);
        self.fails(code);
    }

    /// The gateway had no answer, because of this.
    pub fn failed(&mut self, why: &Failure) {
        self.fails(why.word().to_owned());
    }

    /// The answer is out, or nobody waits for it any more.
    pub fn end(mut self, backend: Option<&BackendName>, ending: Ending) {
        if !self.has_failed && ending != Ending::Well {
            self.fails(ending.error_type().to_owned());
        }
        if let Some(backend) = backend {
            let provider = KeyValue::new(words::PROVIDER, backend.to_string());
            self.span.set_attribute(provider);
            // A name that somebody answered to, which not any word is.
            let name = words::name(&self.method, self.subject.as_deref());
            self.span.update_name(name);
        }
        self.span.end();
    }

    fn fails(&mut self, error_type: String) {
        self.has_failed = true;
        let attribute = KeyValue::new(words::ERROR_TYPE, error_type);
        self.span.set_attribute(attribute);
        // Without a description: a backend's words may hold anything.
        self.span.set_status(Status::error(""));
    }
}

/// The SDK's context below a place in a trace; without one, a new trace begins.
fn below(from: Option<&TraceContext>) -> Context {
    match from.and_then(remote) {
        Some(parent) => Context::new().with_remote_span_context(parent),
        None => Context::new(),
    }
}

fn remote(context: &TraceContext) -> Option<SpanContext> {
    let place = context.place()?;
    let state = context.tracestate().map(str::parse::<TraceState>);
    Some(SpanContext::new(
        TraceId::from_hex(place.trace_id).ok()?,
        SpanId::from_hex(place.span_id).ok()?,
        TraceFlags::new(place.flags) & TraceFlags::SAMPLED,
        true,
        state.and_then(Result::ok).unwrap_or_default(),
    ))
}

/// What the next program is told of a span.
fn told(span: &SpanContext, baggage: Option<http::HeaderValue>) -> Option<TraceContext> {
    let place = Place {
        trace_id: &span.trace_id().to_string(),
        span_id: &span.span_id().to_string(),
        flags: span.trace_flags().to_u8(),
    };
    TraceContext::new(place, &span.trace_state().header(), baggage)
}
