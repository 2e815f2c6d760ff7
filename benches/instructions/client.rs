//! A client of the gateway: one connection, one request at a time.

use std::{
    fmt::Write as _,
    io::{BufReader, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::{RunError, http::Message, options::Era};

/// What a request of the modern era says of itself. Spec: 2026-07-28 basic, "General fields".
const MODERN_META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"count","version":"1"},"#,
    r#""io.modelcontextprotocol/clientCapabilities":{}}"#,
);

/// A client with a session.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    authority: String,
    era: Era,
    path: String,
    mcp_session: Option<String>,
    last_id: u64,
}

impl Client {
    /// Makes a session with `provider` at the gateway, and opens an MCP session where the era has them.
    pub(crate) fn open(authority: &str, era: Era, provider: &str) -> Result<Self, RunError> {
        let stream =
            TcpStream::connect(authority).map_err(RunError::doing("connecting to the gateway"))?;
        stream
            .set_nodelay(true)
            .map_err(RunError::doing("setting up a connection"))?;
        let mut client = Self {
            stream: BufReader::new(stream),
            authority: authority.to_owned(),
            era,
            path: "/create-session".to_owned(),
            mcp_session: None,
            last_id: 0,
        };
        let created = client.post("", &json!({ "servers": [provider] }).to_string())?;
        let created: Value = serde_json::from_slice(&created.body).unwrap_or_default();
        let path = created["mcp_endpoint"].as_str();
        let path =
            path.ok_or_else(|| RunError::Wrong(format!("no session was made: {created}")))?;
        path.clone_into(&mut client.path);
        if era == Era::Legacy {
            client.initialize()?;
        }
        Ok(client)
    }

    fn initialize(&mut self) -> Result<(), RunError> {
        let id = self.new_id();
        let version = self.era.revision();
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "count", "version": "1"},
        }});
        let answer = self.post("", &message.to_string())?;
        let id = answer.header("mcp-session-id");
        self.mcp_session = Some(
            id.ok_or_else(|| RunError::Wrong(format!("no MCP session: {}", answer.text())))?
                .to_owned(),
        );
        let headers = self.headers();
        let message = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post(&headers, &message.to_string()).map(drop)
    }

    /// Calls the tool, and sees that it returns the text that it was given, which is another for each call.
    pub(crate) fn call(&mut self, tool: &str) -> Result<(), RunError> {
        let id = self.new_id();
        let text = format!("call {id:07}");
        let (comma, meta) = match self.era {
            Era::Legacy => ("", ""),
            Era::Modern => (",", MODERN_META),
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{text}"}}{comma}{meta}}}}}"#
        );
        let mut headers = self.headers();
        if self.era == Era::Modern {
            // Writing to a text cannot fail.
            let _infallible = write!(headers, "mcp-method: tools/call\r\nmcp-name: {tool}\r\n");
        }
        let answer = self.post(&headers, &body)?;
        let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if read["id"] != id || read["result"]["content"][0]["text"] != text {
            return Err(RunError::Wrong(format!(
                "not the answer to call {id}: {}",
                answer.text()
            )));
        }
        Ok(())
    }

    fn headers(&self) -> String {
        let version = self.era.revision();
        let session = self.mcp_session.as_ref();
        let session = session.map_or_else(String::new, |id| format!("mcp-session-id: {id}\r\n"));
        format!("mcp-protocol-version: {version}\r\n{session}")
    }

    /// Sends a message and waits for its answer, which must not be an HTTP error.
    fn post(&mut self, headers: &str, body: &str) -> Result<Message, RunError> {
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: application/json, \
             text/event-stream\r\nuser-agent: count/1\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.path,
            self.authority,
            body.len()
        );
        let sent = self.stream.get_mut().write_all(request.as_bytes());
        sent.map_err(RunError::doing("sending a request"))?;
        let answer =
            Message::read(&mut self.stream).map_err(RunError::doing("reading an answer"))?;
        let answer = answer
            .ok_or_else(|| RunError::Wrong("the gateway closed the connection".to_owned()))?;
        if answer.first_line.starts_with("HTTP/1.1 2") {
            return Ok(answer);
        }
        let (first_line, text) = (&answer.first_line, answer.text());
        Err(RunError::Wrong(format!("{first_line}: {text}")))
    }

    const fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
