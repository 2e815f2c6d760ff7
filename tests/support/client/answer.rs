//! What came back for a request.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// One JSON-RPC message, kept as its bytes.
#[derive(Debug, Clone)]
pub struct Message {
    raw: String,
    event_id: Option<String>,
    in_batch: bool,
}

/// The members of a message that tell what it is.
#[derive(Deserialize)]
struct Members {
    id: Option<Box<RawValue>>,
    method: Option<String>,
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

/// A JSON-RPC error.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RpcError {
    /// The code.
    pub code: i64,
    /// The message.
    pub message: String,
    /// The data; `null` if there is none.
    #[serde(default)]
    pub data: Value,
}

impl Message {
    /// The message of a body or an event, or all of them if it is a batch.
    pub(super) fn of(raw: String, event_id: Option<&str>) -> Vec<Self> {
        let one = |raw: String, in_batch| Self {
            raw,
            event_id: event_id.map(str::to_owned),
            in_batch,
        };
        match serde_json::from_str::<Vec<Box<RawValue>>>(&raw) {
            Ok(batch) => batch
                .iter()
                .map(|it| one(it.get().to_owned(), true))
                .collect(),
            Err(_) => vec![one(raw, false)],
        }
    }

    /// Its bytes.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The id of the event it came in, if it came in one that has an id.
    pub fn event_id(&self) -> Option<&str> {
        self.event_id.as_deref()
    }

    /// Says whether it came in a batch.
    pub fn is_in_batch(&self) -> bool {
        self.in_batch
    }

    /// Its result as a tree. Fails the test if it has none.
    pub fn result(&self) -> Value {
        match self.members().result {
            Some(result) => serde_json::from_str(result.get()).unwrap(),
            None => panic!("no result in {self:?}"),
        }
    }

    /// It as a tree.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.raw).unwrap()
    }

    /// Its method, if it is a notification or a request.
    pub fn method(&self) -> Option<String> {
        self.members().method
    }

    /// Its id as raw JSON.
    pub fn id(&self) -> Option<String> {
        self.members().id.map(|id| id.get().to_owned())
    }

    /// Says whether it answers a request.
    pub fn is_response(&self) -> bool {
        let members = self.members();
        members.method.is_none() && (members.result.is_some() || members.error.is_some())
    }

    pub(super) fn is_result(&self) -> bool {
        self.members().result.is_some()
    }

    fn members(&self) -> Members {
        serde_json::from_str(&self.raw)
            .unwrap_or_else(|error| panic!("not a JSON-RPC message ({error}): {}", self.raw))
    }
}

/// All that came back for one request.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The messages before the response, in order.
    pub events: Vec<Message>,
    /// The response, if one came.
    pub response: Option<Message>,
    /// The whole body.
    pub body: Bytes,
    /// What the server asked this client meanwhile, in whichever manner, in order.
    pub asked: Vec<Asked>,
    /// What came on the client's `GET` stream meanwhile, questions apart.
    pub aside: Vec<Message>,
}

/// A request of the server that this client answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The params; `null` if there are none.
    pub params: Value,
}

impl Answer {
    pub(super) fn empty(status: u16, headers: HeaderMap) -> Self {
        Self {
            status,
            headers,
            events: Vec::new(),
            response: None,
            body: Bytes::new(),
            asked: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// The result as a tree. Fails the test if there is none.
    pub fn result(&self) -> Value {
        serde_json::from_str(&self.result_raw()).unwrap()
    }

    /// The result's own bytes.
    pub fn result_raw(&self) -> String {
        match self.response.as_ref().and_then(|it| it.members().result) {
            Some(result) => result.get().to_owned(),
            None => panic!("no result in {self:?}"),
        }
    }

    /// The text of the first content block of a tool's result.
    pub fn text(&self) -> String {
        let result = self.result();
        let text = result["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text in {self:?}"))
            .to_owned()
    }

    /// The JSON-RPC error. Fails the test if there is none.
    pub fn error(&self) -> RpcError {
        match self.response.as_ref().and_then(|it| it.members().error) {
            Some(error) => error,
            None => panic!("no error in {self:?}"),
        }
    }

    /// The response's id as raw JSON.
    pub fn id(&self) -> Option<String> {
        self.response.as_ref()?.id()
    }

    /// A header's value, if it came and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The whole body as text.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
