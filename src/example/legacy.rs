//! Its protocol: sessions, and what each message is answered.
//!
//! Spec: 2025-11-25 basic/lifecycle, server/tools, server/prompts, server/resources.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{offer, work};
use crate::limits::EXAMPLE_SESSIONS_MAX;

/// The revisions it shakes hands in, latest first.
const REVISIONS: [&str; 2] = ["2025-11-25", "2025-06-18"];

/// The sessions of its clients.
#[derive(Default)]
pub(super) struct Server(Mutex<Sessions>);

#[derive(Default)]
struct Sessions {
    by_id: HashMap<String, Arc<Session>>,
    /// Oldest first: it makes room for a new one.
    order: VecDeque<String>,
}

/// One client's session.
#[derive(Default)]
pub(super) struct Session {
    /// Whether its client can ask its user with a form.
    pub(super) asks_users: bool,
    /// From which level on its client hears log messages, in the order of [`offer::LEVELS`].
    level: Mutex<usize>,
    questions: Mutex<HashMap<String, oneshot::Sender<Value>>>,
    calls: Mutex<HashMap<String, CancellationToken>>,
}

/// What a message is answered.
pub(super) enum Answer {
    /// Nothing: it was no request.
    Nothing,
    /// A response with the session that it opened.
    Opened {
        /// The session's id.
        session: String,
        /// The response.
        message: Value,
    },
    /// A response.
    Message(Value),
    /// An error that HTTP has a status for.
    Refused(StatusCode, Value),
    /// Messages, of which the response is the last.
    Stream(mpsc::Receiver<Value>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Takes a message of a session; `revision` is what its header says.
    pub(super) fn take(
        &self,
        session: Option<&str>,
        revision: Option<&str>,
        message: Value,
    ) -> Answer {
        let id = message["id"].clone();
        if message["method"] == "initialize" {
            return self.open(&id, &message["params"]);
        }
        let refused = |status, text: &str| Answer::Refused(status, offer::error(&id, -32600, text));
        let Some(session) = session else {
            return refused(StatusCode::BAD_REQUEST, "initialize first");
        };
        if revision.is_some_and(|revision| !REVISIONS.contains(&revision)) {
            return refused(StatusCode::BAD_REQUEST, "this revision is not spoken here");
        }
        let Some(session) = lock(&self.0).by_id.get(session).cloned() else {
            return refused(
                StatusCode::NOT_FOUND,
                "there is no such session; initialize",
            );
        };
        session.take(message)
    }

    fn open(&self, id: &Value, params: &Value) -> Answer {
        let asked = params["protocolVersion"].as_str().unwrap_or_default();
        let revision = REVISIONS.iter().find(|revision| **revision == asked);
        let elicitation = &params["capabilities"]["elicitation"];
        let session = Session {
            // An empty object stands for forms, too.
            asks_users: elicitation
                .as_object()
                .is_some_and(|kinds| kinds.is_empty() || kinds.contains_key("form")),
            ..Session::default()
        };
        let name = Uuid::new_v4().to_string();
        let mut sessions = lock(&self.0);
        if sessions.order.len() >= EXAMPLE_SESSIONS_MAX
            && let Some(oldest) = sessions.order.pop_front()
        {
            sessions.by_id.remove(&oldest);
        }
        sessions.by_id.insert(name.clone(), Arc::new(session));
        sessions.order.push_back(name.clone());
        Answer::Opened {
            session: name,
            message: offer::response(id, &offer::opening(revision.unwrap_or(&REVISIONS[0]))),
        }
    }

    /// Ends a session; whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        let mut sessions = lock(&self.0);
        sessions.order.retain(|known| known != id);
        sessions.by_id.remove(id).is_some()
    }
}

impl Session {
    fn take(self: Arc<Self>, message: Value) -> Answer {
        let id = message["id"].clone();
        let Some(method) = message["method"].as_str().map(str::to_owned) else {
            // An answer to a question of ours.
            if let Some(asked) = lock(&self.questions).remove(&id.to_string()) {
                // Whoever asked may have left.
                let _left = asked.send(message);
            }
            return Answer::Nothing;
        };
        let params = &message["params"];
        if id.is_null() {
            if method == "notifications/cancelled"
                && let Some(call) = lock(&self.calls).remove(&params["requestId"].to_string())
            {
                call.cancel();
            }
            return Answer::Nothing;
        }
        match method.as_str() {
            "tools/call" => return work::call(&self, &id, params),
            "logging/setLevel" => {
                let level = params["level"].as_str();
                let known = |known: &&str| Some(*known) == level;
                let Some(level) = offer::LEVELS.iter().position(known) else {
                    return Answer::Message(offer::error(&id, -32602, "this is no level"));
                };
                *lock(&self.level) = level;
                return Answer::Message(offer::response(&id, &json!({})));
            }
            _ => {}
        }
        Answer::Message(match offer::answer(&method, params) {
            Ok(result) => offer::response(&id, &result),
            Err((code, text)) => offer::error(&id, code, text),
        })
    }

    /// Whether its client hears messages of that level.
    pub(super) fn hears(&self, level: &str) -> bool {
        let least = *lock(&self.level);
        let known = offer::LEVELS.iter().position(|known| *known == level);
        known.is_some_and(|level| level >= least)
    }

    /// Notes a call, so that it can be taken back, until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, id: &Value) -> Running {
        let key = id.to_string();
        let taken_back = CancellationToken::new();
        lock(&self.calls).insert(key.clone(), taken_back.clone());
        Running {
            session: Arc::clone(self),
            key,
            taken_back,
        }
    }

    /// Notes a question: its id, and where its answer comes.
    pub(super) fn ask(&self) -> (Value, oneshot::Receiver<Value>) {
        let id = Value::from(Uuid::new_v4().to_string());
        let (asked, answered) = oneshot::channel();
        lock(&self.questions).insert(id.to_string(), asked);
        (id, answered)
    }

    /// Forgets a question.
    pub(super) fn forget(&self, id: &Value) {
        lock(&self.questions).remove(&id.to_string());
    }
}

/// A call under way.
pub(super) struct Running {
    session: Arc<Session>,
    key: String,
    /// Says when the client takes it back.
    pub(super) taken_back: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.session.calls).remove(&self.key);
    }
}
