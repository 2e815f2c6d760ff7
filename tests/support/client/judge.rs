//! What every exchange of one client knows: what was asked under which id, in which revision, and
//! that messages must fit it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use crate::world::{
    schema::{self, Sender},
    transcript::Seat,
};

use super::Message;

/// Fails the test when a message breaks the schema.
#[derive(Default)]
pub(super) struct Judge {
    /// None for a client that has not opened, or never does.
    revision: OnceLock<String>,
    /// What the client says it can do.
    capabilities: Value,
    asked: Mutex<HashMap<String, String>>,
    lenient: AtomicBool,
    seat: Option<Seat>,
}

impl Judge {
    pub(super) fn new(capabilities: Value, seat: Option<Seat>) -> Self {
        Self {
            capabilities,
            seat,
            ..Self::default()
        }
    }

    /// The revision is settled.
    pub(super) fn speaks(&self, revision: &str) {
        self.revision.get_or_init(|| revision.to_owned());
    }

    /// Lets the other side, and this one, say what they like.
    pub(super) fn be_lenient(&self) {
        self.lenient.store(true, Ordering::Relaxed);
    }

    /// Notes a message on its way out, whatever it is.
    pub(super) fn note(&self, text: &str) {
        if let Some(seat) = &self.seat {
            seat.says(text);
        }
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let messages = match &message {
            Value::Array(messages) => messages.as_slice(),
            one => std::slice::from_ref(one),
        };
        for message in messages {
            if let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) {
                self.asked().insert(id.to_string(), method.to_owned());
            }
        }
    }

    /// What is wrong with a request of this client. The other side is to refuse it; that it does
    /// not is for [`super::Exchange`] to find.
    pub(super) fn wrong(&self, text: &str) -> Option<String> {
        let revision = self.revision.get()?;
        let message: Value = serde_json::from_str(text).ok()?;
        let verdict = match message.get("id") {
            Some(_) => schema::request(revision, Sender::Client, &message),
            None => schema::notification(revision, Sender::Client, &message),
        };
        self.filtered(verdict)
    }

    /// Judges a message that came in.
    pub(super) fn hear(&self, message: &Message, status: u16) {
        if let Some(seat) = &self.seat {
            seat.hears(message.raw());
        }
        if let Some(why) = self.filtered(self.verdict(message, status)) {
            panic!("heard what {why}: {}", message.raw());
        }
    }

    fn verdict(&self, message: &Message, status: u16) -> Result<(), String> {
        let json = message.json();
        // Not the raw id: two spellings of a text are one id.
        let id = json.get("id").map(Value::to_string);
        let method = id.and_then(|id| self.asked().get(&id).cloned());
        let opened = json["result"]["protocolVersion"].as_str();
        let revision = match (&method, self.revision.get()) {
            (Some(method), None) if method == "initialize" => opened,
            (_, revision) => revision.map(String::as_str),
        };
        let Some(revision) = revision else {
            return Ok(());
        };
        match (message.method(), message.id()) {
            (Some(method), Some(_)) => {
                self.may_be_asked(&method, &json["params"])?;
                schema::request(revision, Sender::Server, &json)
            }
            (Some(_), None) => schema::notification(revision, Sender::Server, &json),
            (None, id) if json.get("result").is_none() => {
                if id.is_none() && status < 400 {
                    return Err("answers nobody".to_owned());
                }
                schema::error_response(revision, &json)
            }
            (None, _) => match method {
                Some(method) => schema::result(revision, &method, &json),
                None => Err("answers what nobody asked".to_owned()),
            },
        }
    }

    /// Spec: a server asks only for what the client declared.
    fn may_be_asked(&self, method: &str, params: &Value) -> Result<(), String> {
        let can = |pointer: &str| self.capabilities.pointer(pointer).is_some();
        let may = match method {
            "elicitation/create" if params["mode"] == "url" => can("/elicitation/url"),
            "elicitation/create" => can("/elicitation"),
            "sampling/createMessage" => can("/sampling"),
            "roots/list" => can("/roots"),
            _ => true,
        };
        if may {
            return Ok(());
        }
        Err("asks for what this client did not declare".to_owned())
    }

    fn filtered(&self, verdict: Result<(), String>) -> Option<String> {
        verdict
            .err()
            .filter(|_| !self.lenient.load(Ordering::Relaxed))
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
