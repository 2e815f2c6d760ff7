//! Its wire: Streamable HTTP, one message a request, an answer as JSON or as a stream of events.
//!
//! Spec: 2025-11-25 basic/transports, "Streamable HTTP".

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};

use super::legacy::{Answer, Server};
use crate::limits::{EXAMPLE_ACCEPT_PAUSE, EXAMPLE_BODY_BYTES_MAX};

/// Where it is.
const PATH: &str = "/mcp";
const SESSION: &str = "mcp-session-id";

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers whoever connects.
pub(super) async fn serve(listener: TcpListener) {
    let server = Arc::new(Server::default());
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // No descriptor is free; in a while one may be.
            tokio::time::sleep(EXAMPLE_ACCEPT_PAUSE).await;
            continue;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let server = Arc::clone(&server);
                async move { Ok::<_, Infallible>(answer(&server, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the example server broke");
            }
        });
    }
}

async fn answer(server: &Arc<Server>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.uri.path() != PATH {
        return plain(StatusCode::NOT_FOUND);
    }
    // A page in a browser says where it comes from; nothing that speaks MCP here does.
    if head.headers.contains_key(header::ORIGIN) {
        return plain(StatusCode::FORBIDDEN);
    }
    let session = head.headers.get(SESSION).and_then(|id| id.to_str().ok());
    match head.method {
        Method::POST => {
            let Ok(body) = Limited::new(body, EXAMPLE_BODY_BYTES_MAX).collect().await else {
                return plain(StatusCode::PAYLOAD_TOO_LARGE);
            };
            let Ok(message) = serde_json::from_slice(&body.to_bytes()) else {
                return plain(StatusCode::BAD_REQUEST);
            };
            post(server, session, &head.headers, message)
        }
        Method::DELETE if session.is_some_and(|id| server.end(id)) => plain(StatusCode::NO_CONTENT),
        Method::DELETE => plain(StatusCode::NOT_FOUND),
        // It says nothing by itself, so that there is no stream to open.
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
            let allow = HeaderValue::from_static("POST, DELETE");
            response.headers_mut().insert(header::ALLOW, allow);
            response
        }
    }
}

fn post(
    server: &Arc<Server>,
    session: Option<&str>,
    headers: &HeaderMap,
    message: Value,
) -> Response<Body> {
    let revision = headers.get("mcp-protocol-version");
    let revision = revision.and_then(|revision| revision.to_str().ok());
    match server.take(session, revision, message) {
        Answer::Nothing => plain(StatusCode::ACCEPTED),
        Answer::Opened { session, message } => {
            let mut response = json(StatusCode::OK, &message);
            if let Ok(id) = HeaderValue::try_from(session) {
                response.headers_mut().insert(SESSION, id);
            }
            response
        }
        Answer::Message(message) => json(StatusCode::OK, &message),
        Answer::Refused(status, message) => json(status, &message),
        Answer::Stream(messages) => events(messages),
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, message: &Value) -> Response<Body> {
    let mut response = Response::new(Full::from(message.to_string()).boxed_unsync());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A stream that ends with the work that sends into it; when nobody reads it any more, that work finds out.
fn events(messages: mpsc::Receiver<Value>) -> Response<Body> {
    let messages = stream::unfold(messages, |mut messages| async move {
        let message = messages.recv().await?;
        Some((message, messages))
    });
    let frames = messages.map(|message| {
        let event = format!("event: message\ndata: {message}\n\n");
        Ok(Frame::data(Bytes::from(event)))
    });
    let mut response = Response::new(UnsyncBoxBody::new(StreamBody::new(frames)));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
