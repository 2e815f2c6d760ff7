//! What all connections of a fake backend share: its script, its memory, its faults.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::SocketAddr,
    sync::{Mutex, PoisonError, atomic::AtomicUsize},
};

use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{
    fault::Faults,
    listeners::Listener,
    manners::Level,
    marks::Marks,
    record::{Cancellation, Recorded},
    reply::Event,
    script::Script,
    tape::Tape,
    tasks::Task,
};

pub(super) struct Stage {
    pub(super) script: Script,
    pub(super) faults: Faults,
    /// How many requests to come end with a reset before a byte of them is read.
    pub(super) unread: AtomicUsize,
    /// Permits for the steps of gated calls.
    pub(super) steps: Semaphore,
    state: Mutex<State>,
    happened: watch::Sender<()>,
}

#[derive(Default)]
pub(super) struct State {
    /// Where the connections come from that stand.
    pub(super) connected: HashSet<SocketAddr>,
    pub(super) requests: Vec<Recorded>,
    pub(super) sessions: HashMap<String, McpSession>,
    /// What a server without sessions knows of all its clients together.
    pub(super) sessionless: McpSession,
    pub(super) initializations: usize,
    pub(super) executions: HashMap<String, usize>,
    pub(super) completions: HashMap<String, usize>,
    /// The name and the raw arguments of each tool that began to run.
    pub(super) runs: Vec<(String, String)>,
    pub(super) cancellations: Vec<Cancellation>,
    pub(super) complaints: Vec<String>,
    /// Messages that break the schema.
    pub(super) breaches: Vec<String>,
    /// The test lets the schema be broken.
    pub(super) tolerant: bool,
    /// Raw results that a test set, by the name of what answers with them.
    pub(super) exact: HashMap<&'static str, String>,
    /// The definitions there are now, raw JSON.
    pub(super) tools: Vec<String>,
    pub(super) prompts: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) templates: Vec<String>,
    /// Calls under way, which `notifications/cancelled` may end.
    pub(super) running: HashMap<CallKey, oneshot::Sender<()>>,
    /// Requests sent to the client, by their raw id, that wait for its answer.
    pub(super) asked: BTreeMap<String, Asked>,
    /// The open streams for what is announced.
    pub(super) listeners: Vec<Listener>,
    /// What was said on the streams that may be resumed.
    pub(super) tapes: Vec<Tape>,
    pub(super) tasks: Vec<Task>,
    pub(super) marks: Marks,
    serial: usize,
}

/// A request of ours that a client has not answered.
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) mcp_session: Option<String>,
    pub(super) outcome: oneshot::Sender<Outcome>,
    /// The stream the request went out on.
    pub(super) stream: mpsc::UnboundedSender<Event>,
}

/// What became of a request of ours.
pub(super) enum Outcome {
    /// The raw result.
    Answered(String),
    /// The raw error.
    Refused(String),
    Withdrawn,
}

/// A request id and the MCP session it counts in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallKey {
    pub(super) mcp_session: Option<String>,
    pub(super) request_id: String,
}

#[derive(Default)]
pub(super) struct McpSession {
    pub(super) initialized: bool,
    /// The `Authorization` of whoever opened it.
    pub(super) credential: Option<String>,
    pub(super) client_capabilities: Value,
    pub(super) used_ids: HashSet<String>,
    /// The URIs of `resources/subscribe`.
    pub(super) subscriptions: BTreeSet<String>,
    /// The level of `logging/setLevel`.
    pub(super) log_level: Option<Level>,
}

impl Stage {
    pub(super) fn new(script: Script) -> Self {
        let mut state = State::default();
        state.tools.clone_from(&script.tools);
        state.prompts.clone_from(&script.prompts);
        state.resources.clone_from(&script.resources);
        state.templates.clone_from(&script.templates);
        Self {
            script,
            faults: Faults::default(),
            unread: AtomicUsize::new(0),
            steps: Semaphore::new(0),
            state: Mutex::new(state),
            happened: watch::Sender::new(()),
        }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let outcome = act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.happened.send_replace(());
        outcome
    }

    pub(super) fn happenings(&self) -> watch::Receiver<()> {
        self.happened.subscribe()
    }

    /// Waits until `look` finds something, looking again whenever something happened here.
    pub(super) async fn find<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut happenings = self.happenings();
        loop {
            // Not `change`: a look is no happening, or two who look would wake each other for ever.
            let found = look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(found) = found {
                return found;
            }
            if happenings.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits for a permit of [`super::FakeBackend::step`], if the arguments say `gated`.
    pub(super) async fn gate(&self, gated: bool) {
        if gated && let Ok(permit) = self.steps.acquire().await {
            permit.forget();
        }
    }
}

impl State {
    /// A number never given before.
    pub(super) fn next_serial(&mut self) -> usize {
        self.serial += 1;
        self.serial
    }

    /// What is known of an MCP session; of all clients, where none are kept.
    pub(super) fn session(&self, mcp_session: Option<&str>) -> Option<&McpSession> {
        match mcp_session {
            Some(id) => self.sessions.get(id),
            None => Some(&self.sessionless),
        }
    }

    /// [`Self::session`], to be changed.
    pub(super) fn session_mut(&mut self, mcp_session: Option<&str>) -> Option<&mut McpSession> {
        match mcp_session {
            Some(id) => self.sessions.get_mut(id),
            None => Some(&mut self.sessionless),
        }
    }

    pub(super) fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }
}
