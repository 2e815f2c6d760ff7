//! What the pieces are given: small calls as clients of both eras write them, their results, a backend's list.

use std::{error::Error, fmt::Write as _};

use bytes::Bytes;
use mcp_gateway::mcp::name::BackendName;
use serde_json::value::RawValue;

/// Everything that is read or written.
pub(crate) struct Samples {
    pub(crate) legacy_call: Bytes,
    pub(crate) modern_call: Bytes,
    /// The parameters of the modern call, and their `_meta`.
    pub(crate) params: Box<RawValue>,
    pub(crate) meta: Box<RawValue>,
    pub(crate) backends: Vec<BackendName>,
    pub(crate) small_result: Bytes,
    pub(crate) large_result: Bytes,
    /// A list of 100 tools.
    pub(crate) list: Bytes,
}

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"pieces","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{},"progressToken":"p1"}"#;
const ARGUMENTS: &str = r#"{"text":"twenty bytes of text"}"#;

impl Samples {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let legacy = format!(r#"{{"name":"third.tool_7","arguments":{ARGUMENTS}}}"#);
        let modern = format!(r#"{{"name":"third.tool_7","arguments":{ARGUMENTS},"_meta":{META}}}"#);
        let backends = ["first", "second", "third"].map(str::parse);
        Ok(Self {
            legacy_call: call(&legacy),
            modern_call: call(&modern),
            params: RawValue::from_string(modern)?,
            meta: RawValue::from_string(META.to_owned())?,
            backends: backends.into_iter().collect::<Result<_, _>>()?,
            small_result: result(20),
            large_result: result(100_000),
            list: list(100)?,
        })
    }
}

fn call(params: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":1234,"method":"tools/call","params":{params}}}"#).into()
}

fn result(text_bytes: usize) -> Bytes {
    let text = "x".repeat(text_bytes);
    format!(r#"{{"resultType":"complete","content":[{{"type":"text","text":"{text}"}}]}}"#).into()
}

fn list(tools: usize) -> Result<Bytes, std::fmt::Error> {
    let mut list = String::from(r#"{"tools":["#);
    for number in 0..tools {
        if number > 0 {
            list.push(',');
        }
        write!(
            list,
            r#"{{"name":"tool_{number}","description":"Does what the tool of this number does, and says so.","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string","description":"What it is about"}}}},"required":["text"]}}}}"#
        )?;
    }
    list.push_str("]}");
    Ok(list.into())
}
