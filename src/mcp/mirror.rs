//! Arguments that a tool wants repeated in headers, so that what lies between can route by them.
//!
//! Spec: 2026-07-28 basic/transports/streamable-http, "Custom Headers from Tool Parameters".

use std::{borrow::Cow, collections::HashSet};

use serde_json::{Map, Value, value::RawValue};

use super::{
    header::{PARAM_PREFIX, decode_value, encode_value},
    object::RawObject,
};

/// The schema's word for it.
const ANNOTATION: &str = "x-mcp-header";

/// One argument and the header that repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    header: String,
    path: Vec<String>,
}

/// Why a tool's annotations cannot be followed, which makes the tool unusable over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Not a header's name.
    #[error("an x-mcp-header is no header name")]
    Name,
    /// Two arguments for one header.
    #[error("an x-mcp-header stands twice")]
    Doubled,
    /// An argument that has no plain text.
    #[error("an x-mcp-header is on something other than a string, an integer or a boolean")]
    Type,
    /// Behind a list, a choice, a condition or a reference.
    #[error("an x-mcp-header is where no fixed path leads")]
    Unreachable,
}

/// Reads a tool definition's annotations, in the order of its schema.
///
/// # Errors
///
/// When one of them breaks the specification's constraints.
pub fn read(definition: &RawValue) -> Result<Vec<Mirror>, MirrorError> {
    // Nearly every definition ends here, unparsed.
    if !definition.get().contains(ANNOTATION) {
        return Ok(Vec::new());
    }
    let schema = RawObject::parse_or_empty(Some(definition))
        .get("inputSchema")
        .and_then(|schema| serde_json::from_str::<Value>(schema.get()).ok())
        .unwrap_or_default();
    let mut reader = Reader::default();
    reader.schema(&schema, Some(&mut Vec::new()))?;
    Ok(reader.mirrors)
}

/// Writes the headers for a call's `params`; an argument that is not there has none.
#[must_use]
pub fn headers(mirrors: &[Mirror], params: Option<&RawValue>) -> Vec<(String, String)> {
    mirrors
        .iter()
        .filter_map(|mirror| {
            let mut value = RawObject::parse(params?).ok()?.get("arguments")?.to_owned();
            for step in &mirror.path {
                value = RawObject::parse(&value).ok()?.get(step)?.to_owned();
            }
            Some((mirror.header.clone(), text(&value)?))
        })
        .collect()
}

/// Compares the headers that a client sent with those that its arguments demand.
///
/// # Errors
///
/// The name of the first that differs, is missing, or repeats what is not there.
pub fn agree(
    mirrors: &[Mirror],
    sent: &[(String, String)],
    demanded: &[(String, String)],
) -> Result<(), String> {
    let values = |headers: &[(String, String)], name: &str| {
        let headers = headers.iter().filter(|(header, _)| header == name);
        let values = headers.map(|(_, value)| decode_value(value).map(Cow::into_owned));
        values.collect::<Vec<_>>()
    };
    match mirrors
        .iter()
        .find(|it| values(sent, &it.header) != values(demanded, &it.header))
    {
        Some(mirror) => Err(mirror.header.clone()),
        None => Ok(()),
    }
}

/// A primitive's text; numbers keep their digits.
fn text(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'"' => {
            let text: String = serde_json::from_str(value.get()).ok()?;
            Some(encode_value(&text).into_owned())
        }
        b't' | b'f' | b'-' | b'0'..=b'9' => Some(value.get().to_owned()),
        _ => None,
    }
}

#[derive(Default)]
struct Reader {
    mirrors: Vec<Mirror>,
    headers: HashSet<String>,
}

impl Reader {
    /// Reads one schema; `path` is the chain of properties that leads to it, if only such do.
    fn schema(
        &mut self,
        schema: &Value,
        mut path: Option<&mut Vec<String>>,
    ) -> Result<(), MirrorError> {
        let Value::Object(members) = schema else {
            return Ok(());
        };
        if let Some(name) = members.get(ANNOTATION) {
            let path = path
                .as_deref()
                .filter(|path| !path.is_empty())
                .ok_or(MirrorError::Unreachable)?;
            self.mirror(name, members, path.clone())?;
        }
        for (keyword, value) in members {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        match path.as_deref_mut() {
                            Some(path) => {
                                path.push(name.clone());
                                self.schema(property, Some(path))?;
                                path.pop();
                            }
                            None => self.schema(property, None)?,
                        }
                    }
                }
                // These hold values, not schemas.
                ("enum" | "const" | "default" | "examples", _) => {}
                ("$defs" | "definitions" | "patternProperties" | "dependentSchemas", value) => {
                    let mut schemas = value.as_object().into_iter().flat_map(Map::values);
                    schemas.try_for_each(|schema| self.schema(schema, None))?;
                }
                (_, Value::Array(schemas)) => {
                    schemas
                        .iter()
                        .try_for_each(|schema| self.schema(schema, None))?;
                }
                (_, value) => self.schema(value, None)?,
            }
        }
        Ok(())
    }

    fn mirror(
        &mut self,
        name: &Value,
        schema: &Map<String, Value>,
        path: Vec<String>,
    ) -> Result<(), MirrorError> {
        let name = name
            .as_str()
            .filter(|name| !name.is_empty() && name.bytes().all(is_token))
            .ok_or(MirrorError::Name)?;
        let kind = schema.get("type").and_then(Value::as_str);
        if !matches!(kind, Some("string" | "integer" | "boolean")) {
            return Err(MirrorError::Type);
        }
        let header = format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase());
        if !self.headers.insert(header.clone()) {
            return Err(MirrorError::Doubled);
        }
        self.mirrors.push(Mirror { header, path });
        Ok(())
    }
}

/// RFC 9110, section 5.6.2: `tchar`.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::object::to_raw;

    fn read_schema(schema: &Value) -> Result<Vec<Mirror>, MirrorError> {
        read(&to_raw(&json!({ "name": "x", "inputSchema": schema })))
    }

    #[test]
    fn arguments_become_headers_along_their_paths() {
        let mirrors = read_schema(&json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "at": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"},
            "x-mcp-header": {"type": "string"},
        }}))
        .unwrap();
        let params =
            to_raw(&json!({"name": "x", "arguments": {"region": "Zürich", "at": {"n": 42}}}));
        let mut headers = headers(&mirrors, Some(&params));
        headers.sort();
        assert_eq!(
            headers,
            [
                ("mcp-param-n".into(), "42".into()),
                ("mcp-param-region".into(), "=?base64?WsO8cmljaA==?=".into()),
            ]
        );
        assert!(super::headers(&mirrors, None).is_empty());
    }

    #[test]
    fn a_client_says_the_same_in_headers_and_arguments() {
        let mirrors = read_schema(&json!({"properties": {
            "a": {"type": "string", "x-mcp-header": "A"},
            "b": {"type": "string", "x-mcp-header": "B"},
        }}))
        .unwrap();
        let params = to_raw(&json!({"arguments": {"a": "Hello"}}));
        let demanded = headers(&mirrors, Some(&params));
        let sent = |value: &str| vec![("mcp-param-a".to_owned(), value.to_owned())];
        for (sent, agrees) in [
            (sent("Hello"), true),
            (sent("=?base64?SGVsbG8=?="), true),
            (sent("=?base64?SGVsbG8?="), false),
            (sent("SGVsbG8="), false),
            (vec![], false),
            ([sent("Hello"), sent("Hello")].concat(), false),
            (
                [sent("Hello"), vec![("mcp-param-b".into(), "x".into())]].concat(),
                false,
            ),
            (
                [sent("Hello"), vec![("mcp-param-c".into(), "x".into())]].concat(),
                true,
            ),
        ] {
            assert_eq!(
                agree(&mirrors, &sent, &demanded).is_ok(),
                agrees,
                "{sent:?}"
            );
        }
    }

    #[test]
    fn what_breaks_a_constraint_is_told() {
        let string = |name: &str| json!({"type": "string", "x-mcp-header": name});
        for (schema, error) in [
            (json!({"properties": {"a": string("")}}), MirrorError::Name),
            (
                json!({"properties": {"a": string("a b")}}),
                MirrorError::Name,
            ),
            (
                json!({"properties": {"a": string("R"), "b": string("r")}}),
                MirrorError::Doubled,
            ),
            (
                json!({"properties": {"a": {"type": "number", "x-mcp-header": "R"}}}),
                MirrorError::Type,
            ),
            (
                json!({"x-mcp-header": "R", "type": "string"}),
                MirrorError::Unreachable,
            ),
            (
                json!({"properties": {"a": {"type": "array", "items": string("R")}}}),
                MirrorError::Unreachable,
            ),
            (
                json!({"anyOf": [{"properties": {"a": string("R")}}]}),
                MirrorError::Unreachable,
            ),
            (
                json!({"$defs": {"a": {"properties": {"a": string("R")}}}}),
                MirrorError::Unreachable,
            ),
        ] {
            assert_eq!(read_schema(&schema), Err(error), "{schema}");
        }
        let values = json!({"properties": {"a": {"enum": [{"x-mcp-header": 1}]}}});
        assert_eq!(read_schema(&values), Ok(Vec::new()));
    }
}
