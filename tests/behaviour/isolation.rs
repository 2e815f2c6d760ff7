//! Nothing crosses: hundreds of sessions and clients use the same backends with equal ids, equal tokens
//! and equal names, while some backends say things about the calls of others.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN, UNAVAILABLE,
    world::{
        Answers, Client, FakeBackend, Gateway, Program, Wanted,
        client::{Answer, Changes, Exchange, Message},
        fake_backend::Script,
        gateway::Session,
        within,
    },
};

const SESSIONS: usize = 200;
/// Those whose calls are under way while others attack.
const VICTIMS: std::ops::Range<usize> = 0..20;
const ATTACKERS: std::ops::Range<usize> = 20..26;
const LISTENERS: std::ops::Range<usize> = 26..36;

/// Honest ones and hostile ones, of both eras.
const NAMES: [&str; 4] = ["alpha", "beta", "evil", "wild"];
const HOSTILE: [usize; 2] = [2, 3];

/// Stands in everything that must not be heard by anybody.
const STOLEN: &str = "stolen";

struct Stage {
    backends: Vec<FakeBackend>,
    sessions: Vec<Pair>,
    gateway: Gateway,
}

/// A session's clients: one of each era.
struct Pair {
    index: usize,
    clients: [Client; 2],
    _session: Session,
}

async fn set() -> Stage {
    let scripts = [
        FakeBackend::legacy().answers(Answers::Sse),
        quiet(FakeBackend::modern()),
        quiet(FakeBackend::legacy()).answers(Answers::Sse).recites(),
        quiet(FakeBackend::modern()).answers(Answers::Sse).recites(),
    ];
    let start = |script: Script| script.tells_credentials().start();
    let backends = scripts.map(start).into_iter().collect::<Vec<_>>();
    // All of them come from one address; and one thread of this test has all of them, so that a client is slow to say something.
    let mut setup = Gateway::setup()
        .log_level("warn")
        .argument("--max-connections-per-address=4096")
        .argument("--header-timeout=2m");
    for (name, backend) in NAMES.iter().zip(&backends) {
        backend.tolerate();
        setup = setup.provider_with(name, backend, "auth: { type: bearer }");
    }
    let gateway = setup.start();
    let sessions = join_all((0..SESSIONS).map(|index| pair(&gateway, index))).await;
    Stage {
        backends,
        sessions,
        gateway,
    }
}

/// Announces nothing: a process has so many streams for that, and all sessions are to have one.
fn quiet(script: Script) -> Script {
    let nothing = json!({"listChanged": null, "subscribe": null});
    script.capabilities(json!({"tools": nothing, "prompts": nothing, "resources": nothing}))
}

async fn pair(gateway: &Gateway, index: usize) -> Pair {
    let credentials = NAMES.map(|name| (name, json!({"token": token(index, name)})));
    let credentials: BTreeMap<_, _> = credentials.into_iter().collect();
    let request = json!({"servers": NAMES, "credentials": credentials});
    let session = gateway.create_session(&request).await;
    let open = |revision| {
        let program = Program::named("same").lenient();
        // Each of these has streams of its own at legacy backends.
        let program = if index < LISTENERS.start {
            program.capable()
        } else {
            program
        };
        program.speaking(revision, &session.endpoint)
    };
    let (legacy, modern) = tokio::join!(open(LATEST_LEGACY), open(MODERN));
    Pair {
        index,
        clients: [legacy, modern],
        _session: session,
    }
}

/// A victim's call: its session, its backend, what it heard first, and what it still hears.
type UnderWay = (usize, &'static str, Message, Exchange);

/// What only this session has.
fn token(index: usize, name: &str) -> String {
    format!("token-of-{index}-for-{name}")
}

/// A call whose answer tells the credential it came with; everybody calls it alike.
async fn ask(client: &Client, index: usize, name: &str, gated: bool) -> Exchange {
    let call = json!({
        "name": format!("{name}.whoami"),
        "arguments": {"steps": 2, "gated": gated, "index": index},
        "_meta": {"progressToken": "same"},
    });
    client
        .open_as("\"same\"", "tools/call", &call.to_string())
        .await
}

fn is_own(answer: &Answer, index: usize, name: &str) {
    assert_eq!(answer.text(), format!("Bearer {}", token(index, name)));
    assert_eq!(answer.id().as_deref(), Some("\"same\""));
    let body = answer.body_text();
    assert!(!body.contains(STOLEN), "{body}");
    for other in NAMES.iter().filter(|it| **it != name) {
        assert!(!body.contains(&token(index, other)), "{body}");
    }
}

/// Two steps of its own, and what it logs at the end where nobody says that it should not.
fn are_own(events: &[Message]) {
    let (logged, steps): (Vec<_>, Vec<_>) = events
        .iter()
        .map(Message::json)
        .partition(|it| it["method"] == "notifications/message");
    steps.iter().for_each(is_step);
    assert!(
        logged
            .iter()
            .all(|it| it["params"]["data"] == "all steps done"),
        "{logged:?}"
    );
    assert!(steps.len() == 2 && logged.len() <= 1, "{events:?}");
}

fn is_step(event: &Value) {
    assert_eq!(event["method"], "notifications/progress", "{event}");
    assert_eq!(event["params"]["progressToken"], "same", "{event}");
    let message = event["params"]["message"].as_str().unwrap();
    assert!(message.starts_with("step "), "{event}");
}

#[tokio::test]
async fn nothing_of_one_session_reaches_another() {
    let stage = set().await;
    everybody_is_served(&stage).await;
    let mut listening = listen(&stage).await;
    let mut under_way = begin(&stage).await;
    attack(&stage).await;
    take_one_back(&stage, &mut under_way).await;
    for backend in &stage.backends {
        for _ in 0..4 * VICTIMS.len() {
            backend.step();
        }
    }
    for (index, name, first, exchange) in under_way {
        let mut answer = exchange.finish().await;
        is_own(&answer, index, name);
        answer.events.insert(0, first);
        are_own(&answer.events);
    }
    hears_nothing_but(&stage, &mut listening).await;
    everybody_is_served(&stage).await;
    each_backend_saw_each_session_as_itself(&stage);
    assert!(!stage.gateway.logs().contains("is gone for every session"));
}

/// All clients at once, at every backend.
async fn everybody_is_served(stage: &Stage) {
    let all = stage.sessions.iter().flat_map(|pair| {
        pair.clients.iter().map(|client| async {
            for name in NAMES {
                let exchange = ask(client, pair.index, name, false).await;
                let answer = exchange.finish().await;
                is_own(&answer, pair.index, name);
                are_own(&answer.events);
            }
        })
    });
    join_all(all).await;
}

/// Some hear of changes, and of a resource that all backends have.
async fn listen(stage: &Stage) -> Vec<Changes> {
    let clients = stage.sessions[LISTENERS].iter().flat_map(|it| &it.clients);
    let wanted = || Wanted::lists().and_resource("fake://items/1");
    join_all(clients.map(|client| client.changes(wanted()))).await
}

/// The victims' calls at the hostile backends, begun and not ended.
async fn begin(stage: &Stage) -> Vec<UnderWay> {
    let mut under_way = Vec::new();
    for pair in &stage.sessions[VICTIMS] {
        // One call each: an id may be in use once.
        for (client, place) in pair.clients.iter().zip(HOSTILE) {
            let name = NAMES[place];
            let mut exchange = ask(client, pair.index, name, true).await;
            let first = exchange.next().await.unwrap();
            under_way.push((pair.index, name, first, exchange));
        }
    }
    under_way
}

/// The ids under which the victims' calls are known to a hostile backend.
fn ids_under_way(backend: &FakeBackend) -> Vec<String> {
    let calls = backend.requests_of("tools/call");
    let gated = calls
        .iter()
        .filter(|it| it.params()["arguments"]["gated"] == true);
    gated.map(|it| it.id().unwrap().to_owned()).collect()
}

/// Other sessions' calls make the hostile backends say things about the victims' calls.
async fn attack(stage: &Stage) {
    for place in HOSTILE {
        let backend = &stage.backends[place];
        let ids = ids_under_way(backend);
        assert_eq!(ids.len(), VICTIMS.len());
        let attacks = stage.sessions[ATTACKERS].iter().flat_map(|pair| {
            let ids = &ids;
            pair.clients
                .iter()
                .map(move |client| attack_by(client, NAMES[place], ids))
        });
        join_all(attacks).await;
        // On every stream that is open, too.
        for id in &ids {
            backend.blurt(&stolen_answer(id));
            backend.blurt(&cancelled(id));
        }
    }
}

async fn attack_by(client: &Client, name: &str, ids: &[String]) {
    let mut said = vec![
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"stolen"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"fake://items/1","title":"stolen"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"same","progress":9,"message":"stolen"}}"#.to_owned(),
    ];
    for id in ids {
        said.push(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":9,"message":"stolen"}}}}"#
        ));
        said.push(cancelled(id));
        // A question under that id: whoever answers it answers nobody else's.
        said.push(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage","params":{{"stolen":1}}}}"#
        ));
    }
    let recite = |messages: &[String]| json!({"name": format!("{name}.recite"), "arguments": {"messages": messages}});
    for messages in said.chunks(60) {
        let exchange = client
            .open("tools/call", &recite(messages).to_string())
            .await;
        // Whether the attacker's own call ends well is its own business.
        exchange.collect().await;
    }
    // One at a time: the first such answer ends the call it was said to.
    for id in ids.iter().take(5) {
        let answer = client
            .request("tools/call", recite(&[stolen_answer(id)]))
            .await;
        let error = answer.error();
        assert_eq!(error.code, UNAVAILABLE);
        assert!(
            error.message.contains("the answer to another request"),
            "{error:?}"
        );
    }
}

fn stolen_answer(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"stolen"}}]}}}}"#
    )
}

fn cancelled(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

/// One victim takes its call back, under the id that all of them use; nobody else's ends.
async fn take_one_back(stage: &Stage, under_way: &mut Vec<UnderWay>) {
    let pair = &stage.sessions[VICTIMS][0];
    let evil = &stage.backends[HOSTILE[0]];
    assert_eq!(evil.cancellations(), []);
    pair.clients[0].cancel("\"same\"").await;
    evil.until("the cancellation", |it| it.cancellations().len() == 1)
        .await;
    let (index, name, ..) = under_way.remove(0);
    assert_eq!((index, name), (pair.index, NAMES[HOSTILE[0]]));
    let own = evil.requests_of("tools/call").into_iter().find(|it| {
        let arguments = &it.params()["arguments"];
        arguments["gated"] == true && arguments["index"] == index
    });
    let id = evil.cancellations().remove(0).request_id;
    assert_eq!(own.unwrap().id(), Some(id.as_str()));
}

/// What the listeners hear first is what an honest backend says to all of them.
async fn hears_nothing_but(stage: &Stage, listening: &mut [Changes]) {
    stage.backends[0].announce_update("fake://items/1");
    for changes in listening {
        let heard = within("an honest word", changes.next()).await;
        assert_eq!(
            heard.method().as_deref(),
            Some("notifications/resources/updated"),
            "{heard:?}"
        );
        assert!(!heard.raw().contains(STOLEN), "{heard:?}");
    }
}

fn each_backend_saw_each_session_as_itself(stage: &Stage) {
    for (name, backend) in NAMES.iter().zip(&stage.backends) {
        let calls = backend.requests_of("tools/call");
        let mut seen = 0;
        for call in &calls {
            let Some(index) = call.params()["arguments"]["index"].as_u64() else {
                continue;
            };
            let own = format!("Bearer {}", token(usize::try_from(index).unwrap(), name));
            assert_eq!(call.header("authorization"), Some(own.as_str()));
            seen += 1;
        }
        assert!(seen >= 4 * SESSIONS, "{name} saw {seen}");
        let mixed = |it: &String| it.contains("another's credential");
        let complaints = backend.complaints();
        assert!(!complaints.iter().any(mixed), "{complaints:?}");
    }
}
