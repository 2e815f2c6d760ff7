//! Spans of a gateway that serves: sent to a collector if one is named, and what is on its way at the end, too.

use tokio::task::spawn_blocking;

use crate::{
    limits::REST_WITHIN,
    metrics::Metrics,
    traces::{Collector, Sending, Traces, TracesError},
};

/// Where spans come from, and their way out, if there is a collector.
pub(super) struct Spans {
    pub(super) traces: Traces,
    sending: Option<Sending>,
}

impl Spans {
    /// Begins to send.
    ///
    /// # Errors
    ///
    /// [`TracesError`] when nothing can be sent. Whether a collector is there is another matter: it may come later.
    pub(super) fn begin(
        collector: Option<&Collector>,
        metrics: &Metrics,
    ) -> Result<Self, TracesError> {
        let Some(collector) = collector else {
            return Ok(Self {
                traces: Traces::default(),
                sending: None,
            });
        };
        let (traces, sending) = Traces::to(collector, metrics.clone())?;
        tracing::info!(%collector, "traces go to {collector}");
        Ok(Self {
            traces,
            sending: Some(sending),
        })
    }

    /// Sends what there is, for no longer than there is time at the end.
    pub(super) async fn end(self) {
        if let Some(sending) = self.sending {
            // The SDK's thread that died has said so.
            let _died = spawn_blocking(move || sending.end(REST_WITHIN)).await;
        }
    }
}
