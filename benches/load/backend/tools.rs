//! The tools of the fake backend.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::text::{BLOB, ECHO, FILLER, tool_names};

/// A long text is sent in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;
static PIECE: [u8; PIECE_BYTES] = [FILLER; PIECE_BYTES];

/// Largest text a call may ask for.
const TEXT_BYTES: usize = 64 << 20;

/// A result, in the pieces it is sent in.
pub(super) type Parts = Vec<Bytes>;

/// Params of `tools/call`.
#[derive(Deserialize)]
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    #[serde(borrow)]
    arguments: Arguments<'a>,
}

impl Call<'_> {
    /// The result of a call, with `members` of its era at its end. `None` if there is no such tool, or it cannot make
    /// that text.
    pub(super) fn result(&self, members: &str) -> Option<Parts> {
        let text = self.arguments.text.get();
        let begin = r#"{"content":[{"type":"text","text":"#;
        match self.name {
            ECHO => Some(vec![Bytes::from(format!("{begin}{text}}}]{members}}}"))]),
            BLOB => {
                let mark = text.strip_prefix('"')?.strip_suffix('"')?;
                if mark.contains('\\') || self.arguments.bytes > TEXT_BYTES {
                    return None;
                }
                let mut parts = vec![Bytes::from(format!("{begin}\"{mark}"))];
                let mut missing = self.arguments.bytes.saturating_sub(mark.len());
                while missing > 0 {
                    let piece = Bytes::from_static(&PIECE[..missing.min(PIECE_BYTES)]);
                    missing -= piece.len();
                    parts.push(piece);
                }
                parts.push(Bytes::from(format!("\"}}]{members}}}")));
                Some(parts)
            }
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Arguments<'a> {
    /// What `echo` returns, and what `blob` begins with.
    #[serde(borrow)]
    text: &'a RawValue,
    /// Size of what `blob` returns.
    #[serde(default)]
    bytes: usize,
}

/// The JSON array of all tools: descriptions and schemas of an ordinary size, so that a list weighs what real lists weigh.
pub(super) fn listed(count: u32) -> Bytes {
    let tool = |name: String| {
        let mut properties = json!({
            "text": { "type": "string", "description": "The text to work on." },
            "bytes": { "type": "integer", "description": "Size of the text returned." },
        });
        if name != ECHO && name != BLOB {
            properties["limit"] = json!({ "type": "integer", "minimum": 1, "maximum": 100 });
        }
        json!({
            "name": name,
            "description": "Finds the records that match a text and returns the best of them, newest first. Stands \
                            here for a tool with a description of an ordinary length.",
            "inputSchema": { "type": "object", "properties": properties, "required": ["text"] },
        })
    };
    let tools: Vec<_> = tool_names(count).map(tool).collect();
    json!(tools).to_string().into()
}
