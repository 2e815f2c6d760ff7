//! A backend that tells everybody the credential it was given, in every spelling.

use serde_json::{Value, json};

use super::{super::spellings::spellings, record::Recorded};

/// The headers that a credential may come in.
const CARRIERS: [&str; 3] = ["authorization", "x-key", "x-api-key"];

/// What the credential of a request was; its scheme left out.
fn credential(heard: &Recorded) -> String {
    let value = CARRIERS.iter().find_map(|name| heard.header(name));
    let value = value.unwrap_or_default();
    value.strip_prefix("Bearer ").unwrap_or(value).to_owned()
}

/// A text with the credential in every spelling that fits into one.
pub(super) fn words(heard: &Recorded) -> String {
    let secret = credential(heard);
    let texts = spellings(&secret).into_iter().filter_map(|(how, spelled)| {
        // A list of numbers is no way to write a text.
        let text = String::from_utf8(spelled).ok();
        text.filter(|_| how != "a list of numbers")
    });
    let mut words = vec![format!("bad Authorization: Bearer {secret}")];
    words.extend(texts);
    words.join(" , ")
}

/// A response to a request whose error quotes it everywhere.
pub(super) fn response(heard: &Recorded) -> Value {
    let (secret, words) = (credential(heard), words(heard));
    let id: Value = heard
        .id()
        .and_then(|id| serde_json::from_str(id).ok())
        .unwrap_or_default();
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": words.clone(), "data":
        {"headers": {"authorization": format!("Bearer {secret}")}, "words": [words], "n": 1,
         "nested": json!({"token": secret}).to_string(), (secret): true}}})
}
