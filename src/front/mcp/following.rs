//! Has requests followed: as spans where there is a collector, else as whoever sent them does.

use std::sync::Arc;

use crate::mcp::{
    header::PROTOCOL_VERSION,
    message::RequestId,
    trace::{Trace, TraceContext},
};

use super::{Caller, head::Meta, record::Record};

/// The trace that a request goes on in; `None` where nobody follows it.
pub(super) fn follow(
    caller: &Caller,
    record: &mut Record,
    id: &RequestId,
    meta: &Meta<'_>,
) -> Option<Arc<Trace>> {
    let by_headers = TraceContext::of_headers(caller.headers());
    if !caller.sender.state.traces.are_sent() {
        let passing = |context| Trace {
            context,
            follower: None,
            call: None,
        };
        return by_headers.map(passing).map(Arc::new);
    }
    let by_meta = TraceContext::of_meta(meta.members());
    let revision = caller.header(PROTOCOL_VERSION);
    let revision = revision.and_then(|version| version.parse().ok());
    record.follow((id, revision), by_meta.as_ref(), by_headers.as_ref())
}
