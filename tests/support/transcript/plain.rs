//! Messages without what differs from run to run: ids, tokens, states, times, ports, versions.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// What was met so far; equal values get equal names.
#[derive(Default)]
pub(super) struct Plain {
    pub(super) numbers: Numbers,
    /// The methods of requests, by who asked whom under which id.
    methods: HashMap<(String, String), String>,
}

/// The numbers that stand for values.
#[derive(Default, Clone)]
pub(super) struct Numbers {
    /// By what it is, who made it for whom, and its value.
    names: HashMap<(&'static str, String, String), usize>,
    counts: HashMap<(&'static str, String), usize>,
}

/// A message's sender and receiver.
#[derive(Clone, Copy)]
struct Path<'a> {
    from: &'a str,
    to: &'a str,
}

impl Path<'_> {
    /// Ids count from whoever makes them towards whomever gets them.
    fn there(self) -> String {
        format!("{}>{}", self.from, self.to)
    }

    fn back(self) -> String {
        format!("{}>{}", self.to, self.from)
    }

    /// The same in both directions.
    fn both(self) -> String {
        let (first, second) = (self.from.min(self.to), self.from.max(self.to));
        format!("{first}>{second}")
    }
}

impl Plain {
    /// A message in words, and the method it belongs to.
    pub(super) fn message(&mut self, from: &str, to: &str, message: &Value) -> (String, String) {
        let path = Path { from, to };
        let id = message.get("id").map(Value::to_string);
        let (kind, member) = match (message["method"].as_str(), message.get("error")) {
            (Some(_), _) => ("", "params"),
            (None, Some(_)) => ("error", "error"),
            (None, None) => ("result", "result"),
        };
        let (title, method) = match (message["method"].as_str(), id) {
            (Some(method), Some(id)) => {
                let asked = (path.there(), id.clone());
                self.methods.insert(asked, method.to_owned());
                let name = self.name("#", path.there(), &id);
                (format!("{method} {name}"), method.to_owned())
            }
            (Some(method), None) => (method.to_owned(), method.to_owned()),
            (None, id) => {
                let id = id.unwrap_or_default();
                let asked = (path.back(), id.clone());
                let method = self.methods.get(&asked).cloned().unwrap_or_default();
                let name = self.name("#", path.back(), &id);
                (format!("{kind} of {name}"), method)
            }
        };
        let content = match message.get(member) {
            Some(content) => rendered(&self.value(path, "", content)),
            None => String::new(),
        };
        (title + &content, method)
    }

    fn value(&mut self, path: Path<'_>, key: &str, value: &Value) -> Value {
        let text = value.to_string();
        match (key, value) {
            ("requestId", _) => self.name("#", path.there(), &text).into(),
            ("io.modelcontextprotocol/subscriptionId", _) => {
                self.name("#", path.back(), &text).into()
            }
            ("progressToken", _) => self.name("token ", path.both(), &text).into(),
            ("requestState", _) => self.name("state ", String::new(), &text).into(),
            ("cursor" | "nextCursor", _) => self.name("cursor ", path.both(), &text).into(),
            (
                "clientInfo"
                | "serverInfo"
                | "io.modelcontextprotocol/clientInfo"
                | "io.modelcontextprotocol/serverInfo",
                Value::Object(members),
            ) => {
                let mut members = members.clone();
                if members.contains_key("version") {
                    members.insert("version".to_owned(), "<version>".into());
                }
                members.into()
            }
            (_, Value::Object(members)) => {
                let members = members.iter();
                let plain: Map<String, Value> = members
                    .map(|(key, value)| (self.text(key), self.value(path, key, value)))
                    .collect();
                plain.into()
            }
            (_, Value::Array(elements)) => {
                let elements = elements.iter();
                let plain: Vec<Value> = elements.map(|it| self.value(path, "", it)).collect();
                plain.into()
            }
            (_, Value::String(text)) => self.text(text).into(),
            (_, other) => other.clone(),
        }
    }

    /// A text without ports, times and random ids.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(length) = uuid(rest) {
                plain.push_str(&self.name("uuid ", String::new(), &rest[..length]));
                rest = &rest[length..];
            } else if let Some(length) = shaped(rest, "input-hhhhhhhhhhhhhhhh") {
                plain.push_str(&self.name("input ", String::new(), &rest[..length]));
                rest = &rest[length..];
            } else if let Some(length) = time(rest) {
                plain.push_str("<time>");
                rest = &rest[length..];
            } else if let Some(behind) = rest.strip_prefix("127.0.0.1:") {
                plain.push_str("127.0.0.1:<port>");
                rest = behind.trim_start_matches(|it: char| it.is_ascii_digit());
            } else {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        plain
    }

    fn name(&mut self, kind: &'static str, scope: String, value: &str) -> String {
        let key = (kind, scope.clone(), value.to_owned());
        let number = *self.numbers.names.entry(key).or_insert_with(|| {
            let count = self.numbers.counts.entry((kind, scope)).or_default();
            *count += 1;
            *count
        });
        format!("<{kind}{number}>")
    }
}

/// The length of a UUID that stands at the beginning.
fn uuid(text: &str) -> Option<usize> {
    shaped(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")
}

/// The length of a time that stands at the beginning.
fn time(text: &str) -> Option<usize> {
    let to_seconds = shaped(text, "dddd-dd-ddTdd:dd:dd")?;
    let fraction = |it: char| it.is_ascii_digit() || it == '.';
    let rest = text[to_seconds..].trim_start_matches(fraction);
    let rest = rest.strip_prefix('Z').unwrap_or(rest);
    Some(text.len() - rest.len())
}

/// The shape's length if the text begins like it: `h` is a hexadecimal digit, `d` a digit, and any
/// other letter is itself.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..shape.len())?;
    let fits = bytes
        .iter()
        .zip(shape.bytes())
        .all(|(byte, shape)| match shape {
            b'h' => byte.is_ascii_hexdigit(),
            b'd' => byte.is_ascii_digit(),
            other => *byte == other,
        });
    fits.then_some(shape.len())
}

/// JSON below a title: one line if it is short.
fn rendered(content: &Value) -> String {
    const LINE: usize = 96;
    let line = content.to_string();
    let text = if line.len() <= LINE {
        line
    } else {
        serde_json::to_string_pretty(content).unwrap_or(line)
    };
    let lines = text.lines().map(|line| format!("\n    {line}"));
    lines.collect()
}
