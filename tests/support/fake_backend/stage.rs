//! What all connections of a fake backend share: its script, its memory, its faults.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{
    fault::Faults,
    record::{Cancellation, Recorded},
    reply::Event,
    script::Script,
};

pub(super) struct Stage {
    pub(super) script: Script,
    pub(super) faults: Faults,
    /// Permits for the steps of gated `progress` calls.
    pub(super) steps: Semaphore,
    state: Mutex<State>,
    happened: watch::Sender<()>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) requests: Vec<Recorded>,
    pub(super) sessions: HashMap<String, McpSession>,
    pub(super) initializations: usize,
    pub(super) executions: HashMap<String, usize>,
    pub(super) completions: HashMap<String, usize>,
    pub(super) cancellations: Vec<Cancellation>,
    pub(super) complaints: Vec<String>,
    pub(super) exact: String,
    /// The definitions of the tools there are now.
    pub(super) tools: Vec<String>,
    /// Calls under way, which `notifications/cancelled` may end.
    pub(super) running: HashMap<CallKey, oneshot::Sender<()>>,
    /// Requests sent to the client, by their raw id, that wait for its answer.
    pub(super) asked: HashMap<String, oneshot::Sender<String>>,
    /// The open streams for what is announced.
    pub(super) listeners: Vec<Listener>,
    serial: usize,
}

/// A stream that a client opened to hear of changes.
pub(super) struct Listener {
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// In the modern era, the raw id of the request that opened it.
    pub(super) subscription: Option<String>,
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
    pub(super) client_capabilities: Value,
    pub(super) used_ids: HashSet<String>,
}

impl Stage {
    pub(super) fn new(script: Script) -> Self {
        let tools = script.tools.clone();
        Self {
            script,
            faults: Faults::default(),
            steps: Semaphore::new(0),
            state: Mutex::new(State {
                exact: "{}".to_owned(),
                tools,
                ..State::default()
            }),
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
}

impl State {
    /// A number never given before.
    pub(super) fn next_serial(&mut self) -> usize {
        self.serial += 1;
        self.serial
    }
}
