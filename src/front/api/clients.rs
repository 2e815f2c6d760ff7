//! `GET /session/{id}/clients`: what to paste where, so that MCP clients use a session.

use http::{Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use warp::{Filter, Rejection, reply::Response};

use super::{CLIENTS, answer, client, failure, theirs, with};
use crate::{
    callers::{Caller, Callers},
    clients::{Endpoint, Entrance, Entry},
    front::{FrontState, admission::Base, problem::Problem, session_id, via::Via},
};

/// How each client is made to use a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientEntries {
    /// One entry a client.
    clients: Vec<ClientEntry>,
}

/// How one client is made to use a session.
#[derive(Debug, Serialize, ToSchema)]
struct ClientEntry {
    /// The client, such as `claude_desktop`.
    id: &'static str,
    /// The client, for people.
    title: &'static str,
    /// The file or the place that the entry belongs to, on each system.
    r#where: &'static str,
    /// What the entry is: `json`, `toml` or `shell`.
    format: &'static str,
    /// The entry. A caller's key is never in it: it names an environment variable, or an input.
    entry: String,
    /// A link that does the same, where the client knows one.
    install_link: Option<String>,
    /// What to do, in order.
    steps: Vec<String>,
}

impl From<Entry> for ClientEntry {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            title: entry.title,
            r#where: entry.place,
            format: entry.format.as_str(),
            entry: entry.text,
            install_link: entry.install_link,
            steps: entry.steps,
        }
    }
}

pub(super) fn route(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::path!("session" / String / "clients")
        .and(warp::method())
        .and(with(state))
        .and(theirs())
        .and(warp::ext::optional::<Via>())
        .and(client())
        .then(
            |id, method: Method, state: FrontState, caller, via: Option<Via>, client| async move {
                let handler = async {
                    match method {
                        Method::GET | Method::HEAD => {
                            let base = Base::of(state.public_url.as_deref(), via.as_ref());
                            list(&state, &caller, id, base).await
                        }
                        _ => Err(CLIENTS.method_not_allowed()),
                    }
                };
                CLIENTS.answer(method.clone(), client, handler).await
            },
        )
}

/// Tells what to paste into each MCP client so that it uses the session.
#[utoipa::path(
    get, path = "/session/{session_id}/clients", operation_id = "listClients", tag = "sessions",
    params(("session_id" = uuid::Uuid, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "An entry for each client.", body = ClientEntries),
        (status = 404, description = "There is no such session."),
        (status = 503, description = "The store does not answer."),
    )
)]
pub(super) async fn list(
    state: &FrontState,
    caller: &Caller,
    id: String,
    base: Base,
) -> Result<Response, Problem> {
    let id = session_id(&id).ok_or_else(Problem::no_such_session)?;
    let described = state.sessions.seen_by(caller).describe(id).await;
    let session = described.map_err(|error| failure(&error))?;
    let session = session.ok_or_else(Problem::no_such_session)?;
    let Base(base) = base;
    let endpoint = Endpoint::new(
        format!("{base}/session/{id}/mcp"),
        session.name.as_deref(),
        entrance(&state.callers),
    );
    let entries = endpoint.entries().into_iter();
    let clients = entries.map(ClientEntry::from).collect();
    answer(StatusCode::OK, &ClientEntries { clients })
}

fn entrance(callers: &Callers) -> Entrance {
    match (callers.are_authenticated(), callers.keys()) {
        (false, _) => Entrance::Open,
        // No key is to be had: clients find the way to log in by themselves.
        (true, 0) if callers.tokens().is_some() => Entrance::Login,
        (true, _) => Entrance::Key,
    }
}
