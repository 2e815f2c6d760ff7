//! Bounds of what is told of the gateway's work: in the audit log, and of traces.

use std::time::Duration;

/// Lines of the audit log about requests that are not let in, within [`AUDIT_REFUSALS_WITHIN`]; of the others there is the
/// number. Whoever sends them may be anybody, and eight full files of them would leave no line of a caller: at this pace
/// that takes a month.
pub const AUDIT_REFUSALS_MAX: u64 = 60;
/// The span of time for which those are counted.
pub const AUDIT_REFUSALS_WITHIN: Duration = Duration::from_mins(1);

/// Bytes of a `tracestate`: what a program has to pass on. Spec: W3C Trace Context, "tracestate Limits".
pub const TRACE_STATE_BYTES_MAX: usize = 512;
/// Bytes of a `baggage`: what a program has to pass on. Spec: W3C Baggage, "Limits".
pub const BAGGAGE_BYTES_MAX: usize = 8192;
/// Spans that wait for the collector, in about 1 KiB each: some seconds of a busy gateway. Of what comes on top, the
/// number is told.
pub const SPANS_WAITING_MAX: usize = 8192;
/// How long the collector may take for a batch of spans: the next ones wait meanwhile.
pub const SPANS_SENT_WITHIN: Duration = Duration::from_secs(10);
/// How often the log says at most that spans are lost.
pub const SPANS_LOST_TOLD: Duration = Duration::from_mins(1);
