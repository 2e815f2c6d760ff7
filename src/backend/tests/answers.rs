//! What of a backend's answer reaches whoever asked, and what is no answer at all.

use serde_json::{Value, json};

use super::{
    asking::{NAME, call, raw, soon, tool},
    mocked::{Answers, initialized},
    world::World,
};
use crate::{
    backend::{LinkKey, State, list},
    limits::{
        DISCOVERY_BYTES_MAX, INSTRUCTIONS_CHARS_MAX, LIST_BYTES_MAX, LIST_ITEMS_MAX,
        STREAMED_ABOVE_BYTES,
    },
    mcp::{event::Outcome, failure::Failure, request::Context, shelf::Shelf},
};

/// What is no answer to the request `$ID`: its media type and its text.
const LIES: [(&str, &str); 18] = [
    ("text/html", "<p>Welcome</p>"),
    ("text/plain", "{}"),
    ("application/json", "{"),
    ("application/json", "{}"),
    ("application/json", "null"),
    (
        "application/json",
        r#"[{"jsonrpc":"2.0","id":$ID,"result":{}}]"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"1.0","id":$ID,"result":{}}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","id":"$ID","result":{}}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","id":$ID,"result":{},"error":{}}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","method":"notifications/x"}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","id":$ID,"result":null}"#,
    ),
    (
        "application/json",
        r#"{"jsonrpc":"2.0","id":$ID,"result":[]}"#,
    ),
    (
        "text/event-stream",
        "data: {\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":\"x\"}\n\n",
    ),
    ("text/event-stream", "data: {\n\n"),
    (
        "text/event-stream",
        "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n",
    ),
];

fn garbled(failure: Failure) {
    match failure {
        Failure::Garbled { backend, .. } if backend.as_str() == NAME => {}
        other => panic!("not garbled: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_answer_fails_its_call_and_is_not_asked_for_again() {
    let mut world = World::new().await;
    world.is_legacy();
    for (media_type, text) in LIES {
        let lied = world.on_list_page().text(media_type, text);
        let lied = lied.expect(1).create();
        garbled(world.list_page().await.failure());
        lied.assert();
    }
    let taken = world.on_list_page().with_status(202).expect(1).create();
    garbled(world.list_page().await.failure());
    taken.assert();
    assert_eq!(world.state().await, State::Ready);
}

#[tokio::test]
async fn a_page_for_people_is_no_handshake() {
    let mut world = World::new().await;
    let page = world.on_http("POST");
    page.text("text/html; charset=utf-8", "<p>Welcome</p>")
        .create();
    let failure = world.connect().await.unwrap_err();
    assert!(failure.to_string().contains("HTML"), "{failure}");
    garbled(failure);
}

const RESULT: &str = r#"{"n":1.0, "a" : [1E2,"\u00e9\"}"],"n":2}"#;

#[tokio::test]
async fn a_result_arrives_byte_for_byte() {
    let mut world = World::new().await;
    world.is_legacy();
    let called = world.on("tools/call").result(RESULT).expect(1);
    called.create();
    assert_eq!(world.pay().await.result(), RESULT);
    let response = format!(r#"{{"result":{RESULT},"id":$ID,"jsonrpc":"2.0"}}"#);
    world.on("tools/call").events(&[&response]).create();
    assert_eq!(world.pay().await.result(), RESULT);
}

#[tokio::test]
async fn a_backends_own_error_arrives_byte_for_byte() {
    let error = r#"{"code":-32000, "message":"\u00e9","data":{"n":1.0}}"#;
    for status in [200, 400, 404, 500] {
        let mut world = World::new().await;
        world.is_modern();
        let called = world.on("tools/call").with_status(status).error(error);
        let called = called.expect(1).create();
        let outcome = world.pay().await.outcome;
        assert!(
            matches!(&outcome, Outcome::Rejected(own) if own.error.get() == error),
            "{status}: {outcome:?}"
        );
        called.assert();
    }
}

#[tokio::test]
async fn a_call_hears_its_progress_under_its_own_token_and_logs_and_nothing_else() {
    let mut world = World::new().await;
    world.is_legacy();
    let progress = |token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1.0}}}}"#
        )
    };
    let log =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","n":1e2}}"#;
    let result = r#"{"jsonrpc":"2.0","id":$ID,"result":{}}"#;
    let events = [
        &progress("$ID"),
        &progress("7"),
        &progress("\"mine\""),
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:y"}}"#,
        log,
        result,
    ];
    let token_is_id = |request: &mockito::Request| {
        let message: Value = serde_json::from_slice(request.body().unwrap()).unwrap();
        message["params"]["_meta"]["progressToken"] == message["id"]
    };
    let called = world.on("tools/call").match_request(token_is_id);
    called.events(&events).create();

    let mut request = tool("pay");
    let params = json!({ "name": "pay", "_meta": { "progressToken": "mine" } });
    request.params = Some(raw(&params.to_string()));
    let heard = call(&world.backend, LinkKey::Default, request).await;
    assert_eq!(heard.result(), "{}");
    let notified: Vec<_> = heard
        .notifications
        .iter()
        .map(|told| (told.method.as_str(), told.params.as_deref().unwrap().get()))
        .collect();
    assert_eq!(
        notified,
        [
            (
                "notifications/progress",
                r#"{"progressToken":"mine","progress":1.0}"#
            ),
            ("notifications/message", r#"{"level":"info","n":1e2}"#),
        ]
    );
}

/// JSON text that is passed on in parts.
fn large() -> String {
    let item = r#"{"n":1.0, "t":"}\"]\u00e9 "},"#;
    let items = item.repeat(4 * STREAMED_ABOVE_BYTES / item.len());
    format!(r#"{{"content":[{items}null]}}"#)
}

#[tokio::test]
async fn a_large_result_arrives_in_parts_byte_for_byte() {
    let large = large();
    for response in [
        format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{large}}}"#),
        format!(r#"{{ "result" : {large} , "id" : $ID , "jsonrpc" : "2.0" }}"#),
    ] {
        let mut world = World::new().await;
        world.is_legacy();
        world
            .on("tools/call")
            .text("application/json", &response)
            .create();
        let heard = world.pay().await;
        assert!(!heard.parts.is_empty());
        assert!(heard.result() == large, "the parts are not the whole");
    }
}

#[tokio::test]
async fn a_large_error_arrives_byte_for_byte() {
    let error = format!(r#"{{"code":-32000, "message":"","data":{}}}"#, large());
    for response in [
        format!(r#"{{"jsonrpc":"2.0","id":$ID,"error":{error}}}"#),
        format!(r#"{{ "error" : {error} , "id" : $ID , "jsonrpc" : "2.0" }}"#),
    ] {
        let mut world = World::new().await;
        world.is_legacy();
        let called = world.on("tools/call");
        called.text("application/json", &response).create();
        let heard = world.pay().await;
        assert!(heard.parts.is_empty());
        assert!(
            matches!(&heard.outcome, Outcome::Rejected(own) if own.error.get() == error),
            "not the backend's error"
        );
    }
}

#[tokio::test]
async fn a_large_body_that_is_no_response_is_garbled() {
    let large = large();
    for response in [
        format!(r#"{{"jsonrpc":"2.0","id":$ID,"other":{large}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":[{large}]}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":,"x":{large}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":$ID,"error":{{}},"result":{large}}}"#),
        format!(r#"{{"jsonrpc":"2.0","method":"x","params":{large}}}"#),
    ] {
        let mut world = World::new().await;
        world.is_legacy();
        let lied = world.on_list_page().text("application/json", &response);
        let lied = lied.expect(1).create();
        let heard = world.list_page().await;
        assert!(heard.parts.is_empty());
        garbled(heard.failure());
        lied.assert();
    }
}

#[tokio::test]
async fn what_is_wrong_near_the_beginning_of_a_large_result_is_told_before_any_of_it() {
    let text = "x".repeat(STREAMED_ABOVE_BYTES / 2);
    // No text holds a line break as it is.
    let (text, large) = (format!("{text}\n"), large());
    let wrong = format!(r#"{{"content":[],"a":"{text}","c":{large}}}"#);
    let mut world = World::new().await;
    world.is_legacy();
    let called = world.on("tools/call");
    called.result(&wrong).create();
    let heard = world.pay().await;
    assert!(heard.parts.is_empty());
    garbled(heard.failure());
}

#[tokio::test]
async fn a_large_result_ends_before_a_line_break_in_a_string() {
    let mut world = World::new().await;
    world.is_legacy();
    let lie = "\r\rdata: {}\r\r";
    let response = format!(
        r#"{{"jsonrpc":"2.0","id":$ID,"result":{{"a":{},"b":"{lie}"}}}}"#,
        large()
    );
    let called = world.on("tools/call");
    called.text("application/json", &response).create();
    let heard = world.pay().await;
    assert!(!heard.parts.concat().contains(&b'\r'));
    heard.failure();
}

/// What a server says of itself, with so many bytes of instructions.
fn talkative(bytes: usize) -> String {
    let text = "x".repeat(bytes);
    let known = initialized("2025-11-25");
    format!(r#"{{"instructions":"{text}",{}"#, &known[1..])
}

#[tokio::test]
async fn what_a_server_says_of_itself_may_be_large_but_not_huge() {
    let events =
        |result: &str| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{result}}}\n\n");
    let json = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{result}}}"#);
    let (large, huge) = (
        talkative(4 * STREAMED_ABOVE_BYTES),
        talkative(DISCOVERY_BYTES_MAX),
    );
    for (media_type, large_text, huge_text) in [
        ("application/json", json(&large), json(&huge)),
        ("text/event-stream", events(&large), events(&huge)),
    ] {
        let mut world = World::new().await;
        world.is_legacy_but_for_initialize();
        world
            .on("initialize")
            .text(media_type, &large_text)
            .create();
        let discovery = world.connect().await.unwrap();
        assert!(discovery.result.get() == large, "{media_type}");
        let instructions = discovery.instructions.as_ref().unwrap();
        assert_eq!(instructions.len(), INSTRUCTIONS_CHARS_MAX, "{media_type}");

        let mut world = World::new().await;
        world.is_legacy_but_for_initialize();
        world.on("initialize").text(media_type, &huge_text).create();
        garbled(world.connect().await.unwrap_err());
    }
}

#[tokio::test]
async fn a_list_is_cut_before_the_page_that_makes_it_too_long() {
    let mut world = World::new().await;
    world.is_legacy();
    let text = "x".repeat(LIST_BYTES_MAX / 2);
    let page = format!(r#"{{"tools":[{{"name":"a","description":"{text}"}}],"nextCursor":"7"}}"#);
    world.on("tools/list").result(&page).create();
    let listing = soon(list(
        &world.backend,
        Shelf::Tools,
        LinkKey::Default,
        &Context::default(),
    ))
    .await;
    assert_eq!(listing.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_list_has_so_many_definitions_at_most() {
    let mut world = World::new().await;
    world.is_legacy();
    let tools = vec![r#"{"name":"a"}"#; LIST_ITEMS_MAX + 1].join(",");
    let page = format!(r#"{{"tools":[{tools}]}}"#);
    world.on("tools/list").result(&page).create();
    let listing = soon(list(
        &world.backend,
        Shelf::Tools,
        LinkKey::Default,
        &Context::default(),
    ))
    .await;
    assert_eq!(listing.unwrap().items.len(), LIST_ITEMS_MAX);
}
