//! What spans tell, and what becomes of those that nobody takes.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use http::HeaderMap;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};

use super::*;
use crate::{
    limits::SPANS_WAITING_MAX,
    mcp::{
        error::error_object,
        event::{Outcome, Rejection},
        method::TOOLS_CALL,
        request::{Context as Asking, Request},
        trace::Called,
    },
    metrics::{Metrics, Now},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// Of what nobody in a test waits for longer.
const LONG: Duration = Duration::from_mins(1);

/// A collector within the process.
#[derive(Debug, Clone, Default)]
struct Heap {
    spans: Arc<Mutex<Vec<SpanData>>>,
    refuses: bool,
    /// It takes nothing while this holds.
    shut: Arc<(Mutex<bool>, Condvar)>,
}

impl SpanExporter for Heap {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (shut, opened) = &*self.shut;
        drop(
            opened
                .wait_while(shut.lock().unwrap(), |shut| *shut)
                .unwrap(),
        );
        if self.refuses {
            return Err(OTelSdkError::InternalFailure("no".to_owned()));
        }
        self.spans.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Heap {
    fn shut(&self, shut: bool) {
        *self.shut.0.lock().unwrap() = shut;
        self.shut.1.notify_all();
    }
}

fn context(headers: &[(&'static str, String)]) -> TraceContext {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.insert(*name, value.parse().unwrap());
    }
    TraceContext::of_headers(&all).unwrap()
}

fn from(span: &str, flags: &str) -> TraceContext {
    context(&[("traceparent", format!("00-{TRACE}-{span}-{flags}"))])
}

fn begin(
    traces: &Traces,
    by_meta: Option<&TraceContext>,
    by_headers: Option<&TraceContext>,
) -> (ExchangeSpan, Trace) {
    let asked = Asked {
        method: TOOLS_CALL,
        subject: Some("it.echo"),
        id: &RequestId::from_number(7),
        session: "0123abcd",
        client: None,
        revision: Some(Revision::LATEST_MODERN),
    };
    traces.exchange(&asked, by_meta, by_headers).unwrap()
}

/// The lost spans that the metrics tell of.
fn lost(metrics: &Metrics) -> u64 {
    let now = Now {
        live: 0,
        stored: 0,
        breakers: Vec::new(),
    };
    let text = metrics.text(&now).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("mcp_gateway_spans_lost_total "));
    line.unwrap().parse().unwrap()
}

fn attributes_of(span: &SpanData) -> Vec<String> {
    let pairs = span.attributes.iter();
    let mut lines: Vec<String> = pairs
        .map(|pair| format!("{}={}", pair.key, pair.value))
        .collect();
    lines.sort();
    lines
}

/// Follows a call that its backend answers with an error, at the second attempt.
fn call_in_vain(trace: &Trace, backend: &BackendName) {
    let mut request = Request::new(TOOLS_CALL, None, Asking::default());
    request.name = Some("echo".into());
    let called = Called {
        request: &request,
        backend,
        address: Some(("mcp.example.com", Some(443))),
    };
    let follower = trace.follower.as_ref().unwrap();
    let trace = follower.call(&trace.context, &called);
    let call = trace.call.as_ref().unwrap();
    call.sent(&RequestId::from_number(1), Revision::LATEST_LEGACY);
    call.repeats(&Failure::Lost);
    call.sent(&RequestId::from_number(2), Revision::LATEST_LEGACY);
    call.end(&Outcome::Rejected(Rejection {
        error: error_object(-32000, "words that nobody may see"),
        typed: false,
    }));
}

#[test]
fn a_call_is_below_its_exchange_and_that_below_its_client() {
    let heap = Heap::default();
    let (traces, sending) = Traces::through(heap.clone(), Metrics::new().unwrap());
    let by_meta = from("00000000000000aa", "01");
    let by_headers = from("00000000000000bb", "01");
    let backend: BackendName = "it".parse().unwrap();
    let (exchange, trace) = begin(&traces, Some(&by_meta), Some(&by_headers));
    call_in_vain(&trace, &backend);
    exchange.end(Some(&backend), Ending::Well);
    sending.end(LONG);

    let spans = heap.spans.lock().unwrap();
    let [call, exchange] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(exchange.parent_span_id, SpanId::from(0xaa));
    let link = &exchange.links.links[0].span_context;
    assert_eq!(link.span_id(), SpanId::from(0xbb));
    assert_eq!(exchange.name, "tools/call it.echo");
    assert_eq!(exchange.span_kind, SpanKind::Server);
    assert_eq!(exchange.status, Status::Unset);
    assert_eq!(
        attributes_of(exchange),
        [
            "gen_ai.operation.name=execute_tool",
            "gen_ai.tool.name=it.echo",
            "jsonrpc.request.id=7",
            "mcp.method.name=tools/call",
            "mcp.protocol.version=2026-07-28",
            "mcp_gateway.provider=it",
            "network.protocol.name=http",
            "network.transport=tcp",
            "session.id=0123abcd",
        ]
    );
    assert_eq!(call.parent_span_id, exchange.span_context.span_id());
    assert_eq!(call.name, "tools/call echo");
    assert_eq!(call.span_kind, SpanKind::Client);
    assert_eq!(call.status, Status::error(""));
    let event = &call.events.events[0];
    assert_eq!((&*event.name, event.attributes.len()), ("retry", 1));
    assert_eq!(
        attributes_of(call),
        [
            "error.type=-32000",
            "gen_ai.operation.name=execute_tool",
            "gen_ai.tool.name=echo",
            "jsonrpc.request.id=2",
            "mcp.method.name=tools/call",
            "mcp.protocol.version=2025-11-25",
            "mcp_gateway.provider=it",
            "network.protocol.name=http",
            "network.transport=tcp",
            "rpc.response.status_code=-32000",
            "server.address=mcp.example.com",
            "server.port=443",
        ]
    );
    for span in &*spans {
        assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    }
}

#[test]
fn how_an_exchange_ended_is_told_in_one_word() {
    let heap = Heap::default();
    let (traces, sending) = Traces::through(heap.clone(), Metrics::new().unwrap());
    let begin = || begin(&traces, None, None).0;
    begin().end(None, Ending::Left);
    let mut rejected = begin();
    rejected.rejected(-32602);
    rejected.end(None, Ending::Error);
    let mut failed = begin();
    failed.failed(&Failure::Stopping);
    failed.end(None, Ending::Failed);
    sending.end(LONG);

    let spans = heap.spans.lock().unwrap();
    let told = spans.iter().map(|span| {
        // Nobody answered to that name, so that any word may stand there.
        assert_eq!(span.name, "tools/call");
        assert_eq!(span.status, Status::error(""));
        let mut attributes = attributes_of(span);
        attributes.retain(|line| line.starts_with("error") || line.starts_with("rpc"));
        attributes.join(" ")
    });
    let expected = [
        "error.type=client_left",
        "error.type=-32602 rpc.response.status_code=-32602",
        "error.type=stopping",
    ];
    assert!(told.eq(expected));
}

#[test]
fn what_a_client_does_not_record_is_not_recorded_here_and_goes_on() {
    let heap = Heap::default();
    let (traces, sending) = Traces::through(heap.clone(), Metrics::new().unwrap());
    let state = ("tracestate", "a=1,b=2".to_owned());
    let baggage = ("baggage", "c=3".to_owned());
    let parent = ("traceparent", format!("00-{TRACE}-00000000000000aa-00"));
    let (exchange, trace) = begin(&traces, None, Some(&context(&[parent, state, baggage])));
    let place = trace.context.place().unwrap();
    assert_eq!((place.trace_id, place.flags), (TRACE, 0));
    assert_ne!(place.span_id, "00000000000000aa");
    assert_eq!(trace.context.tracestate(), Some("a=1,b=2"));
    assert_eq!(trace.context.baggage().unwrap(), "c=3");
    exchange.end(None, Ending::Well);
    sending.end(LONG);
    assert!(heap.spans.lock().unwrap().is_empty());
}

#[test]
fn spans_for_which_there_is_no_room_are_counted_and_hold_up_nobody() {
    let (heap, metrics) = (Heap::default(), Metrics::new().unwrap());
    heap.shut(true);
    let (traces, sending) = Traces::through(heap.clone(), metrics.clone());
    for _ in 0..SPANS_WAITING_MAX + 10 {
        begin(&traces, None, None).0.end(None, Ending::Well);
    }
    assert_eq!(lost(&metrics), 10);
    heap.shut(false);
    sending.end(LONG);
    assert_eq!(heap.spans.lock().unwrap().len(), SPANS_WAITING_MAX);
    assert_eq!(lost(&metrics), 10);
}

#[test]
fn spans_that_a_collector_refuses_are_counted() {
    let metrics = Metrics::new().unwrap();
    let heap = Heap {
        refuses: true,
        ..Heap::default()
    };
    let (traces, sending) = Traces::through(heap, metrics.clone());
    for _ in 0..3 {
        begin(&traces, None, None).0.end(None, Ending::Well);
    }
    sending.end(LONG);
    assert_eq!(lost(&metrics), 3);
}
