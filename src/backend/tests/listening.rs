//! What a legacy backend says on no call's stream, and to whom.

use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    asking::{
        asked_tool, asks, completed, connect, entry, next, notice, question, raw, send, soon,
        start, start_reporting, tool, until,
    },
    mocked::offering,
    socket::{Port, Reply, Script, Served, shake_hands, stream},
};
use crate::{
    backend::{Backend, LinkKey, Memory, Report, Wants},
    mcp::{
        discovery::Discovery,
        event::{Answered, Event, Notification},
        kind::ListKind,
        object::to_raw,
        request::Asking,
        version::Revision,
    },
};

/// A legacy server with MCP sessions: scripts for calls of tools and for its streams.
pub(super) struct World {
    pub(super) served: Served,
    pub(super) backend: Backend,
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
}

impl World {
    pub(super) fn new(capabilities: &Value, calls: Script, streams: Script) -> Self {
        Self::speaking("2025-11-25", capabilities, calls, streams)
    }

    fn speaking(
        revision: &'static str,
        capabilities: &Value,
        calls: Script,
        streams: Script,
    ) -> Self {
        let port = Port::new();
        let capabilities = Mutex::new(capabilities.to_string());
        let served = port.serve(move |message| match message["method"].as_str() {
            Some("initialize") => Reply::Result(offering(revision, &capabilities.lock().unwrap())),
            Some("tools/call") => calls.next(),
            Some("GET") => streams.next(),
            None | Some("notifications/roots/list_changed") => Reply::Status(202),
            _ => shake_hands(message),
        });
        let (backend, reports) = start_reporting(entry(&port.url(), &[]));
        Self {
            served,
            backend,
            reports,
        }
    }

    /// The next report that is about what the backend said.
    pub(super) async fn told(&mut self) -> Report {
        loop {
            match soon(self.reports.recv()).await.unwrap() {
                Report::LinkOpened { .. } | Report::Reachable { .. } => {}
                told => return told,
            }
        }
    }

    /// Opens the link of an MCP session whose client hears what the backend says by itself.
    pub(super) async fn own(&self) -> (Uuid, LinkKey) {
        let id = Uuid::new_v4();
        let link = LinkKey::Own(id);
        let context = asked_tool("", &json!({ "elicitation": {} }), Asking::Never).context;
        soon(self.backend.connect(link, context)).await.unwrap();
        let wants = Wants {
            stream: true,
            ..Wants::default()
        };
        soon(self.backend.want(link, None, wants)).await.unwrap();
        until(async || self.served.heard("GET") == 1).await;
        (id, link)
    }
}

fn heard(report: Report) -> (Option<LinkKey>, String, String) {
    match report {
        Report::Heard {
            link, notification, ..
        } => {
            let params = notification.params.unwrap().get().to_owned();
            (link, notification.method, params)
        }
        _ => panic!("nothing heard"),
    }
}

#[tokio::test]
async fn changes_of_all_lists_are_told_wherever_they_are_announced() {
    let (on_call, call) = stream();
    let (events, listening) = stream();
    let capabilities = json!({ "prompts": { "listChanged": true } });
    let mut world = World::new(&capabilities, Script::of([call]), Script::of([listening]));
    connect(&world.backend, LinkKey::Default).await.unwrap();
    let mut received = send(&world.backend, LinkKey::Default, tool("pay"));
    for (stream, kind) in [
        (&events, ListKind::Prompts),
        (&on_call, ListKind::Resources),
        (&events, ListKind::Tools),
    ] {
        stream.say(&notice(kind.changed(), &json!({})));
        match world.told().await {
            Report::Changed { kinds, .. } => assert_eq!(kinds, [kind]),
            _ => panic!("no change"),
        }
    }
    on_call.answer(&json!({}));
    assert_eq!(completed(&mut received).await, "{}");
}

#[tokio::test]
async fn what_is_announced_again_and_again_is_told_twice_at_most() {
    let (events, listening) = stream();
    let capabilities = json!({ "prompts": { "listChanged": true } });
    let mut world = World::new(&capabilities, Script::default(), Script::of([listening]));
    connect(&world.backend, LinkKey::Default).await.unwrap();
    let changed = notice(ListKind::Prompts.changed(), &json!({}));
    // In one piece, so that no pause comes between them.
    events.write(&vec![format!("data: {changed}"); 5].join("\n\n"));
    for _ in 0..2 {
        match world.told().await {
            Report::Changed { kinds, .. } => assert_eq!(kinds, [ListKind::Prompts]),
            _ => panic!("no change"),
        }
    }
    // All of them were heard before this.
    events.say(&notice("notifications/tasks", &json!({})));
    assert_eq!(heard(world.told().await).1, "notifications/tasks");
}

#[tokio::test]
async fn messages_that_come_several_at_once_are_all_heard_where_that_is_known() {
    let (events, listening) = stream();
    let streams = Script::of([listening]);
    let mut world = World::speaking(
        "2025-03-26",
        &json!({ "prompts": { "listChanged": true } }),
        Script::default(),
        streams,
    );
    connect(&world.backend, LinkKey::Default).await.unwrap();
    events.say(&json!([
        notice(ListKind::Prompts.changed(), &json!({})),
        notice("notifications/tasks", &json!({})),
    ]));
    match world.told().await {
        Report::Changed { kinds, .. } => assert_eq!(kinds, [ListKind::Prompts]),
        _ => panic!("no change"),
    }
    assert_eq!(heard(world.told().await).1, "notifications/tasks");
}

#[tokio::test]
async fn what_is_about_no_call_is_told_the_session_and_what_nobody_knows_the_client() {
    let (events, call) = stream();
    let mut world = World::new(&json!({}), Script::of([call]), Script::default());
    let mut received = send(&world.backend, LinkKey::Default, tool("pay"));
    for method in [
        "notifications/resources/updated",
        "notifications/tasks",
        "notifications/tasks/status",
    ] {
        events.say(&notice(method, &json!({ "uri": "a:b" })));
        let told = heard(world.told().await);
        assert_eq!(
            told,
            (
                Some(LinkKey::Default),
                method.into(),
                r#"{"uri":"a:b"}"#.into()
            )
        );
    }
    events.say(&notice("x/unknown", &json!({ "n": 1 })));
    match next(&mut received).await {
        Event::Notified(told) => assert_eq!(told.method, "x/unknown"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_that_listens_hears_and_answers_what_is_about_no_call() {
    let (events, listening) = stream();
    let mut world = World::new(&json!({}), Script::default(), Script::of([listening]));
    let (id, link) = world.own().await;
    for method in ["notifications/message", "x/unknown"] {
        events.say(&notice(method, &json!({ "n": 1 })));
        let told = heard(world.told().await);
        assert_eq!(told, (Some(link), method.into(), r#"{"n":1}"#.into()));
    }
    events.say(&asks("q", "elicitation/create"));
    let Report::Asked {
        mcp_session,
        question,
        ..
    } = world.told().await
    else {
        panic!("no question");
    };
    assert_eq!(
        (mcp_session, question.method.as_str()),
        (id, "elicitation/create")
    );
    question.answer(Answered::Result(raw(r#"{"action":"decline"}"#)));
    until(async || world.served.answers().len() == 1).await;
    let answer = &world.served.answers()[0];
    assert_eq!(
        (&answer["id"], &answer["result"]["action"]),
        (&json!("q"), &json!("decline"))
    );

    // What it did not declare it is not asked.
    events.say(&asks("s", "sampling/createMessage"));
    until(async || world.served.answers().len() == 2).await;
    assert_eq!(world.served.answers()[1]["error"]["code"], -32601);

    events.say(&asks("r", "elicitation/create"));
    let Report::Asked { question, .. } = world.told().await else {
        panic!("no question");
    };
    events.say(&notice(
        "notifications/cancelled",
        &json!({ "requestId": "r" }),
    ));
    match world.told().await {
        Report::Withdrawn {
            mcp_session,
            number,
        } => {
            assert_eq!((mcp_session, number), (id, question.number));
        }
        _ => panic!("not withdrawn"),
    }
}

/// A client without a stream of its own that can be asked, and its call under way.
async fn capable(
    calls: Script,
    streams: Script,
) -> (World, LinkKey, crate::channel::Receiver<Event>) {
    let world = World::new(&json!({}), calls, streams);
    let request = asked_tool("pay", &json!({ "elicitation": {} }), Asking::ByRetry);
    let link = LinkKey::of(None, &request.context);
    let received = send(&world.backend, link, request);
    until(async || world.served.heard("tools/call") == 1).await;
    (world, link, received)
}

#[tokio::test]
async fn a_client_without_a_stream_is_asked_on_its_newest_call() {
    let (on_call, call) = stream();
    let (events, listening) = stream();
    let (world, _, mut received) = capable(Script::of([call]), Script::of([listening])).await;
    // The stream was asked for before the call.
    assert_eq!(world.served.heard("GET"), 1);
    events.say(&asks("q", "elicitation/create"));
    question(&mut received)
        .await
        .answer(Answered::Result(raw("{}")));
    until(async || world.served.answers().len() == 1).await;
    assert_eq!(world.served.answers()[0]["id"], "q");
    events.say(&asks("s", "sampling/createMessage"));
    until(async || world.served.answers().len() == 2).await;
    assert_eq!(world.served.answers()[1]["error"]["code"], -32601);
    events.say(&notice("notifications/message", &json!({ "n": 1 })));
    assert!(matches!(next(&mut received).await, Event::Notified(_)));
    on_call.answer(&json!({}));
    assert_eq!(completed(&mut received).await, "{}");
    // Nobody is left to ask.
    events.say(&asks("t", "elicitation/create"));
    until(async || world.served.answers().len() == 3).await;
    assert_eq!(world.served.answers()[2]["error"]["code"], -32601);
}

#[tokio::test]
async fn progress_finds_its_call_from_any_stream() {
    let (events, listening) = stream();
    let (_on_first, first) = stream();
    let (_on_second, second) = stream();
    let calls = Script::of([first, second]);
    let (world, link, _asked) = capable(calls, Script::of([listening])).await;
    let mut request = asked_tool("pay", &json!({ "elicitation": {} }), Asking::ByRetry);
    let params = json!({ "name": "pay", "_meta": { "progressToken": "mine" } });
    request.params = Some(to_raw(&params));
    let mut received = send(&world.backend, link, request);
    until(async || world.served.heard("tools/call") == 2).await;
    let token = &world.served.said("tools/call")[1]["params"]["_meta"]["progressToken"];
    for token in [&json!(7), token] {
        let params = json!({ "progressToken": token, "progress": 1 });
        events.say(&notice("notifications/progress", &params));
    }
    match next(&mut received).await {
        Event::Notified(told) => assert_eq!(
            told.params.unwrap().get(),
            r#"{"progress":1,"progressToken":"mine"}"#
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stream_that_ended_goes_on_after_its_last_event() {
    let (first, opened) = stream();
    let (second, again) = stream();
    let (third, anew) = stream();
    let capabilities = json!({ "prompts": { "listChanged": true } });
    let streams = Script::of([opened, again, Reply::Status(400), anew]);
    let mut world = World::new(&capabilities, Script::default(), streams);
    connect(&world.backend, LinkKey::Default).await.unwrap();
    let changed = notice(ListKind::Prompts.changed(), &json!({}));
    first.write(&format!("id: e1\nretry: 1\ndata: {changed}"));
    assert!(matches!(world.told().await, Report::Changed { .. }));
    drop(first);
    until(async || world.served.heard("GET") == 2).await;
    assert_eq!(
        world.served.said("GET")[1]["headers"]["last-event-id"],
        "e1"
    );
    second.say(&changed);
    // Nothing was missed, so that this is the first news.
    assert!(matches!(world.told().await, Report::Changed { .. }));
    drop(second);
    // A backend that no longer knows the event is listened to anew, and may have been missed.
    until(async || world.served.heard("GET") == 4).await;
    assert_eq!(
        world.served.said("GET")[3]["headers"].get("last-event-id"),
        None
    );
    assert!(matches!(world.told().await, Report::Changed { .. }));
    third.say(&changed);
    assert!(matches!(world.told().await, Report::Changed { .. }));
}

#[tokio::test]
async fn a_clients_notification_reaches_its_own_link_alone() {
    let (_events, listening) = stream();
    let world = World::new(&json!({}), Script::default(), Script::of([listening]));
    let (_, link) = world.own().await;
    let method = "notifications/roots/list_changed";
    let notification = Notification {
        method: method.to_owned(),
        params: Some(raw(r#"{"_meta":{"n":1}}"#)),
    };
    // Of one that is not open nobody knows.
    world
        .backend
        .notify(LinkKey::Own(Uuid::new_v4()), notification.clone());
    world.backend.notify(link, notification);
    until(async || world.served.heard(method) == 1).await;
    assert_eq!(world.served.said(method)[0]["params"]["_meta"]["n"], 1);
}

#[tokio::test]
async fn the_stream_of_a_link_taken_up_again_opens_with_its_first_call() {
    let port = Port::new();
    let (events, listening) = stream();
    let (on_call, answering) = stream();
    let (calls, streams) = (Script::of([answering]), Script::of([listening]));
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("tools/call") => calls.next(),
        Some("GET") => streams.next(),
        _ => shake_hands(message),
    });
    let memory = Memory {
        revision: Revision::V2025_11_25,
        backend_session: Some("old".into()),
        discovery: Discovery::read(&raw(&offering("2025-11-25", "{}"))).unwrap(),
    };
    let own = LinkKey::Own(Uuid::new_v4());
    let remembered = vec![(LinkKey::Default, memory.clone()), (own, memory)];
    let backend = start(entry(&port.url(), &[]), None, remembered);
    let request = asked_tool("pay", &json!({ "elicitation": {} }), Asking::WhileOpen);
    let mut received = send(&backend, own, request);
    until(async || served.heard("tools/call") == 1).await;
    // The call does not wait for it for ever.
    until(async || served.heard("GET") == 1).await;
    assert_eq!(served.said("GET")[0]["headers"]["mcp-session-id"], "old");
    events.say(&asks("q", "elicitation/create"));
    drop(question(&mut received).await);
    until(async || served.answers().len() == 1).await;
    on_call.answer(&json!({}));
    assert_eq!(completed(&mut received).await, "{}");
}
