//! The REST API: one table of routes, one filter a route, every answer JSON.
//!
//! What a handler answers is its own; methods, unknown paths and the log line are settled here.

pub mod openapi;

mod activity;
mod audited;
mod clients;
mod create;
mod docs;
mod health;
mod json;
mod metrics;
mod open;
mod patch;
mod protected_resource;
mod providers;
mod sessions;

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;
use warp::{
    Filter, Rejection,
    reply::{Reply, Response},
};

use super::{FrontState, problem::Problem, via::Via};
use crate::{
    callers::{Admitted, Caller},
    session::SessionsError,
};
use audited::Audited;

/// When a gateway that is full or stopping is worth asking again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A path and the methods it takes. `HEAD` goes wherever `GET` does.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// The path; a part in braces is a parameter.
    pub template: &'static str,
    /// The methods, as the `Allow` header lists them.
    pub allow: &'static str,
}

/// The page.
const ROOT: Route = Route::new("/", "GET, HEAD");
/// The page's files.
const PAGE_FILE: Route = Route::new("/page/{file}", "GET, HEAD");
/// Lists what a session may name.
const PROVIDERS: Route = Route::new("/providers", "GET, HEAD");
/// Makes a session.
const CREATE: Route = Route::new("/create-session", "POST");
/// Lists sessions.
const SESSIONS: Route = Route::new("/sessions", "GET, HEAD");
/// Describes, changes and deletes a session.
const SESSION: Route = Route::new("/session/{session_id}", "GET, HEAD, PATCH, DELETE");
/// What to paste into MCP clients.
const CLIENTS: Route = Route::new("/session/{session_id}/clients", "GET, HEAD");
/// Tells a session's exchanges as they end.
const ACTIVITY: Route = Route::new("/session/{session_id}/activity", "GET");
/// A session's MCP endpoint, served by [`super::mcp`].
pub const MCP: Route = Route::new("/session/{session_id}/mcp", "GET, POST, DELETE");
/// The process lives.
const HEALTH: Route = Route::new("/healthz", "GET, HEAD");
/// The process can work.
const READY: Route = Route::new("/readyz", "GET, HEAD");
/// What is counted.
pub(super) const METRICS: Route = Route::new("/metrics", "GET, HEAD");
/// Swagger UI.
const DOCS: Route = Route::new("/docs", "GET, HEAD");
/// The files of Swagger UI.
const DOCS_FILE: Route = Route::new("/docs/{file}", "GET, HEAD");
/// The OpenAPI document.
const OPENAPI: Route = Route::new("/openapi.json", "GET, HEAD");

/// Where to log in, for the gateway as a whole.
pub const PROTECTED_RESOURCE: Route =
    Route::new("/.well-known/oauth-protected-resource", "GET, HEAD");
/// Where to log in, for a session's MCP endpoint.
const PROTECTED_MCP: Route = Route::new(
    "/.well-known/oauth-protected-resource/session/{session_id}/mcp",
    "GET, HEAD",
);

/// Every route of the gateway; the OpenAPI document is held to it by a test.
pub const ROUTES: [&Route; 17] = [
    &ROOT,
    &PAGE_FILE,
    &PROVIDERS,
    &CREATE,
    &SESSIONS,
    &SESSION,
    &CLIENTS,
    &ACTIVITY,
    &MCP,
    &HEALTH,
    &READY,
    &METRICS,
    &DOCS,
    &DOCS_FILE,
    &OPENAPI,
    &PROTECTED_RESOURCE,
    &PROTECTED_MCP,
];

impl Route {
    const fn new(template: &'static str, allow: &'static str) -> Self {
        Self { template, allow }
    }

    /// The refusal of a method it does not take.
    #[must_use]
    pub fn method_not_allowed(&self) -> Problem {
        Problem::method_not_allowed(self.allow)
    }

    /// Runs a handler of this route, turns its refusal into a response and logs the request.
    async fn answer(
        &self,
        method: Method,
        client: Client,
        handler: impl Future<Output = Result<Response, Problem>>,
    ) -> Response {
        let started = Instant::now();
        let response = handler.await.unwrap_or_else(Problem::into_response);
        // The template, not the path: whoever knows a session's id can use the session.
        tracing::info!(
            client.address = client.address.map(display),
            caller.name = client.caller.as_deref(),
            http.method = %method,
            http.route = self.template,
            http.status = response.status().as_u16(),
            elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "{method} {}", self.template,
        );
        response
    }
}

/// The routes of the REST API; anything else is rejected as not found.
#[must_use]
pub fn routes(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let document = openapi::Document::of(state.registry.clone());
    create_route(state.clone())
        .or(providers_route(state.clone()))
        .unify()
        .or(sessions_routes(state.clone()))
        .unify()
        .or(clients::route(state.clone()))
        .unify()
        .or(activity::route(state.clone()))
        .unify()
        .or(metrics::route(state.clone()))
        .unify()
        .or(open::routes(state, document))
        .unify()
        .boxed()
}

fn with<T: Clone + Send + Sync + 'static>(
    part: T,
) -> impl Filter<Extract = (T,), Error = Infallible> + Clone {
    warp::any().map(move || part.clone())
}

/// Who sent a request, for the log.
struct Client {
    address: Option<IpAddr>,
    caller: Option<Arc<str>>,
}

fn client() -> impl Filter<Extract = (Client,), Error = Infallible> + Clone {
    let via = warp::ext::optional::<Via>();
    let admitted = warp::ext::optional::<Admitted>();
    via.and(admitted)
        .map(|via: Option<Via>, admitted: Option<Admitted>| Client {
            address: via.map(|via| via.address),
            caller: admitted.and_then(|it| it.caller.name().cloned()),
        })
}

fn create_route(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::path!("create-session")
        .and(warp::method())
        .and(with(state))
        .and(theirs())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(client())
        .then(
            |method: Method, state: FrontState, caller, headers: HeaderMap, body, client| async move {
                let audited = Audited::creation(&state.audit, &method, &client);
                let handler = async {
                    match method {
                        Method::POST => create::create(state.of(&caller), headers, body).await,
                        _ => Err(CREATE.method_not_allowed()),
                    }
                };
                let response = CREATE.answer(method.clone(), client, handler).await;
                if let Some(audited) = audited {
                    audited.end(&response);
                }
                response
            },
        )
}

fn providers_route(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::path!("providers")
        .and(warp::method())
        .and(with(state))
        .and(theirs())
        .and(client())
        .then(
            |method: Method, state: FrontState, caller, client| async move {
                let handler = async {
                    match method {
                        Method::GET | Method::HEAD => providers::list(&state.of(&caller)),
                        _ => Err(PROVIDERS.method_not_allowed()),
                    }
                };
                PROVIDERS.answer(method.clone(), client, handler).await
            },
        )
}

fn sessions_routes(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let list = warp::path!("sessions")
        .and(warp::method())
        .and(with(state.clone()))
        .and(theirs())
        .and(warp::query())
        .and(client())
        .then(
            |method: Method, state: FrontState, caller, query, client| async move {
                let sessions = state.sessions.seen_by(&caller);
                let handler = async {
                    match method {
                        Method::GET | Method::HEAD => sessions::list(sessions, query).await,
                        _ => Err(SESSIONS.method_not_allowed()),
                    }
                };
                SESSIONS.answer(method.clone(), client, handler).await
            },
        );
    let one = warp::path!("session" / String)
        .and(warp::method())
        .and(with(state))
        .and(theirs())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(client())
        .then(
            |id: String, method: Method, state: FrontState, caller, headers, body, client| async move {
                let named = super::session_id(&id);
                let audited = Audited::of(&state.audit, &method, named, &client);
                let state = state.of(&caller);
                let sessions = state.sessions.clone();
                let handler = async {
                    match method {
                        Method::GET | Method::HEAD => sessions::describe(sessions, id).await,
                        Method::PATCH => patch::patch(state, id, headers, body).await,
                        Method::DELETE => sessions::delete(sessions, id).await,
                        _ => Err(SESSION.method_not_allowed()),
                    }
                };
                let response = SESSION.answer(method.clone(), client, handler).await;
                if let Some(audited) = audited {
                    audited.end(&response);
                }
                response
            },
        );
    list.or(one).unify()
}

/// Whoever sent the request. Without one, which is a mistake of ours, no route answers.
fn theirs() -> impl Filter<Extract = (Caller,), Error = Rejection> + Clone {
    warp::ext::get::<Admitted>().map(|admitted: Admitted| admitted.caller)
}

/// An answer in JSON. It may hold session ids, so no cache keeps it.
fn answer<T: Serialize>(status: StatusCode, answer: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(answer).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer could not be written; look at the gateway's log",
        )
    })?;
    let mut response = json_response(body.into());
    *response.status_mut() = status;
    Ok(response)
}

fn json_response(body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() = status;
    response
}

/// What the caller is told when the sessions could not do it.
fn failure(error: &SessionsError) -> Problem {
    let detail = match error {
        SessionsError::Store(_) => {
            let cause = error as &dyn std::error::Error;
            tracing::error!(error = cause, "a request found the store failing");
            format!("{error}; try again later, and look at the gateway's log if that does not help")
        }
        SessionsError::TooMany { .. } => {
            let detail = format!("{error}; delete one first");
            return Problem::too_many(detail, RETRY_AFTER);
        }
        SessionsError::Busy { .. } => format!("{error}; delete one, or try again later"),
        SessionsError::Broken { .. } => {
            format!("{error}; look at the gateway's log, or delete the session")
        }
        SessionsError::Interrupted => format!("{error}; look at the session, and try again"),
        SessionsError::Stopping => format!("{error}; try again when it is back"),
    };
    Problem::unavailable(detail, RETRY_AFTER)
}

#[cfg(test)]
mod tests;
