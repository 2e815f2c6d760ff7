//! JSON as somebody might write it who means no good.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Texts that some reader takes for something else.
const TEXTS: [&str; 16] = [
    "",
    " ",
    "it.echo",
    "it",
    "it.",
    ".echo",
    "it__echo",
    "\0",
    "\r\nx: y",
    "\u{1b}[31m",
    "\u{202e}ohce.ti",
    "=?base64?%%%?=",
    "../../etc/passwd",
    "%00",
    "1",
    "2026-07-28",
];

pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&TEXTS[..]).prop_map(str::to_owned),
        3 => any::<String>(),
        1 => (1_usize..3000).prop_map(|length| "x".repeat(length)),
    ]
}

/// Any value.
pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let members = prop::collection::vec((text(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An object with any of these members, most of them right, and perhaps one that nobody knows.
///
/// So many members are right for one that is wrong or missing.
pub(super) fn object(
    right_for_one_wrong: u32,
    members: impl IntoIterator<Item = (&'static str, BoxedStrategy<Value>)>,
) -> impl Strategy<Value = Value> {
    let maybe = |(name, right): (&'static str, BoxedStrategy<Value>)| {
        prop_oneof![
            2 * right_for_one_wrong => right.prop_map(Some),
            1 => value().prop_map(Some),
            1 => Just(None),
        ]
        .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let members: Vec<_> = members.into_iter().map(maybe).collect();
    let stray = prop_oneof![5 => Just(None), 1 => (text(), value()).prop_map(Some)];
    (members, stray).prop_map(|(members, stray)| {
        let all = members.into_iter().chain([stray]).flatten();
        Value::Object(all.collect::<Map<_, _>>())
    })
}

/// One of several values.
pub(super) fn one_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    prop::sample::select(values).boxed()
}

/// The parameters of any request, of any era.
pub(super) fn params() -> impl Strategy<Value = Value> {
    let meta = object(
        8,
        [
            (
                "io.modelcontextprotocol/protocolVersion",
                one_of(vec![json!("2026-07-28"), json!("2027-01-01"), json!("")]),
            ),
            (
                "io.modelcontextprotocol/clientCapabilities",
                one_of(vec![json!({}), json!({"elicitation": {}})]),
            ),
            (
                "progressToken",
                one_of(vec![json!(1), json!("t"), json!({})]),
            ),
        ],
    );
    let meta = prop_oneof![2 => Just(Value::Null), 1 => meta];
    let known = object(
        2,
        [
            (
                "name",
                one_of(vec![
                    json!("it.echo"),
                    json!("it.count"),
                    json!("it.nothing"),
                ]),
            ),
            ("arguments", value().boxed()),
            (
                "uri",
                one_of(vec![json!("fake://items/1"), json!("file:///etc/passwd")]),
            ),
            ("cursor", one_of(vec![json!(""), json!("abc"), json!(7)])),
            (
                "protocolVersion",
                one_of(vec![json!("2025-11-25"), json!("2025-03-26"), json!("1")]),
            ),
            (
                "capabilities",
                one_of(vec![json!({}), json!({"roots": {}})]),
            ),
            (
                "clientInfo",
                one_of(vec![json!({"name": "x", "version": "1"}), json!({})]),
            ),
            ("requestId", one_of(vec![json!(1), json!("x"), json!(null)])),
            ("level", one_of(vec![json!("info"), json!("loud")])),
            ("requestState", one_of(vec![json!("AAAA"), json!("")])),
            ("inputResponses", value().boxed()),
            (
                "notifications",
                one_of(vec![json!({}), json!({"toolsListChanged": true})]),
            ),
        ],
    );
    (known, meta).prop_map(|(mut params, meta)| {
        if !meta.is_null() {
            params["_meta"] = meta;
        }
        params
    })
}

/// Methods of the protocol, and others.
pub(super) fn method() -> BoxedStrategy<Value> {
    const METHODS: [&str; 24] = [
        "initialize",
        "ping",
        "tools/list",
        "tools/call",
        "tools/call",
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
        "logging/setLevel",
        "server/discover",
        "subscriptions/listen",
        "tasks/get",
        "tasks/list",
        "tasks/cancel",
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
        "rpc.discover",
    ];
    prop_oneof![
        8 => prop::sample::select(&METHODS[..]).prop_map(Value::from),
        1 => text().prop_map(Value::from),
    ]
    .boxed()
}

/// One message, most likely a request that could be meant.
pub(super) fn message() -> impl Strategy<Value = Value> {
    let right = one_of(vec![
        json!(1),
        json!(-1),
        json!("x"),
        json!(u64::MAX),
        json!("\u{0}"),
    ]);
    let odd = one_of(vec![
        json!(""),
        json!(1.5),
        json!(null),
        json!([1]),
        json!("i".repeat(1100)),
    ]);
    let id = prop_oneof![8 => right, 1 => odd].boxed();
    let request = object(
        30,
        [
            ("jsonrpc", one_of(vec![json!("2.0")])),
            ("id", id.clone()),
            ("method", method()),
            ("params", params().boxed()),
        ],
    );
    let response = object(
        10,
        [
            ("jsonrpc", one_of(vec![json!("2.0")])),
            ("id", id),
            ("result", value().boxed()),
            (
                "error",
                one_of(vec![json!({"code": 1, "message": "x"}), json!(null)]),
            ),
        ],
    );
    prop_oneof![8 => request, 1 => response, 1 => value()]
}
