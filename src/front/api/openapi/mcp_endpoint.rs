//! The MCP endpoint in the words of OpenAPI. What it says inside is MCP's own specification.

use serde_json::{Value, json};

/// The path's operations.
pub(super) fn path() -> Value {
    json!({
        "post": post(),
        "get": {
            "tags": ["mcp"],
            "operationId": "mcpListen",
            "summary": "Opens the stream on which a client hears changes.",
            "parameters": [session_id(), mcp_session_id(), protocol_version(), last_event_id()],
            "responses": {
                "200": {
                    "description": "Server-sent events, until either side ends the stream.",
                    "content": { "text/event-stream": { "schema": { "type": "string" } } },
                },
                "400": { "description": "A header is missing or wrong." },
                "404": { "description": "There is no such session, or its MCP session has ended." },
                "405": { "description": "There is no such stream for this revision of MCP." },
                "406": { "description": "The client does not accept server-sent events." },
                "409": { "description": "The stream cannot be opened a second time." },
                "429": { "description": "Too many streams are open." },
                "503": { "description": "The gateway is stopping or full." },
            },
        },
        "delete": {
            "tags": ["mcp"],
            "operationId": "mcpEnd",
            "summary": "Ends an MCP session; the gateway's session lives on.",
            "parameters": [session_id(), mcp_session_id(), protocol_version()],
            "responses": {
                "200": { "description": "The MCP session has ended." },
                "204": { "description": "The MCP session has ended." },
                "400": { "description": "A header is missing or wrong." },
                "404": { "description": "There is no such session, or its MCP session has ended." },
                "405": { "description": "This revision of MCP has no MCP sessions." },
                "503": { "description": "The gateway is stopping or full." },
            },
        },
    })
}

/// Any JSON-RPC message.
pub(super) fn message_schema() -> Value {
    json!({
        "type": "object",
        "description": "A JSON-RPC 2.0 request, notification or response, as MCP defines them.",
        "required": ["jsonrpc"],
        "properties": {
            "jsonrpc": { "type": "string", "const": "2.0" },
            "id": { "type": ["string", "integer", "null"] },
            "method": { "type": "string" },
            "params": { "type": "object" },
            "result": { "type": "object" },
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": { "type": "integer" },
                    "message": { "type": "string" },
                    "data": {},
                },
            },
        },
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
            `MCP-Protocol-Version`, `Mcp-Method` and `_meta` with each request.",
        "parameters": [
            session_id(), mcp_session_id(), protocol_version(),
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
            "429": { "description": "The session has too many requests in flight." },
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

fn mcp_session_id() -> Value {
    header(
        "Mcp-Session-Id",
        "The MCP session, for clients with a handshake.",
    )
}

fn protocol_version() -> Value {
    header(
        "MCP-Protocol-Version",
        "The revision of MCP that the client speaks.",
    )
}

fn last_event_id() -> Value {
    header(
        "Last-Event-ID",
        "The last event heard on a stream that broke.",
    )
}

fn header(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "header", "required": false,
        "description": description,
        "schema": { "type": "string" },
    })
}
