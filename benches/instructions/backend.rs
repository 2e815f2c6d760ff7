//! A fake MCP backend of one era with one tool, which returns the text it is given. It answers every message in one write.

use std::{
    io::{self, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{http::Message, options::Era};

/// The part of a request that it looks at.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(default)]
    params: Params<'a>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    text: &'a str,
}

/// Starts it; it lives as long as the process.
pub(crate) fn start(era: Era) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is the business of whoever opened it.
            thread::spawn(move || drop(serve(&stream, era)));
        }
    });
    Ok(address)
}

fn serve(mut stream: &TcpStream, era: Era) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = BufReader::new(stream);
    while let Some(message) = Message::read(&mut incoming)? {
        let answer = match message.first_line.split(' ').next() {
            Some("POST") => answer(&message, era),
            Some("DELETE") => empty("200 OK"),
            _ => empty("405 Method Not Allowed"),
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn answer(message: &Message, era: Era) -> String {
    let Ok(request) = serde_json::from_slice::<Request<'_>>(&message.body) else {
        return empty("400 Bad Request");
    };
    let Some(id) = request.id else {
        return empty("202 Accepted");
    };
    let body = match result(&request, era) {
        Some(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        None => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no such method"}}}}"#
        ),
    };
    let status = match (era, body.contains("\"error\"")) {
        (Era::Modern, true) => "404 Not Found",
        _ => "200 OK",
    };
    let session = match request.method {
        "initialize" => "mcp-session-id: fake\r\n",
        _ => "",
    };
    // `Date` is what a real server sends, too.
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{session}content-length: {}\r\ndate: Thu, 01 Jan 1970 \
         00:00:00 GMT\r\n\r\n{body}",
        body.len()
    )
}

fn result(request: &Request<'_>, era: Era) -> Option<String> {
    let implementation = json!({"name": "fake", "version": "1"});
    let result = match (request.method, era) {
        ("tools/call", _) => {
            let text = request.params.arguments.as_ref()?.text;
            let content = json!({"content": [{"type": "text", "text": text}]});
            return Some(typed(&content.to_string(), era));
        }
        ("tools/list", _) => {
            json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]})
        }
        ("initialize", Era::Legacy) => json!({
            "protocolVersion": era.revision(),
            "capabilities": {"tools": {}},
            "serverInfo": implementation,
        }),
        ("server/discover", Era::Modern) => json!({
            "supportedVersions": [era.revision()],
            "capabilities": {"tools": {}},
            "_meta": {"io.modelcontextprotocol/serverInfo": implementation},
        }),
        _ => return None,
    };
    Some(typed(&result.to_string(), era))
}

/// A result as its era has it.
fn typed(result: &str, era: Era) -> String {
    match (era, result.strip_prefix('{')) {
        (Era::Modern, Some(members)) => format!(r#"{{"resultType":"complete",{members}"#),
        _ => result.to_owned(),
    }
}

fn empty(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")
}
