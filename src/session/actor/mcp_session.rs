//! One client that initialized: what was agreed with it, what it wants to hear, and where.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, mpsc::error::TrySendError, oneshot};
use uuid::Uuid;

use crate::{
    backend::Wants,
    limits::LISTENERS_PER_MCP_SESSION_MAX,
    mcp::{
        event::Question, failure::Failure, level::Level, message::RequestId, name::BackendName,
        object::quote, request::Context, version::Revision,
    },
    metrics::{Counted, Metrics},
    session::{
        clock::now_ms,
        heard::Listener,
        message::{Client, Told},
    },
    store::McpSessionRecord,
};

use super::hearing::Wanted;

/// One client that initialized.
pub(super) struct McpSession {
    pub(super) context: Context,
    pub(super) revision: Revision,
    opened_ms: i64,
    pub(super) last_used_ms: i64,
    pub(super) used_since_sweep: bool,
    /// Whether it has a row, for certain.
    pub(super) is_stored: bool,
    /// Whether it was tried to write one.
    pub(super) may_have_row: bool,
    /// The resources of whose updates it wants to hear.
    pub(super) subscriptions: BTreeSet<Wanted>,
    /// What it was asked and has not answered, the oldest first.
    pub(super) asked: VecDeque<(RequestId, Question)>,
    listeners: Vec<Listener>,
    pub(super) keeping: Keeping,
    pub(super) place: Option<OwnedSemaphorePermit>,
    counted: Option<Counted>,
}

/// How the storing of what it wants to hear stands: one write at a time, so that the last one wins.
#[derive(Default)]
pub(super) struct Keeping {
    pub(super) under_way: bool,
    /// Whether it wants something else by now.
    pub(super) is_stale: bool,
    /// Who waits until what it wants is stored.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
}

/// What is stored of what a client wants to hear.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    level: Option<String>,
    /// Provider, URI there, URI in public.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    subscriptions: Vec<(String, String, String)>,
}

impl McpSession {
    pub(super) fn new(client: Client, place: OwnedSemaphorePermit) -> Self {
        let now = now_ms();
        Self {
            context: client.context,
            revision: client.revision,
            opened_ms: now,
            last_used_ms: now,
            used_since_sweep: false,
            is_stored: false,
            may_have_row: false,
            subscriptions: BTreeSet::new(),
            asked: VecDeque::new(),
            listeners: Vec::new(),
            keeping: Keeping::default(),
            place: Some(place),
            counted: None,
        }
    }

    /// One from before a restart; without a place where more are remembered than may be opened.
    pub(super) fn remembered(
        record: McpSessionRecord,
        names: &[BackendName],
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let wants = record.wants.as_deref();
        let stored: Stored = wants
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let wanted = |(backend, own, public): (String, String, String)| {
            let position = names.iter().position(|name| name.as_str() == backend)?;
            Some(Wanted {
                position,
                own,
                public,
            })
        };
        Self {
            context: Context {
                client_info: record.client_info.map(Into::into),
                capabilities: record.capabilities.map(Into::into),
                log_level: stored.level.map(|level| quote(&level).into()),
                trace: None,
            },
            revision: record.revision,
            opened_ms: record.created_ms,
            last_used_ms: record.last_used_ms,
            used_since_sweep: false,
            is_stored: true,
            may_have_row: true,
            subscriptions: stored
                .subscriptions
                .into_iter()
                .filter_map(wanted)
                .collect(),
            asked: VecDeque::new(),
            listeners: Vec::new(),
            keeping: Keeping::default(),
            place,
            counted: None,
        }
    }

    /// The same, which counts as one until it is dropped.
    pub(super) fn counted(mut self, metrics: &Metrics) -> Self {
        self.counted = Some(metrics.mcp_session());
        self
    }

    /// Its row, as long as it wants to hear nothing.
    pub(super) fn record(&self, id: Uuid, session: Uuid) -> McpSessionRecord {
        let owned = |raw: &Option<Arc<RawValue>>| raw.as_deref().map(ToOwned::to_owned);
        McpSessionRecord {
            id,
            session,
            revision: self.revision,
            client_info: owned(&self.context.client_info),
            capabilities: owned(&self.context.capabilities),
            wants: None,
            created_ms: self.opened_ms,
            last_used_ms: self.last_used_ms,
        }
    }

    /// What is stored of what it wants to hear.
    pub(super) fn stored_wants(&self, names: &[BackendName]) -> Option<Box<RawValue>> {
        let subscriptions = self.subscriptions.iter().map(|wanted| {
            let backend = names[wanted.position].to_string();
            (backend, wanted.own.clone(), wanted.public.clone())
        });
        let stored = Stored {
            level: self.level().map(|level| level.as_str().to_owned()),
            subscriptions: subscriptions.collect(),
        };
        serde_json::value::to_raw_value(&stored).ok()
    }

    pub(super) fn touch(&mut self) {
        self.last_used_ms = now_ms();
        self.used_since_sweep = true;
    }

    /// Whether all that it is stands in its row, and nobody hears anything on a stream of it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_stored && !self.has_listener() && !self.used_since_sweep && !self.keeping.under_way
    }

    /// The least severe log message it wants, if it said so.
    pub(super) fn level(&self) -> Option<Level> {
        Level::read(self.context.log_level.as_ref()?)
    }

    /// What its link with a backend has to carry besides calls.
    pub(super) fn wants(&self, position: usize) -> Wants {
        let here = self.subscriptions.iter();
        Wants {
            uris: here
                .filter(|wanted| wanted.position == position)
                .map(|wanted| wanted.own.clone())
                .collect(),
            stream: self.has_listener(),
            away: !self.listeners.iter().any(Listener::is_read),
            level: self.level(),
            ..Wants::default()
        }
    }

    /// A further stream never takes over from one that is open.
    pub(super) fn listen(&mut self, listener: Listener) -> Result<(), Failure> {
        self.touch();
        self.forget_closed();
        if self.listeners.len() >= LISTENERS_PER_MCP_SESSION_MAX {
            return Err(Failure::TooManyListeners {
                limit: LISTENERS_PER_MCP_SESSION_MAX,
            });
        }
        self.listeners.push(listener);
        Ok(())
    }

    pub(super) fn forget_closed(&mut self) {
        self.listeners.retain(Listener::is_open);
    }

    pub(super) fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    /// Tells something on one stream only: the newest that is open and read, else one that the client
    /// may come back to.
    ///
    /// One that is full is closed: its client would miss what is told, and not know.
    ///
    /// Spec: 2025-11-25 basic/transports, "Multiple Connections".
    pub(super) fn tell(&mut self, mut told: Told) {
        while let Some(newest) = self.newest() {
            match self.listeners[newest].tell(told) {
                Ok(()) => return,
                Err(TrySendError::Full(untold) | TrySendError::Closed(untold)) => told = untold,
            }
            self.listeners.remove(newest);
        }
    }

    fn newest(&self) -> Option<usize> {
        let read = self.listeners.iter().rposition(Listener::is_read);
        read.or(self.listeners.len().checked_sub(1))
    }

    pub(super) fn has_listener(&self) -> bool {
        self.listeners.iter().any(Listener::is_open)
    }
}
