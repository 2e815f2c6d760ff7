//! The way of spans to the collector: a bounded queue, batches that a thread of the SDK's sends, and what becomes of
//! those that it cannot send. Nobody who ends a span waits for anything.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use opentelemetry::{Context, KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as Exporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter,
        SpanProcessor,
    },
};
use reqwest::{Client, redirect::Policy};
use tokio::runtime::Handle;
use url::Url;

use crate::{
    limits::{SPANS_LOST_TOLD, SPANS_SENT_WITHIN, SPANS_WAITING_MAX},
    metrics::Metrics,
};

use super::Traces;

/// What the gateway is called where nobody calls it something else.
const SERVICE: &str = "mcp-gateway";

/// Where spans are sent. What is shown of it is not where on its host that is: there may be a key in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Collector(Url);

/// Why an address is none of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an http or https address without a user in it, such as http://localhost:4318")]
pub struct InvalidCollector;

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// There is no HTTP client to be had.
    #[error("cannot speak with a collector of traces")]
    Client(#[source] reqwest::Error),
    /// The variables of OpenTelemetry hold something that is of no use.
    #[error("cannot send traces")]
    Exporter(#[source] ExporterBuildError),
}

/// Spans on their way to a collector.
#[must_use = "what is on its way is sent only if that is waited for"]
pub struct Sending {
    provider: SdkTracerProvider,
    queue: Arc<Queue>,
}

impl Collector {
    /// The one to which all signals go below this address, traces to `v1/traces`.
    ///
    /// # Errors
    ///
    /// When it is no address that can be sent to.
    pub fn below(base: &str) -> Result<Self, InvalidCollector> {
        Self::at(&format!("{}/v1/traces", base.trim_end_matches('/')))
    }

    /// The one that takes traces at this very address.
    ///
    /// # Errors
    ///
    /// As for [`Self::below`].
    pub fn at(url: &str) -> Result<Self, InvalidCollector> {
        let url = Url::parse(url).map_err(|_| InvalidCollector)?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_one = matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain;
        is_one.then_some(Self(url)).ok_or(InvalidCollector)
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Traces {
    /// Begins to send spans to a collector. What is sampled, how the service is called and which headers a collector
    /// wants, OpenTelemetry's own variables say.
    ///
    /// # Errors
    ///
    /// [`TracesError`] when nothing can be sent.
    pub fn to(collector: &Collector, metrics: Metrics) -> Result<(Self, Sending), TracesError> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(SPANS_SENT_WITHIN)
            .build()
            .map_err(TracesError::Client)?;
        let exporter = Exporter::builder()
            .with_http()
            .with_http_client(InRuntime(client, Handle::current()))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(collector.0.as_str())
            .with_timeout(SPANS_SENT_WITHIN)
            .build()
            .map_err(TracesError::Exporter)?;
        Ok(Self::through(exporter, metrics))
    }

    /// The same by any way.
    pub(super) fn through(
        exporter: impl SpanExporter + 'static,
        metrics: Metrics,
    ) -> (Self, Sending) {
        let queue = Arc::new(Queue::new(metrics));
        let exporter = Leaving {
            exporter,
            queue: Arc::clone(&queue),
        };
        let config = BatchConfigBuilder::default().with_max_queue_size(SPANS_WAITING_MAX);
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_span_processor(Entering {
                batches: batches.build(),
                queue: Arc::clone(&queue),
            })
            .build();
        let tracer = provider.tracer(SERVICE);
        (Self(Some(Arc::new(tracer))), Sending { provider, queue })
    }
}

impl Sending {
    /// Sends what there is, and ends. It waits for that, for no longer than `within`: call it where waiting holds up
    /// nobody.
    pub fn end(self, within: Duration) {
        if self.provider.shutdown_with_timeout(within).is_err() {
            tracing::debug!("the collector of traces took longer than there was time at the end");
        }
        let left = self.queue.waiting.load(Ordering::Relaxed);
        if left > 0 {
            self.queue.lose(left, "the gateway ends");
        }
        self.queue.tell("the gateway ends");
    }
}

fn resource() -> Resource {
    let given = Resource::builder().build();
    let name = given.get(&"service.name".into());
    let is_named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let mut resource = Resource::builder();
    if !is_named {
        resource = resource.with_service_name(SERVICE);
    }
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    resource.with_attribute(version).build()
}

/// Counts spans that wait, and those that are lost.
struct Queue {
    waiting: AtomicUsize,
    metrics: Metrics,
    /// Of which the log has not told yet.
    untold: AtomicU64,
    /// Its clock's beginning.
    since: Instant,
    /// When the log may tell again, in milliseconds of that clock.
    again_ms: AtomicU64,
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Queue")
    }
}

impl Queue {
    fn new(metrics: Metrics) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            metrics,
            untold: AtomicU64::new(0),
            since: Instant::now(),
            again_ms: AtomicU64::new(0),
        }
    }

    fn enter(&self) -> bool {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= SPANS_WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Counts lost ones, and says so if that was not said just before.
    fn lose(&self, spans: usize, why: &str) {
        let spans = spans as u64;
        self.metrics.spans_lost(spans);
        self.untold.fetch_add(spans, Ordering::Relaxed);
        let now_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let again_ms = self.again_ms.load(Ordering::Relaxed);
        let next_ms =
            now_ms.saturating_add(u64::try_from(SPANS_LOST_TOLD.as_millis()).unwrap_or(u64::MAX));
        let is_time = now_ms >= again_ms;
        if is_time
            && self
                .again_ms
                .compare_exchange(again_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.tell(why);
        }
    }

    fn tell(&self, why: &str) {
        let spans = self.untold.swap(0, Ordering::Relaxed);
        if spans > 0 {
            tracing::warn!(
                spans,
                error = why,
                "spans are lost on their way to the collector of traces: {why}"
            );
        }
    }
}

/// The way in: what finds no room is lost.
#[derive(Debug)]
struct Entering {
    batches: BatchSpanProcessor,
    queue: Arc<Queue>,
}

impl SpanProcessor for Entering {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.queue.enter() {
            self.batches.on_end(span);
        } else {
            self.queue
                .lose(1, "it does not take them as fast as they come");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, within: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(within)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// The way out: what the collector does not take is lost.
#[derive(Debug)]
struct Leaving<E> {
    exporter: E,
    queue: Arc<Queue>,
}

impl<E: SpanExporter> SpanExporter for Leaving<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        self.queue.waiting.fetch_sub(spans, Ordering::Relaxed);
        if let Err(error) = sent {
            self.queue.lose(spans, &error.to_string());
        }
        // It is said; the SDK would say it of each batch.
        Ok(())
    }

    fn shutdown_with_timeout(&self, within: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(within)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Has the runtime send what the SDK's thread asks for: that thread drives no sockets.
#[derive(Debug)]
struct InRuntime(Client, Handle);

impl HttpClient for InRuntime {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let client = self.0.clone();
        let sending = self
            .1
            .spawn(async move { client.send_bytes(request).await });
        Box::pin(async move { sending.await? })
    }
}
