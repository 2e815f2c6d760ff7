//! What a fake backend saw.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, request::Parts};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When its last byte was here.
    pub at: Instant,
    /// The HTTP method.
    pub http_method: Method,
    /// The path, with the query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    envelope: Option<Envelope>,
}

/// The JSON-RPC members of a body; absent ones are `None`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Envelope {
    pub(super) id: Option<Box<RawValue>>,
    pub(super) method: Option<String>,
    pub(super) params: Option<Box<RawValue>>,
    pub(super) result: Option<Box<RawValue>>,
    pub(super) error: Option<Box<RawValue>>,
}

impl Recorded {
    pub(super) fn new(parts: &Parts, body: Bytes) -> Self {
        Self {
            at: Instant::now(),
            http_method: parts.method.clone(),
            path: parts.uri.to_string(),
            headers: parts.headers.clone(),
            envelope: serde_json::from_slice(&body).ok(),
            body,
        }
    }

    /// The messages of a batch, each as if it had come alone; `None` if it is no batch.
    pub(super) fn elements(&self) -> Option<Vec<Self>> {
        let elements: Vec<Box<RawValue>> = serde_json::from_slice(&self.body).ok()?;
        let elements = elements.iter().map(|raw| Self {
            body: Bytes::copy_from_slice(raw.get().as_bytes()),
            envelope: serde_json::from_str(raw.get()).ok(),
            ..self.clone()
        });
        Some(elements.collect())
    }

    /// The JSON-RPC method, if it is a request or a notification.
    pub fn method(&self) -> Option<&str> {
        self.envelope.as_ref()?.method.as_deref()
    }

    /// The JSON-RPC id as raw JSON, if it has one.
    pub fn id(&self) -> Option<&str> {
        Some(self.envelope.as_ref()?.id.as_ref()?.get())
    }

    /// The whole body as a tree; `null` if it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The `params` as a tree; `null` if there are none.
    pub fn params(&self) -> Value {
        let mut json = self.json();
        json.get_mut("params").map(Value::take).unwrap_or_default()
    }

    /// A header's value, if it came and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of `Authorization`, if it came.
    pub(super) fn credential(&self) -> Option<String> {
        self.header("authorization").map(str::to_owned)
    }

    pub(super) fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }
}

/// How a call learned that nobody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// By `notifications/cancelled` with the call's own request id.
    ByNotification,
    /// Because its connection or stream was closed.
    ByClose,
}

/// One call that did not run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The id of the call, raw JSON.
    pub request_id: String,
    /// How it came.
    pub how: Cancelled,
}
