//! Asks a connection as a session does, and hears what comes back.

use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json, value::RawValue};
use tokio::{
    sync::mpsc,
    time::{self, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{
        Backend, Call, Description, HttpClients, Life, LinkKey, Memory, Report, Reporter, Start,
        Witness, list,
    },
    channel::{Receiver, channel},
    limits::EVENTS_IN_FLIGHT,
    mcp::{
        discovery::Discovery,
        event::{Event, Notification, Outcome, Question},
        failure::Failure,
        request::{Asking, Context, Request},
        shelf::Shelf,
    },
    metrics::Metrics,
    registry::{Defaults, ProviderSpec, Registry, Timeouts},
};

/// The backend's name.
pub(super) const NAME: &str = "shop";
/// What the environment variable `PRESET` holds.
pub(super) const PRESET: &str = "preset-3fa1";
/// Repeats that cost no time, where a test does not say otherwise.
const RETRIES: &str = "retries: { attempts: 2, base: 1ms, max: 1ms }";
/// Ends a test whose fact never comes: far more than a busy machine needs.
const NEVER: Duration = Duration::from_secs(30);
/// What a backend may take, where a test does not say otherwise: so much that no machine is too slow for it.
pub(super) const PATIENT: Timeouts = Timeouts {
    connect: Duration::from_mins(1),
    handshake: Duration::from_mins(1),
    idle: Duration::from_mins(1),
    call: Duration::from_mins(10),
};

/// A provider's entry, as the registry reads it.
pub(super) fn entry(url: &str, fields: &[&str]) -> Arc<ProviderSpec> {
    let mut text = format!("providers:\n  {NAME}:\n    url: {url}\n");
    let says_retries = fields.iter().any(|field| field.starts_with("retries"));
    let retries = (!says_retries).then_some(RETRIES);
    for field in fields.iter().copied().chain(retries) {
        writeln!(text, "    {field}").unwrap();
    }
    let environment = |name: &str| (name == "PRESET").then(|| PRESET.to_owned());
    let path = Path::new("registry.yaml");
    let defaults = Defaults {
        timeouts: PATIENT,
        ..Defaults::default()
    };
    let registry = Registry::parse(&text, path, &defaults, &environment).unwrap();
    Arc::clone(registry.get(NAME).unwrap())
}

/// Starts a connection.
pub(super) fn start(
    spec: Arc<ProviderSpec>,
    credential: Option<&str>,
    remembered: Vec<(LinkKey, Memory)>,
) -> Backend {
    start_with(spec, credential, remembered, Arc::new(|_| {}))
}

/// The same with what it reports to its session.
pub(super) fn start_reporting(
    spec: Arc<ProviderSpec>,
) -> (Backend, mpsc::UnboundedReceiver<Report>) {
    let (told, reports) = mpsc::unbounded_channel();
    let report = move |report| drop(told.send(report));
    let backend = start_with(spec, None, Vec::new(), Arc::new(report));
    (backend, reports)
}

fn start_with(
    spec: Arc<ProviderSpec>,
    credential: Option<&str>,
    remembered: Vec<(LinkKey, Memory)>,
    report: Reporter,
) -> Backend {
    let (backend, life) = begin(spec, credential, remembered, report);
    life.let_go();
    backend
}

/// The same with its life.
pub(super) fn begin(
    spec: Arc<ProviderSpec>,
    credential: Option<&str>,
    remembered: Vec<(LinkKey, Memory)>,
    report: Reporter,
) -> (Backend, Life) {
    let start = Start {
        number: 0,
        name: spec.name.clone(),
        spec: Some(spec),
        credential: Ok(credential.map(Into::into)),
        clients: HttpClients::new(Metrics::new().unwrap()),
        witness: Witness::another(),
        remembered,
        report,
    };
    Backend::start(start)
}

/// Opens a conversation.
pub(super) async fn connect(backend: &Backend, link: LinkKey) -> Result<Discovery, Failure> {
    soon(backend.connect(link, Context::default())).await
}

/// How a connection stands.
pub(super) async fn describe(backend: &Backend) -> Description {
    soon(backend.describe()).await.unwrap()
}

/// Lists the tools and passes on what the list shows, as a session does.
pub(super) async fn learn_tools(backend: &Backend) {
    let listing = soon(list(
        backend,
        Shelf::Tools,
        LinkKey::Default,
        &Context::default(),
    ))
    .await;
    backend.learned(&listing.unwrap());
}

/// A call of a tool.
pub(super) fn tool(name: &str) -> Request {
    let params = raw(&json!({ "name": name }).to_string());
    Request {
        name: Some(name.into()),
        ..Request::new("tools/call", Some(params), Context::default())
    }
}

/// A request for a page of the tool list.
pub(super) fn tools_page(cursor: &str) -> Request {
    let params = raw(&json!({ "cursor": cursor }).to_string());
    Request::new("tools/list", Some(params), Context::default())
}

/// JSON text.
pub(super) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// All that came back for one request.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) notifications: Vec<Notification>,
    pub(super) parts: Vec<Bytes>,
    pub(super) outcome: Outcome,
}

impl Heard {
    /// The result's whole text.
    pub(super) fn result(&self) -> String {
        match &self.outcome {
            Outcome::Completed(last) => {
                let text = [self.parts.concat(), last.json.to_vec()].concat();
                String::from_utf8(text).unwrap()
            }
            other => panic!("no result but {other:?}"),
        }
    }

    /// What the gateway says where it got no answer.
    pub(super) fn failure(self) -> Failure {
        match self.outcome {
            Outcome::Failed(failure) => failure,
            other => panic!("no failure but {other:?}"),
        }
    }
}

/// Makes a call; what comes back is for the caller to hear.
pub(super) fn send(backend: &Backend, link: LinkKey, request: Request) -> Receiver<Event> {
    let (events, received) = channel(EVENTS_IN_FLIGHT);
    let cancel = Arc::new(CancellationToken::new());
    backend.send(Call::new(link, request, events, cancel));
    received
}

/// Makes a call and hears it to its end, which must come once, and last.
pub(super) async fn call(backend: &Backend, link: LinkKey, request: Request) -> Heard {
    let mut received = send(backend, link, request);
    let (mut notifications, mut parts) = (Vec::new(), Vec::new());
    let outcome = loop {
        match soon(received.recv()).await.expect("an end") {
            Event::Notified(notification) => notifications.push(notification),
            Event::Part(part) => parts.push(part.json),
            Event::Asked(question) => drop(question),
            Event::Withdrawn(_) => {}
            Event::Finished(finished) => break finished.outcome,
        }
    };
    let more = soon(received.recv()).await;
    assert!(more.is_none(), "after the end: {more:?}");
    Heard {
        notifications,
        parts,
        outcome,
    }
}

/// The words of a failure that says the backend is unavailable; any other fails the test.
pub(super) fn unavailable(failure: &Failure) -> &str {
    match failure {
        Failure::Unavailable { backend, reason } if backend.as_str() == NAME => reason,
        other => panic!("not unavailable: {other:?}"),
    }
}

/// Waits for what must come.
pub(super) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(NEVER, work).await.expect("it never came")
}

/// Turns the clock on by so much: whatever has its time until then is over, and nobody has waited for it. In steps, between
/// which everybody has their turns, so that it is no standstill. Only for who waits for nothing meanwhile that has less.
pub(super) async fn turn_clock(by: Duration) {
    const STEPS: u32 = 32;
    const TURNS: usize = 8;
    time::pause();
    for _ in 0..STEPS {
        time::advance(by / STEPS).await;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }
    time::resume();
}

/// Waits for a fact that nobody reports.
pub(super) async fn until(fact: impl AsyncFn() -> bool) {
    soon(async {
        while !fact().await {
            time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A call of a tool by a client that can be asked for whatever these capabilities say.
pub(super) fn asked_tool(name: &str, capabilities: &Value, asking: Asking) -> Request {
    let capabilities: Arc<RawValue> = raw(&capabilities.to_string()).into();
    Request {
        asking,
        context: Context {
            capabilities: Some(capabilities),
            ..Context::default()
        },
        ..tool(name)
    }
}

/// A notification of a backend's.
pub(super) fn notice(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// A request of its own.
pub(super) fn asks(id: &str, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} })
}

/// The next event of a call.
pub(super) async fn next(received: &mut Receiver<Event>) -> Event {
    soon(received.recv()).await.expect("an event")
}

/// The question that must be the next event of a call.
pub(super) async fn question(received: &mut Receiver<Event>) -> Question {
    match next(received).await {
        Event::Asked(question) => question,
        other => panic!("no question but {other:?}"),
    }
}

/// The end that must be the next event of a call.
pub(super) async fn end(received: &mut Receiver<Event>) -> Outcome {
    match next(received).await {
        Event::Finished(finished) => finished.outcome,
        other => panic!("no end but {other:?}"),
    }
}

/// The text of a result that must be the next event of a call.
pub(super) async fn completed(received: &mut Receiver<Event>) -> String {
    match end(received).await {
        Outcome::Completed(body) => String::from_utf8(body.json.to_vec()).unwrap(),
        other => panic!("no result but {other:?}"),
    }
}
