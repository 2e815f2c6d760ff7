//! The MCP endpoint in the words of OpenAPI. What it says inside is MCP's own specification.

use serde_json::{Value, json};

use crate::mcp::version::Revision;

/// The path's operations.
pub(super) fn path() -> Value {
    json!({
        "post": post(),
        "get": {
            "tags": ["mcp"],
            "operationId": "mcpListen",
            "summary": "Opens the stream on which a client hears changes, or takes one up again.",
            "parameters": [
                session_id(), mcp_session_id(true), protocol_version(),
                header("Last-Event-ID", "The event behind which a stream is taken up that broke off."),
            ],
            "responses": {
                "200": {
                    "description": "Server-sent events, until either side ends the stream.",
                    "content": { "text/event-stream": { "schema": { "type": "string" } } },
                },
                "400": { "description": "A header is missing or wrong." },
                "404": { "description": "There is no such session, or its MCP session has ended." },
                "406": { "description": "The client does not accept server-sent events." },
                "409": { "description": "The MCP session has all the streams it may have." },
                "503": { "description": "The gateway is stopping or full." },
            },
        },
        "delete": {
            "tags": ["mcp"],
            "operationId": "mcpEnd",
            "summary": "Ends an MCP session; the gateway's session lives on.",
            "parameters": [session_id(), mcp_session_id(true), protocol_version()],
            "responses": {
                "204": { "description": "The MCP session has ended." },
                "400": { "description": "A header is missing or wrong." },
                "404": { "description": "There is no such session, or its MCP session has ended." },
                "503": { "description": "The gateway is stopping or full." },
            },
        },
    })
}

/// Any message that a client may send or receive.
pub(super) fn message_schema() -> Value {
    let id = json!({ "type": ["string", "integer"], "maxLength": 1024 });
    let version = json!({ "type": "string", "const": "2.0" });
    let error = json!({
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": { "type": "integer" },
            "message": { "type": "string" },
            "data": {},
        },
    });
    json!({
        "description": "A JSON-RPC 2.0 message, as MCP defines it.",
        "oneOf": [
            {
                "title": "Request, or without an id a notification",
                "type": "object",
                "required": ["jsonrpc", "method"],
                "properties": {
                    "jsonrpc": version,
                    "id": id,
                    "method": { "type": "string" },
                    "params": { "type": "object" },
                },
                "not": { "anyOf": [{ "required": ["result"] }, { "required": ["error"] }] },
            },
            {
                "title": "Result",
                "type": "object",
                "required": ["jsonrpc", "id", "result"],
                "properties": { "jsonrpc": version, "id": id, "result": { "type": "object" } },
                "not": { "anyOf": [{ "required": ["method"] }, { "required": ["error"] }] },
            },
            {
                "title": "Error; without an id where the request's could not be read",
                "type": "object",
                "required": ["jsonrpc", "error"],
                "properties": { "jsonrpc": version, "id": id, "error": error },
                "not": { "anyOf": [{ "required": ["method"] }, { "required": ["result"] }] },
            },
        ],
        "example": {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "github.search", "arguments": { "query": "mcp" } },
        },
    })
}

/// A refusal in the protocol's own words.
pub(super) fn error_content() -> Value {
    json!({
        "schema": { "$ref": "#/components/schemas/JsonRpcMessage" },
        "example": {
            "jsonrpc": "2.0", "id": 1,
            "error": { "code": -32600, "message": "what is wrong, and what to do about it" },
        },
    })
}

fn post() -> Value {
    let message = json!({ "schema": { "$ref": "#/components/schemas/JsonRpcMessage" } });
    json!({
        "tags": ["mcp"],
        "operationId": "mcpSend",
        "summary": "Sends one JSON-RPC message to the session's servers.",
        "description": "Streamable HTTP. Clients of the revisions 2025-03-26 to 2025-11-25 begin \
            with `initialize` and then send `Mcp-Session-Id`; clients of 2026-07-28 send \
            `MCP-Protocol-Version`, `Mcp-Method` and `_meta` with each request. Clients of \
            2025-03-26 may send several messages in a list.",
        "parameters": [
            session_id(), mcp_session_id(false), protocol_version(),
            header("Mcp-Method", "The method of the message, for modern clients."),
            header("Mcp-Name", "The tool, prompt or resource it is for, for modern clients."),
        ],
        "requestBody": { "required": true, "content": { "application/json": message } },
        "responses": {
            "200": {
                "description": "The response, alone or at the end of a stream of events.",
                "headers": { "Mcp-Session-Id": {
                    "description": "The MCP session that `initialize` made.",
                    "schema": { "type": "string" },
                } },
                "content": {
                    "application/json": message,
                    "text/event-stream": { "schema": { "type": "string" } },
                },
            },
            "202": { "description": "A notification or a response was accepted." },
            "400": { "description": "The message or one of its headers is wrong." },
            "404": { "description": "There is no such session, its MCP session has ended, or a modern client called an unknown method." },
            "406": { "description": "The client accepts neither JSON nor server-sent events." },
            "408": { "description": "The body took too long to arrive." },
            "413": { "description": "The body is too large." },
            "415": { "description": "The body is not announced as JSON, or is compressed." },
            "503": { "description": "The gateway is stopping or full." },
        },
    })
}

fn session_id() -> Value {
    json!({
        "name": "session_id", "in": "path", "required": true,
        "description": "The session's id.",
        "schema": { "type": "string", "format": "uuid" },
    })
}

fn mcp_session_id(required: bool) -> Value {
    let mut header = header("Mcp-Session-Id", "The MCP session that `initialize` made.");
    header["required"] = json!(required);
    header
}

/// The values of the legacy era: that another one calls for a `_meta` in the body is a rule between
/// header and body, which OpenAPI has no words for.
fn protocol_version() -> Value {
    let description = "The revision of MCP that the client speaks; 2025-03-26 if left out. \
        A POST of 2026-07-28 names it here and in the `_meta` of its params.";
    let mut header = header("MCP-Protocol-Version", description);
    header["schema"]["enum"] = json!(Revision::legacy().map(Revision::as_str));
    header
}

fn header(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "header", "required": false,
        "description": description,
        "schema": { "type": "string" },
    })
}
