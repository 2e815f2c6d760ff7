//! Spans of requests to backends: the attempts of one are its events.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use opentelemetry::{
    KeyValue,
    trace::{Span as _, SpanKind, Status, Tracer as _},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use crate::mcp::{
    error::code_of,
    event::Outcome,
    failure::{Failure, shortened},
    message::RequestId,
    trace::{Called, FollowedCall, Follower, Trace, TraceContext},
    version::Revision,
};

use super::{below, told, words};

/// What an event is called at which a request goes out once more.
const RETRY: &str = "retry";

/// Makes the spans of requests to backends.
pub(super) struct Calls(pub(super) Arc<SdkTracer>);

/// The span of one.
#[derive(Debug)]
struct CallSpan(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    span: Span,
    /// Under which it was sent last.
    sent: Option<(RequestId, Revision)>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Calls")
    }
}

impl Follower for Calls {
    fn call(&self, from: &TraceContext, call: &Called<'_>) -> Trace {
        let method = shortened(&call.request.method);
        let subject = call.request.name.as_deref().map(shortened);
        let mut attributes = words::of_request(&method, subject.as_deref());
        attributes.push(KeyValue::new(words::PROVIDER, call.backend.to_string()));
        if let Some((host, port)) = call.address {
            attributes.push(KeyValue::new(words::SERVER_ADDRESS, host.to_owned()));
            let port = port.map(|port| KeyValue::new(words::SERVER_PORT, i64::from(port)));
            attributes.extend(port);
        }
        let builder = self
            .0
            .span_builder(words::name(&method, subject.as_deref()))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        let span = self.0.build_with_context(builder, &below(Some(from)));
        let context = told(span.span_context(), from.baggage().cloned());
        let inner = Inner { span, sent: None };
        Trace {
            context: context.unwrap_or_else(|| from.clone()),
            follower: Some(Arc::new(Self(Arc::clone(&self.0)))),
            call: Some(Box::new(CallSpan(Mutex::new(inner)))),
        }
    }
}

impl CallSpan {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FollowedCall for CallSpan {
    fn sent(&self, id: &RequestId, revision: Revision) {
        self.inner().sent = Some((id.clone(), revision));
    }

    fn repeats(&self, why: &Failure) {
        let attribute = KeyValue::new(words::ERROR_TYPE, why.word());
        self.inner().span.add_event(RETRY, vec![attribute]);
    }

    fn end(&self, outcome: &Outcome) {
        let mut inner = self.inner();
        if let Some((id, revision)) = inner.sent.take() {
            let id = KeyValue::new(words::REQUEST_ID, words::id(&id));
            inner.span.set_attribute(id);
            let revision = KeyValue::new(words::PROTOCOL_VERSION, revision.as_str());
            inner.span.set_attribute(revision);
        }
        let error_type = match outcome {
            Outcome::Completed(_) | Outcome::Kept(_) => None,
            Outcome::Rejected(rejection) => {
                let code = code_of(&rejection.error).map(|code| code.to_string());
                let attribute = code.clone().map(|it| KeyValue::new(words::STATUS_CODE, it));
                inner.span.set_attributes(attribute);
                Some(code.unwrap_or_else(|| "error".to_owned()))
            }
            Outcome::Failed(failure) => Some(failure.word().to_owned()),
            Outcome::Cancelled => Some("cancelled".to_owned()),
        };
        if let Some(error_type) = error_type {
            let attribute = KeyValue::new(words::ERROR_TYPE, error_type);
            inner.span.set_attribute(attribute);
            inner.span.set_status(Status::error(""));
        }
        inner.span.end();
    }
}
