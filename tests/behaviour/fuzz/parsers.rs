//! Readers of what others wrote, by themselves: quicker than over a socket, so for far more cases.

use std::{borrow::Cow, fmt::Write as _, path::Path};

use mcp_gateway::{
    mcp::{
        header::{decode_value, encode_value},
        message::{Message, RequestId, salvage_id, write_request},
        name::{BackendName, Naming},
    },
    registry::{Defaults, Registry, RegistryError},
    routing::name::{Spelling, candidates},
};
use proptest::prelude::*;
use serde_json::{Value, value::RawValue};

use super::{
    bytes::damaged,
    json::{message, text, value},
};

/// The registry as it is shipped.
const SHIPPED: &str = include_str!("../../../registry.yaml");

/// What a plain reader of JSON takes a message for; `None` if it is none.
fn kind(message: &Value) -> Option<&'static str> {
    let has = |name: &str| message.get(name).is_some();
    if message["jsonrpc"] != "2.0" || message.get("params").is_some_and(|it| !it.is_object()) {
        return None;
    }
    let has_id = message["id"].is_string() || message["id"].is_number();
    match (has("method"), has("result"), has("error")) {
        (true, false, false) if has_id => Some("request"),
        (true, false, false) if !has("id") => Some("notification"),
        (false, true, false) if has_id => Some("result"),
        (false, false, true) => Some("error"),
        _ => None,
    }
}

/// Says whether a message must be taken, as it keeps to all bounds that senders are told of.
fn is_sound(message: &Value) -> bool {
    let id = message.get("id");
    let is_id_sound = id.is_none_or(|id| {
        let is_whole = id.is_i64() || id.is_u64();
        let is_error = message.get("error").is_some();
        id.to_string().len() <= RequestId::LENGTH_MAX
            && (id.is_string() || is_whole || (id.is_null() && is_error))
    });
    let is_method_sound = message.get("method").is_none_or(Value::is_string);
    kind(message).is_some() && is_id_sound && is_method_sound
}

fn name_of(message: &Message<'_>) -> &'static str {
    match message {
        Message::Request { .. } => "request",
        Message::Notification { .. } => "notification",
        Message::Result { .. } => "result",
        Message::Error { .. } => "error",
    }
}

fn registry(text: &str) -> Result<Registry, RegistryError> {
    Registry::parse(text, Path::new("r.yaml"), &Defaults::default(), &|_| None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_is_taken_for_what_a_plain_reader_takes_it_for(json in message()) {
        let text = json.to_string();
        let id_text = json.get("id").map(Value::to_string);
        match Message::read(text.as_bytes()) {
            Ok(message) => {
                prop_assert_eq!(Some(name_of(&message)), kind(&json));
                if let Some(id) = message.id() {
                    prop_assert_eq!(Some(id.as_json()), id_text.as_deref());
                }
            }
            Err(error) => prop_assert!(!is_sound(&json), "{}: {}", error, text),
        }
    }

    #[test]
    fn no_damage_breaks_the_reader_of_messages(
        bytes in damaged(message().prop_map(|it| it.to_string().into_bytes())),
    ) {
        let plain = serde_json::from_slice::<Value>(&bytes);
        match (Message::read(&bytes), plain) {
            (Ok(message), Ok(plain)) => prop_assert_eq!(Some(name_of(&message)), kind(&plain)),
            // No member is doubled where a plain reader would write the same again.
            (Err(error), Ok(plain)) if plain.to_string().as_bytes() == bytes => {
                prop_assert!(!is_sound(&plain), "{}: {}", error, plain);
            }
            _ => {}
        }
        if let Some(id) = salvage_id(&bytes) {
            prop_assert!(id.as_json().len() <= RequestId::LENGTH_MAX);
        }
    }

    #[test]
    fn what_is_written_is_read_back(method in any::<String>(), params in value(), id in any::<u64>()) {
        let params = RawValue::from_string(serde_json::json!({"v": params}).to_string()).unwrap();
        let id = RequestId::from_number(id);
        let text = write_request(&id, &method, Some(&params));
        match Message::read(&text) {
            Ok(Message::Request { id: read, method: named, params: Some(given) }) => {
                prop_assert_eq!(read, id);
                prop_assert_eq!(named, method);
                prop_assert_eq!(given.get(), params.get());
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_text_survives_a_header(text in any::<String>()) {
        let encoded = encode_value(&text);
        prop_assert!(encoded.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", encoded);
        let decoded = decode_value(&encoded).map(Cow::into_owned);
        prop_assert_eq!(decoded, Some(text));
    }

    #[test]
    fn no_header_breaks_its_reader(text in "(=\\?base64\\?)?[ -~]{0,40}(\\?=)?") {
        if let Some(decoded) = decode_value(&text) {
            let encoded = encode_value(&decoded).into_owned();
            let again = decode_value(&encoded).map(Cow::into_owned);
            prop_assert_eq!(again, Some(decoded.into_owned()));
        }
    }

    #[test]
    fn a_public_name_leads_back_to_its_backend_and_its_own_name(
        own in prop_oneof![text(), any::<String>()],
        backend in "[a-z][a-z0-9_-]{0,20}",
    ) {
        let Ok(backend) = backend.parse::<BackendName>() else { return Ok(()) };
        prop_assume!(!own.is_empty());
        for (naming, client) in [
            (Naming::Auto, None),
            (Naming::Dot, None),
            (Naming::Auto, Some("claude-ai")),
            (Naming::Underscores, None),
        ] {
            let spelling = Spelling::of(naming, client);
            let public = spelling.public_name(&backend, &own);
            let mut all = candidates(&public);
            let leads_back = all.any(|(how, name, rest)| {
                how == spelling && name == backend.as_str()
                    && (rest == own || spelling == Spelling::Underscores)
            });
            prop_assert!(leads_back, "{:?} {:?} {:?}", spelling, public, own);
        }
    }

    #[test]
    fn no_public_name_breaks_its_reader(public in prop_oneof![text(), any::<String>()]) {
        for (_, backend, own) in candidates(&public) {
            prop_assert!(backend.len() + own.len() <= public.len());
        }
    }

    #[test]
    fn no_damage_to_the_registry_passes_unseen_or_breaks_its_check(
        bytes in damaged(Just(SHIPPED.as_bytes().to_vec())),
    ) {
        let text = String::from_utf8_lossy(&bytes);
        match registry(&text) {
            Ok(registry) => {
                for provider in registry.iter() {
                    prop_assert!(["http", "https"].contains(&provider.url.scheme()));
                    prop_assert!(provider.url.has_host());
                    prop_assert!(provider.name.as_str().parse::<BackendName>().is_ok());
                }
            }
            Err(RegistryError::Mistakes(mistakes)) => {
                for mistake in mistakes.as_slice() {
                    let told = mistake.to_string();
                    prop_assert!(!told.contains(char::is_control), "{:?}", told);
                    prop_assert!(told.len() < 4000, "{}", told);
                    prop_assert!(mistake.line > 0 && mistake.column > 0, "{}", told);
                }
            }
            Err(other) => prop_assert!(!other.to_string().is_empty()),
        }
    }
}

/// Found by chance: half a character, and a number that no reader can hold, are JSON all the same.
#[test]
fn what_not_every_reader_takes_is_passed_on_as_it_is() {
    for params in [r#"{"\ud800x":1}"#, r#"{"x":1e999}"#, r#"{"x":[0.1e-999]}"#] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{params}}}"#);
        let mut read = Vec::new();
        match Message::read(text.as_bytes()) {
            Ok(Message::Request { params, .. }) => read.push(params.unwrap().get().to_owned()),
            other => assert!(other.is_ok(), "{other:?}"),
        }
        assert_eq!(read, [params], "{text}");
    }
}

/// Anchors that stand for anchors that stand for anchors: a kilobyte that would fill any memory.
#[test]
fn a_registry_that_explodes_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        let all = vec![before; 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{all}]").unwrap();
    }
    text.push_str("providers: *a11\n");
    assert!(registry(&text).is_err());
}
