//! The methods the gateway itself gives a meaning to.

use serde_json::value::RawValue;

use super::object::RawObject;

/// Opens the legacy era.
pub const INITIALIZE: &str = "initialize";
/// Ends the legacy handshake.
pub const INITIALIZED: &str = "notifications/initialized";
/// Asks a modern server what it is.
pub const DISCOVER: &str = "server/discover";
/// Asks whether the other side lives.
pub const PING: &str = "ping";
/// Lists tools.
pub const TOOLS_LIST: &str = "tools/list";
/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Lists prompts.
pub const PROMPTS_LIST: &str = "prompts/list";
/// Fills a prompt in.
pub const PROMPTS_GET: &str = "prompts/get";
/// Lists resources.
pub const RESOURCES_LIST: &str = "resources/list";
/// Lists the templates that URIs of resources follow.
pub const TEMPLATES_LIST: &str = "resources/templates/list";
/// Reads a resource.
pub const RESOURCES_READ: &str = "resources/read";
/// Asks a legacy server to announce that a resource changed.
pub const SUBSCRIBE: &str = "resources/subscribe";
/// Takes [`SUBSCRIBE`] back.
pub const UNSUBSCRIBE: &str = "resources/unsubscribe";
/// Completes an argument of a prompt or of a template.
pub const COMPLETE: &str = "completion/complete";
/// Tells a legacy server which log messages to send.
pub const SET_LEVEL: &str = "logging/setLevel";
/// Asks how a task stands.
pub const TASKS_GET: &str = "tasks/get";
/// Gives a task what it asked for; of the tasks extension.
pub const TASKS_UPDATE: &str = "tasks/update";
/// Ends a task early.
pub const TASKS_CANCEL: &str = "tasks/cancel";
/// Waits for a task's result; of 2025-11-25.
pub const TASKS_RESULT: &str = "tasks/result";
/// Lists tasks; of 2025-11-25.
pub const TASKS_LIST: &str = "tasks/list";

/// Asks the client's user for something.
pub const ELICIT: &str = "elicitation/create";
/// Asks the client's model for something.
pub const SAMPLE: &str = "sampling/createMessage";
/// Asks the client for its roots.
pub const ROOTS_LIST: &str = "roots/list";

/// Ends a request early.
pub const CANCELLED: &str = "notifications/cancelled";
/// Tells how far a request got.
pub const PROGRESS: &str = "notifications/progress";
/// Tells that a user has been on the page they were sent to; of 2025-11-25.
pub const ELICITED: &str = "notifications/elicitation/complete";
/// Carries a log message.
pub const LOG_MESSAGE: &str = "notifications/message";
/// Tells that the list of tools is another now.
pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
/// Tells that the list of prompts is another now.
pub const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
/// Tells that the list of resources, or of templates, is another now.
pub const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
/// Tells that a resource is another now.
pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
/// Tells how a task stands; of the tasks extension.
pub const TASK_CHANGED: &str = "notifications/tasks";
/// Tells how a task stands; of 2025-11-25.
pub const TASK_STATUS: &str = "notifications/tasks/status";

/// Asks a modern server to announce changes on the answer's stream.
pub const LISTEN: &str = "subscriptions/listen";
/// Tells which changes a modern server announces on a stream; the first message on it.
pub const LISTEN_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// The methods of all requests of clients that a revision or an extension of ours defines; the most frequent one first.
pub const REQUESTS: [&str; 20] = [
    TOOLS_CALL,
    TOOLS_LIST,
    INITIALIZE,
    DISCOVER,
    PING,
    PROMPTS_LIST,
    PROMPTS_GET,
    RESOURCES_LIST,
    TEMPLATES_LIST,
    RESOURCES_READ,
    SUBSCRIBE,
    UNSUBSCRIBE,
    COMPLETE,
    SET_LEVEL,
    TASKS_GET,
    TASKS_UPDATE,
    TASKS_CANCEL,
    TASKS_RESULT,
    TASKS_LIST,
    LISTEN,
];

/// Whether a request of this method may be sent again after its bytes may have reached a backend.
///
/// Reading twice changes nothing; a tool may have run. Whether a tool says that it may be repeated
/// is [`Hints::repeatable`](super::tool::Hints::repeatable)'s word.
#[must_use]
pub fn only_reads(method: &str) -> bool {
    matches!(
        method,
        INITIALIZE
            | DISCOVER
            | PING
            | TOOLS_LIST
            | PROMPTS_LIST
            | PROMPTS_GET
            | RESOURCES_LIST
            | TEMPLATES_LIST
            | RESOURCES_READ
            | SUBSCRIBE
            | UNSUBSCRIBE
            | COMPLETE
            | SET_LEVEL
            | TASKS_GET
            | TASKS_RESULT
            | TASKS_LIST
            | LISTEN
    )
}

/// The member of a method's parameters that says what the request is about, and so tells the gateway
/// whose request it is.
#[must_use]
pub fn subject_member(method: &str) -> Option<&'static str> {
    match method {
        TOOLS_CALL | PROMPTS_GET => Some("name"),
        RESOURCES_READ | SUBSCRIBE | UNSUBSCRIBE => Some("uri"),
        TASKS_GET | TASKS_UPDATE | TASKS_CANCEL | TASKS_RESULT => Some("taskId"),
        _ => None,
    }
}

/// Whether the `Mcp-Name` header of a request of this method repeats what it is about.
///
/// Spec: 2026-07-28 basic/transports/streamable-http, "Standard Request Headers"; SEP-2663,
/// "Streamable HTTP: Routing Headers".
#[must_use]
pub fn has_name_header(method: &str) -> bool {
    matches!(
        method,
        TOOLS_CALL | PROMPTS_GET | RESOURCES_READ | TASKS_GET | TASKS_UPDATE | TASKS_CANCEL
    )
}

/// Whether a request of this method may be answered with a wish for input.
///
/// Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests".
#[must_use]
pub fn may_want_input(method: &str) -> bool {
    matches!(method, TOOLS_CALL | PROMPTS_GET | RESOURCES_READ)
}

/// The capability that a client must have declared to be asked this, with a dot before a part of it;
/// `None` for what no revision defines.
///
/// Spec: 2025-11-25 client/elicitation and client/sampling, "Capabilities".
#[must_use]
pub fn asked_capability(method: &str, params: Option<&RawValue>) -> Option<&'static str> {
    match method {
        ELICIT if is_by_url(params) => Some("elicitation.url"),
        ELICIT => Some("elicitation"),
        SAMPLE if RawObject::parse_or_empty(params).get("tools").is_some() => {
            Some("sampling.tools")
        }
        SAMPLE => Some("sampling"),
        ROOTS_LIST => Some("roots"),
        _ => None,
    }
}

/// Whether an elicitation sends the user to a page.
#[must_use]
pub fn is_by_url(params: Option<&RawValue>) -> bool {
    let mode = RawObject::parse_or_empty(params).get_str("mode");
    mode.as_deref() == Some("url")
}
