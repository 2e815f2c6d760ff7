//! The log's line for one request.

use std::{fmt, mem, net::IpAddr, sync::Arc};

use http::{Method, StatusCode};
use smol_str::{SmolStr, SmolStrBuilder};
use tokio::time::Instant;
use warp::reply::Response;

use crate::{
    audit::Entry,
    lanes,
    mcp::{
        error::code_of,
        event::Outcome,
        failure::{Failure, shortened},
        message::{Message, RequestId},
        method::{PROMPTS_GET, TOOLS_CALL, subject_member},
        name::BackendName,
        trace::{Trace, TraceContext},
        version::Revision,
    },
    metrics::{Ending, Metrics},
    session::{Activity, Done},
    traces::{Asked, ExchangeSpan},
};

use super::McpState;

/// Whose a request is, as the log tells it.
pub(super) struct Sender {
    /// The part of the session's id that may stand in logs.
    pub(super) session: SmolStr,
    /// The caller's name; `None` where callers are not authenticated.
    pub(super) caller: Option<Arc<str>>,
    /// The client's address; `None` where no connection brought the request.
    pub(super) address: Option<IpAddr>,
    /// Where the session's owner sees it.
    pub(super) activity: Activity,
    /// Where a line is written for each of its requests, too, where it is counted, and where its spans come from.
    pub(super) state: Arc<McpState>,
}

impl Sender {
    fn metrics(&self) -> &Metrics {
        self.state.sessions.metrics()
    }
}

/// An address as it stands in the log. Most are of four octets, and every request has one: written in one piece they
/// cost a tenth of what formatting them does.
struct Spelled(IpAddr);

impl fmt::Display for Spelled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IpAddr::V4(address) = self.0 else {
            return self.0.fmt(formatter);
        };
        // Fifteen characters at most, which need no memory of their own.
        let mut text = SmolStrBuilder::new();
        for (place, octet) in address.octets().into_iter().enumerate() {
            if place > 0 {
                text.push('.');
            }
            let digit = |value: u8| char::from(b'0' + value % 10);
            if octet >= 100 {
                text.push(digit(octet / 100));
            }
            if octet >= 10 {
                text.push(digit(octet / 10));
            }
            text.push(digit(octet));
        }
        formatter.write_str(&text.finish())
    }
}

/// Gathers what is logged of a request, and writes it once, when the answer is out.
///
/// Dropped before that, it says that the client left.
pub(super) struct Record {
    method: SmolStr,
    /// What the request is about.
    subject: Option<SmolStr>,
    sender: Arc<Sender>,
    began: Instant,
    written: bool,
    /// Boxed: hardly any gateway has one, and each request would have room for it.
    span: Option<Box<ExchangeSpan>>,
}

impl Record {
    /// Begins with a request.
    pub(super) fn begin(method: &str, subject: Option<&str>, sender: &Arc<Sender>) -> Self {
        sender.metrics().begin();
        Self {
            method: shortened(method).into(),
            subject: subject.map(|subject| shortened(subject).into()),
            sender: Arc::clone(sender),
            began: lanes::now(),
            written: false,
            span: None,
        }
    }

    /// Has the request followed from these places on; gives the trace that it goes on in.
    pub(super) fn follow(
        &mut self,
        (id, revision): (&RequestId, Option<Revision>),
        by_meta: Option<&TraceContext>,
        by_headers: Option<&TraceContext>,
    ) -> Option<Arc<Trace>> {
        let asked = Asked {
            method: &self.method,
            subject: self.subject.as_deref(),
            id,
            session: &self.sender.session,
            client: self.sender.address,
            revision,
        };
        let (span, trace) = self
            .sender
            .state
            .traces
            .exchange(&asked, by_meta, by_headers)?;
        self.span = Some(Box::new(span));
        Some(Arc::new(trace))
    }

    /// Writes the line for a request that ended so.
    pub(super) fn end(mut self, backend: Option<&BackendName>, outcome: &Outcome) {
        let code = match outcome {
            Outcome::Completed(_) | Outcome::Kept(_) => return self.write(backend, "ok", None),
            Outcome::Cancelled => return self.write(backend, "cancelled", None),
            Outcome::Rejected(rejection) => code_of(&rejection.error),
            Outcome::Failed(failure) => return self.fail(backend, failure),
        };
        if let (Some(span), Some(code)) = (&mut self.span, code) {
            span.rejected(code);
        }
        let words = code.map(|code| format!("the backend answered with error {code}"));
        self.write(backend, "error", words.as_deref());
    }

    /// Writes the line for a request that went no further than here.
    pub(super) fn end_failed(mut self, failure: &Failure) {
        self.fail(None, failure);
    }

    /// Writes the line for a request the gateway answered by itself.
    pub(super) fn end_with(mut self, outcome: &'static str) {
        self.write(None, outcome, None);
    }

    fn fail(&mut self, backend: Option<&BackendName>, failure: &Failure) {
        if let Some(span) = &mut self.span {
            span.failed(failure);
        }
        self.write(backend, "failed", Some(&failure.to_string()));
    }

    fn write(&mut self, backend: Option<&BackendName>, outcome: &'static str, why: Option<&str>) {
        self.written = true;
        let elapsed = self.began.elapsed();
        let metrics = self.sender.metrics();
        metrics.end(&self.method, ending(outcome), elapsed);
        if let Some(span) = self.span.take() {
            span.end(backend, ending(outcome));
        }
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let member = subject_member(&self.method);
        let about = |is_it: bool| self.subject.as_deref().filter(|_| is_it);
        tracing::info!(
            session.id = %self.sender.session,
            client.address = self.sender.address.map(|address| display(Spelled(address))),
            caller.name = self.sender.caller.as_deref(),
            rpc.method = %self.method,
            tool.name = about(self.method == TOOLS_CALL),
            prompt.name = about(self.method == PROMPTS_GET),
            resource.uri = about(member == Some("uri")),
            task.id = about(member == Some("taskId")),
            backend.name = backend.map(BackendName::as_str),
            outcome,
            elapsed_ms,
            error = why,
            "{}",
            self.words(outcome, elapsed_ms),
        );
        if self.sender.state.audit.is_open() {
            self.audit(backend, outcome, elapsed_ms);
        }
        // Nobody needs the words any more: they are kept as they are.
        self.sender.activity.note(Done {
            method: mem::take(&mut self.method),
            subject: self.subject.take(),
            backend: backend.cloned(),
            outcome,
            elapsed_ms,
            at: self.began + elapsed,
        });
    }

    /// What the line says, put together at once: each piece that is formatted by itself is looked at by itself.
    fn words(&self, outcome: &str, elapsed_ms: u64) -> String {
        let name = self.subject.as_deref().unwrap_or_default();
        let separator = if name.is_empty() { "" } else { " " };
        let mut elapsed = itoa::Buffer::new();
        let elapsed = elapsed.format(elapsed_ms);
        [
            &self.method,
            separator,
            name,
            ": ",
            outcome,
            " in ",
            elapsed,
            " ms",
        ]
        .concat()
    }

    /// The same without words, for whoever keeps an eye on who does what.
    fn audit(&self, backend: Option<&BackendName>, outcome: &'static str, elapsed_ms: u64) {
        let subject = self.subject.as_ref();
        let tool = subject.filter(|_| self.method == TOOLS_CALL);
        self.sender.state.audit.write(Entry {
            caller: self.sender.caller.clone(),
            session: Some(self.sender.session.clone()),
            client: self.sender.address,
            method: self.method.clone(),
            provider: backend.cloned(),
            tool: tool.cloned(),
            outcome,
            elapsed_ms,
        });
    }
}

/// How a request ended, by the log's word for it.
fn ending(outcome: &str) -> Ending {
    match outcome {
        "error" => Ending::Error,
        "failed" => Ending::Failed,
        "cancelled" => Ending::Cancelled,
        "client left" => Ending::Left,
        "refused" => Ending::Refused,
        _ => Ending::Well,
    }
}

/// Writes the line for an HTTP request that carried no JSON-RPC request.
pub(super) fn plain(method: &Method, sender: &Sender, status: StatusCode) {
    let status = status.as_u16();
    tracing::info!(
        session.id = %sender.session,
        client.address = sender.address.map(|address| display(Spelled(address))),
        caller.name = sender.caller.as_deref(),
        http.method = %method,
        http.status = status,
        "{method} of the MCP endpoint: {status}"
    );
}

/// Writes the line for a request that is refused for how it came.
pub(super) fn refused(sender: &Sender, response: Response) -> Response {
    plain(&Method::POST, sender, response.status());
    response
}

/// Writes the line for a message that wants no answer.
pub(super) fn note(message: &Message<'_>, sender: &Sender, status: StatusCode) {
    let method = match message {
        Message::Notification { method, .. } | Message::Request { method, .. } => method,
        Message::Result { .. } | Message::Error { .. } => "a response",
    };
    let (method, status) = (shortened(method), status.as_u16());
    tracing::info!(
        session.id = %sender.session,
        client.address = sender.address.map(|address| display(Spelled(address))),
        caller.name = sender.caller.as_deref(),
        rpc.method = %method,
        http.status = status,
        "{method}: {status}"
    );
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.written {
            self.write(None, "client left", None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_spelled_as_everywhere() {
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "10.20.105.255",
            "255.99.100.9",
            "::1",
            "2001:db8::1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Spelled(address).to_string(), text);
        }
    }
}
