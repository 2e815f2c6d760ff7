//! The streams that clients open to hear of changes, and who hears what on them.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    reply::Event,
    script::Habit,
    stage::{Stage, State},
};

/// Where a subscription's id stands in `_meta`.
pub(super) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// One open stream.
pub(super) struct Listener {
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) audience: Audience,
    /// What keeps it while nobody reads, if it may be resumed.
    pub(super) tape: Option<usize>,
}

/// Who listens.
pub(super) enum Audience {
    /// A client of the legacy era, by its MCP session.
    Session(Option<String>),
    /// A subscription of the modern era.
    Subscription { id: String, wanted: Wanted },
}

/// What a subscription is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) tools: bool,
    pub(super) prompts: bool,
    pub(super) resources: bool,
    pub(super) uris: BTreeSet<String>,
    pub(super) tasks: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn read(filter: &Value) -> Self {
        let set = |name: &str| {
            let entries = filter[name].as_array().into_iter().flatten();
            let texts = entries.filter_map(Value::as_str).map(str::to_owned);
            texts.collect()
        };
        Self {
            tools: filter["toolsListChanged"] == true,
            prompts: filter["promptsListChanged"] == true,
            resources: filter["resourcesListChanged"] == true,
            uris: set("resourceSubscriptions"),
            tasks: set("taskIds"),
        }
    }

    pub(super) fn filter(&self) -> Value {
        let mut filter = json!({});
        let flags = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        for (name, _) in flags.into_iter().filter(|(_, wanted)| *wanted) {
            filter[name] = true.into();
        }
        let sets = [
            ("resourceSubscriptions", &self.uris),
            ("taskIds", &self.tasks),
        ];
        for (name, set) in sets.into_iter().filter(|(_, set)| !set.is_empty()) {
            filter[name] = json!(set);
        }
        filter
    }

    /// Says whether a message is for this subscription; one that no filter knows is for all.
    fn holds(&self, message: &Value) -> bool {
        let params = &message["params"];
        let names = |set: &BTreeSet<String>, member: &str| {
            params[member].as_str().is_some_and(|it| set.contains(it))
        };
        match message["method"].as_str().unwrap_or_default() {
            "notifications/tools/list_changed" => self.tools,
            "notifications/prompts/list_changed" => self.prompts,
            "notifications/resources/list_changed" => self.resources,
            "notifications/resources/updated" => names(&self.uris, "uri"),
            "notifications/tasks" => names(&self.tasks, "taskId"),
            _ => true,
        }
    }
}

/// The messages of a stream that a client opened; its end is a happening.
pub(super) struct Opened {
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// Every message stands in an array.
    pub(super) batched: bool,
    pub(super) end: End,
}

pub(super) struct End(Arc<Stage>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.change(|_| ());
    }
}

impl Opened {
    pub(super) fn new(events: mpsc::UnboundedReceiver<Event>, stage: &Arc<Stage>) -> Self {
        // Dropped in this order: when the end is told, the receiver is gone.
        Self {
            events,
            batched: stage.script.has(Habit::Batches),
            end: End(Arc::clone(stage)),
        }
    }
}

impl Listener {
    /// Says whether somebody reads.
    fn is_open(&self, state: &State) -> bool {
        let is_read = |tape: usize| state.tapes[tape].readers > 0;
        !self.events.is_closed() && self.tape.is_none_or(is_read)
    }
}

/// How many streams are read.
pub(super) fn count(state: &State) -> usize {
    let open = state.listeners.iter().filter(|it| it.is_open(state));
    open.count()
}

/// The stream a message to this MCP session goes to: one that is read before one that is kept.
pub(super) fn of_session(
    state: &State,
    mcp_session: Option<&str>,
) -> Option<mpsc::UnboundedSender<Event>> {
    let is_of = |listener: &&Listener| {
        matches!(&listener.audience, Audience::Session(id) if id.as_deref() == mcp_session)
            && !listener.events.is_closed()
    };
    let mut of_session = state.listeners.iter().filter(is_of);
    let kept = of_session.clone().next_back();
    let listener = of_session.find(|it| it.is_open(state)).or(kept)?;
    Some(listener.events.clone())
}

/// Sends a message to everybody who is to hear it: on one stream of each MCP session, on each
/// subscription that wants it.
pub(super) fn announce(state: &mut State, message: &str) {
    let parsed: Value = serde_json::from_str(message).unwrap();
    let updated = (parsed["method"] == "notifications/resources/updated")
        .then(|| parsed["params"]["uri"].as_str().unwrap_or_default());
    let task = (parsed["method"] == "notifications/tasks/status")
        .then(|| parsed["params"]["taskId"].as_str().unwrap_or_default());
    let mut sessions: Vec<Option<String>> = Vec::new();
    for listener in &state.listeners {
        match &listener.audience {
            Audience::Subscription { id, wanted } if wanted.holds(&parsed) => {
                let tagged = Event::Message(tagged(&parsed, id));
                // A stream may have ended.
                let _ = listener.events.send(tagged);
            }
            Audience::Session(id) if !sessions.contains(id) => sessions.push(id.clone()),
            _ => {}
        }
    }
    for id in sessions {
        let known = state.session(id.as_deref());
        let wants =
            updated.is_none_or(|uri| known.is_some_and(|it| it.subscriptions.contains(uri)));
        let owns = task.is_none_or(|task| {
            state
                .tasks
                .iter()
                .any(|it| it.id == task && it.mcp_session == id)
        });
        if wants
            && owns
            && let Some(stream) = of_session(state, id.as_deref())
        {
            let _ = stream.send(Event::Message(message.to_owned()));
        }
    }
    state.listeners.retain(|it| !it.events.is_closed());
}

/// Sends a message on every open stream, whoever asked for what.
pub(super) fn blurt(state: &State, message: &str) {
    let parsed: Value = serde_json::from_str(message).unwrap();
    for listener in &state.listeners {
        let text = match &listener.audience {
            Audience::Subscription { id, .. } => tagged(&parsed, id),
            Audience::Session(_) => message.to_owned(),
        };
        let _ = listener.events.send(Event::Message(text));
    }
}

/// Ends every subscription as a server does that shuts down: with its response.
pub(super) fn close_subscriptions(stage: &Stage) {
    let listeners = stage.change(|state| std::mem::take(&mut state.listeners));
    for listener in listeners {
        if let Audience::Subscription { id, .. } = &listener.audience {
            let _ = listener.events.send(Event::Last(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{SUBSCRIPTION}":{id}}}}}}}"#
            )));
        }
    }
}

/// A message as it stands on a subscription's stream.
fn tagged(message: &Value, subscription: &str) -> String {
    let mut message = message.clone();
    let id: Value = serde_json::from_str(subscription).unwrap();
    message["params"]["_meta"][SUBSCRIPTION] = id;
    message.to_string()
}

/// Every URI somebody is subscribed to, sorted.
pub(super) fn subscribed(state: &State) -> Vec<String> {
    let sessions = state.sessions.values().chain([&state.sessionless]);
    let mut uris: BTreeSet<String> = sessions
        .flat_map(|session| session.subscriptions.iter().cloned())
        .collect();
    for listener in state.listeners.iter().filter(|it| it.is_open(state)) {
        if let Audience::Subscription { wanted, .. } = &listener.audience {
            uris.extend(wanted.uris.iter().cloned());
        }
    }
    uris.into_iter().collect()
}
