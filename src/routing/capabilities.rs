//! What a session can do: all that any of its backends can.

use serde_json::{Map, Value, value::RawValue};

/// What a backend not yet met may turn out to offer. Lists of a feature that nobody has are empty;
/// a feature that is not advertised is lost to clients that ask only once.
const STANDARD: [&str; 4] = ["tools", "prompts", "resources", "completions"];

/// Members whose keys are names of their own: of extensions, and of what is being tried out.
const OPEN: [&str; 2] = ["extensions", "experimental"];

/// Unites capabilities, each a `ServerCapabilities` object or `None` for a backend not yet met.
///
/// `listChanged` is always true: what cannot be reached for a while is announced, too. A flag is true
/// if it is anywhere; of two other values for one key the first backend's is kept.
#[must_use]
pub fn unite<'a>(parts: impl IntoIterator<Item = Option<&'a RawValue>>) -> Map<String, Value> {
    let mut united = Map::new();
    for part in parts {
        match part.map(|raw| serde_json::from_str(raw.get())) {
            Some(Ok(Value::Object(members))) => add(&mut united, members),
            _ => {
                for name in STANDARD {
                    let known = united.entry(name).or_insert_with(|| Map::new().into());
                    if let ("resources", Value::Object(known)) = (name, known) {
                        known.insert("subscribe".to_owned(), true.into());
                    }
                }
            }
        }
    }
    for name in ["tools", "prompts", "resources"] {
        if let Some(Value::Object(members)) = united.get_mut(name) {
            members.insert("listChanged".to_owned(), true.into());
        }
    }
    united
}

fn add(united: &mut Map<String, Value>, part: Map<String, Value>) {
    for (name, value) in part {
        match (united.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(members)) => {
                let open = OPEN.contains(&name.as_str());
                join(known, members, open);
            }
            (Some(_), _) => {}
            (None, value) => {
                united.insert(name, value);
            }
        }
    }
}

/// Joins one capability's settings; of an open one, what stands under a key is somebody's own.
fn join(known: &mut Map<String, Value>, members: Map<String, Value>, open: bool) {
    for (name, value) in members {
        match (known.get_mut(&name), value) {
            (Some(flag @ Value::Bool(false)), Value::Bool(true)) => *flag = true.into(),
            (Some(Value::Object(known)), Value::Object(members)) if !open => {
                join(known, members, open);
            }
            (Some(_), _) => {}
            (None, value) => {
                known.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn united(parts: &[Option<Value>]) -> Value {
        let raw: Vec<Option<Box<RawValue>>> = parts
            .iter()
            .map(|part| {
                let text = part.as_ref()?.to_string();
                RawValue::from_string(text).ok()
            })
            .collect();
        unite(raw.iter().map(Option::as_deref)).into()
    }

    #[test]
    fn what_any_backend_can_do_the_session_can() {
        let one = json!({"tools": {}, "resources": {"subscribe": false}, "x": {"a": {"b": 1}}});
        let two = json!({"prompts": {"listChanged": false}, "resources": {"subscribe": true},
                         "logging": {}, "x": {"a": {"b": 2, "c": 3}}});
        assert_eq!(
            united(&[Some(one), Some(two)]),
            json!({
                "tools": {"listChanged": true},
                "resources": {"subscribe": true, "listChanged": true},
                "prompts": {"listChanged": true},
                "logging": {},
                "x": {"a": {"b": 1, "c": 3}},
            })
        );
    }

    #[test]
    fn an_extension_is_one_backends_whole() {
        let one = json!({"extensions": {"com.example/x": {"v": 1}}});
        let two = json!({"extensions": {"com.example/x": {"w": 2}, "com.example/y": {}}});
        assert_eq!(
            united(&[Some(one), Some(two)]),
            json!({"extensions": {"com.example/x": {"v": 1}, "com.example/y": {}}})
        );
    }

    #[test]
    fn a_backend_not_yet_met_may_offer_anything_usual() {
        assert_eq!(
            united(&[Some(json!({"tools": {}})), None]),
            json!({
                "tools": {"listChanged": true},
                "prompts": {"listChanged": true},
                "resources": {"subscribe": true, "listChanged": true},
                "completions": {},
            })
        );
        assert_eq!(united(&[]), json!({}));
    }
}
