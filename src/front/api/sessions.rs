//! `GET /sessions`, `GET /session/{id}` and `DELETE /session/{id}`.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use warp::reply::Response;

use super::{answer, empty, failure, json::shown};
use crate::{
    front::{problem::Problem, session_id},
    mcp::version::{Era, Revision},
    session::{ConnectionDescription, SessionDescription, SessionListing, SessionsView},
};

/// Sessions on a page unless the request says otherwise.
const LIMIT_DEFAULT: u64 = 50;
/// Sessions on a page at most.
const LIMIT_MAX: u64 = 500;
/// The last instant of the year 9999: RFC 3339 has no later one.
const LAST_MS: u64 = 253_402_300_799_999;

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionsPage {
    /// The sessions, ordered by id.
    sessions: Vec<SessionEntry>,
    /// The `after` of the next page; null on the last one.
    next: Option<Uuid>,
}

/// A session in a list.
#[derive(Debug, Serialize, ToSchema)]
struct SessionEntry {
    /// The session's id.
    session_id: Uuid,
    /// Whose it is; null if callers were not authenticated when it was made.
    owner: Option<String>,
    /// The name it was given.
    name: Option<String>,
    /// Where MCP clients connect, relative to the gateway's own address.
    mcp_endpoint: String,
    /// Its servers, in the order they were asked for.
    servers: Vec<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When a client last used it.
    #[schema(format = DateTime)]
    last_used: String,
}

/// A session and the state of its connections.
#[derive(Debug, Serialize, ToSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the id is called session_id in every answer of the API"
)]
pub(super) struct Session {
    /// The session's id.
    session_id: Uuid,
    /// Whose it is; null if callers were not authenticated when it was made.
    owner: Option<String>,
    /// The name it was given.
    name: Option<String>,
    /// Where MCP clients connect, relative to the gateway's own address.
    mcp_endpoint: String,
    /// How public tool names are spelled: `auto`, `dot`, `underscores` or `none`.
    naming: &'static str,
    /// Which tools it offers, by server: of those of which it does not offer all.
    tools: BTreeMap<String, Offered>,
    /// For how long it lives unused, such as `30m`; null for as long as the gateway says.
    idle_expiry: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When a client last used it.
    #[schema(format = DateTime)]
    last_used: String,
    /// MCP sessions that legacy clients have open.
    mcp_sessions: usize,
    /// Its servers, in the order they were asked for.
    servers: Vec<Server>,
}

/// Which tools of a server a session offers, by patterns of the server's own names.
#[derive(Debug, Serialize, ToSchema)]
struct Offered {
    /// Those that are offered; null for all.
    allow: Option<Vec<String>>,
    /// Those that are not, whatever `allow` says.
    deny: Vec<String>,
}

/// One server of a session, and the connection with it.
#[derive(Debug, Serialize, ToSchema)]
struct Server {
    /// The server's name in the registry.
    name: String,
    /// `idle`, `connecting`, `ready`, `waiting` (for the next attempt) or `refused`.
    state: &'static str,
    /// `legacy` (MCP with a handshake) or `modern`; null until known.
    era: Option<&'static str>,
    /// The MCP revision spoken; null until known.
    revision: Option<&'static str>,
    /// How many tools the server has, offered or not; null until known.
    tools: Option<usize>,
    /// What went wrong last, in words.
    last_error: Option<String>,
    /// Milliseconds until the next attempt to connect, where one is waited for.
    retry_in_ms: Option<u64>,
}

/// Lists the sessions, a page at a time.
#[utoipa::path(
    get, path = "/sessions", operation_id = "listSessions", tag = "sessions",
    params(
        ("after" = Option<Uuid>, Query, description = "The id after which the page begins: `next` of the page before."),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "How many sessions the page may hold; 50 unless given."),
    ),
    responses(
        (status = 200, description = "A page.", body = SessionsPage),
        (status = 400, description = "A parameter is wrong."),
        (status = 503, description = "The store does not answer."),
    )
)]
pub(super) async fn list(
    theirs: SessionsView,
    query: Vec<(String, String)>,
) -> Result<Response, Problem> {
    let page = Page::read(query)?;
    // One more than asked for tells whether there is a next page.
    let mut listings = theirs
        .list(page.after, page.limit + 1)
        .await
        .map_err(|error| failure(&error))?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = listings.len() > limit;
    listings.truncate(limit);
    let next = listings.last().filter(|_| more).map(|listing| listing.id);
    let sessions = listings.into_iter().map(SessionEntry::from).collect();
    answer(StatusCode::OK, &SessionsPage { sessions, next })
}

/// Describes a session: its servers, the state of each connection, never a credential.
#[utoipa::path(
    get, path = "/session/{session_id}", operation_id = "describeSession", tag = "sessions",
    params(("session_id" = Uuid, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "The session.", body = Session),
        (status = 404, description = "There is no such session."),
        (status = 503, description = "The store does not answer."),
    )
)]
pub(super) async fn describe(theirs: SessionsView, id: String) -> Result<Response, Problem> {
    let id = session_id(&id).ok_or_else(Problem::no_such_session)?;
    let described = theirs.describe(id).await.map_err(|error| failure(&error))?;
    let session = described.ok_or_else(Problem::no_such_session)?;
    answer(StatusCode::OK, &Session::from(session))
}

/// Deletes a session, its connections and its credentials.
#[utoipa::path(
    delete, path = "/session/{session_id}", operation_id = "deleteSession", tag = "sessions",
    params(("session_id" = Uuid, Path, description = "The session's id.")),
    responses(
        (status = 204, description = "The session is gone."),
        (status = 404, description = "There is no such session."),
        (status = 503, description = "The store does not answer."),
    )
)]
pub(super) async fn delete(theirs: SessionsView, id: String) -> Result<Response, Problem> {
    let id = session_id(&id).ok_or_else(Problem::no_such_session)?;
    if theirs.delete(id).await.map_err(|error| failure(&error))? {
        Ok(empty(StatusCode::NO_CONTENT))
    } else {
        Err(Problem::no_such_session())
    }
}

/// Which part of the list is asked for.
struct Page {
    after: Option<Uuid>,
    limit: u64,
}

impl Page {
    fn read(query: Vec<(String, String)>) -> Result<Self, Problem> {
        let (mut after, mut limit) = (None, None);
        for (name, value) in query {
            let twice = match name.as_str() {
                "after" => after.replace(read_after(&value)?).is_some(),
                "limit" => limit.replace(read_limit(&value)?).is_some(),
                _ => {
                    let name = shown(&name);
                    let detail = format!("unknown parameter \"{name}\"; there are after and limit");
                    return Err(Problem::at(name, detail));
                }
            };
            if twice {
                let detail = format!("{name} is given twice; keep one of them");
                return Err(Problem::at(name, detail));
            }
        }
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        Ok(Self { after, limit })
    }
}

fn read_after(text: &str) -> Result<Uuid, Problem> {
    let remedy = "after must be a session id; take it from next of the page before";
    session_id(text).ok_or_else(|| Problem::at("after", remedy))
}

fn read_limit(text: &str) -> Result<u64, Problem> {
    // Digits only: `+5` is a number to Rust, and no integer to JSON.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| digits && (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| {
        Problem::at(
            "limit",
            format!("limit must be a whole number from 1 to {LIMIT_MAX}"),
        )
    })
}

impl From<SessionListing> for SessionEntry {
    fn from(listing: SessionListing) -> Self {
        Self {
            session_id: listing.id,
            owner: listing.owner.as_deref().map(str::to_owned),
            name: listing.name,
            mcp_endpoint: format!("/session/{}/mcp", listing.id),
            servers: listing.servers.iter().map(ToString::to_string).collect(),
            created: rfc3339(listing.created_ms),
            last_used: rfc3339(listing.last_used_ms),
        }
    }
}

impl From<SessionDescription> for Session {
    fn from(session: SessionDescription) -> Self {
        Self {
            session_id: session.id,
            owner: session.owner.as_deref().map(str::to_owned),
            name: session.name,
            mcp_endpoint: format!("/session/{}/mcp", session.id),
            naming: session.naming.as_str(),
            tools: session
                .tools
                .iter()
                .map(|(server, filter)| {
                    let (allow, deny) = (filter.allow(), filter.deny());
                    (server.to_string(), Offered { allow, deny })
                })
                .collect(),
            idle_expiry: session
                .idle_expiry
                .map(|expiry| humantime::format_duration(expiry).to_string()),
            created: rfc3339(session.created_ms),
            last_used: rfc3339(session.last_used_ms),
            mcp_sessions: session.mcp_sessions,
            servers: session.connections.into_iter().map(Server::from).collect(),
        }
    }
}

impl From<ConnectionDescription> for Server {
    fn from(connection: ConnectionDescription) -> Self {
        Self {
            name: connection.backend.to_string(),
            state: connection.state.as_str(),
            era: connection.revision.map(|revision| era_word(revision.era())),
            revision: connection.revision.map(Revision::as_str),
            tools: connection.tools,
            last_error: connection.last_error,
            retry_in_ms: connection
                .retry_in
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

const fn era_word(era: Era) -> &'static str {
    match era {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
    }
}

/// A time of the wall clock; one that a broken clock or row put out of range is brought back.
fn rfc3339(milliseconds: i64) -> String {
    let milliseconds = u64::try_from(milliseconds).unwrap_or(0).min(LAST_MS);
    let time = UNIX_EPOCH + Duration::from_millis(milliseconds);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_of_range_is_brought_back() {
        assert_eq!(rfc3339(1_785_196_800_123), "2026-07-28T00:00:00.123Z");
        assert_eq!(rfc3339(-1), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_connection_tells_its_era_and_its_last_error() {
        let server = Server::from(ConnectionDescription {
            backend: "github".parse().unwrap(),
            state: crate::session::ConnectionState::Waiting,
            revision: Some(Revision::V2025_06_18),
            tools: Some(7),
            last_error: Some("connection refused".to_owned()),
            retry_in: Some(Duration::from_millis(1500)),
        });
        assert_eq!(
            serde_json::to_value(server).unwrap(),
            serde_json::json!({
                "name": "github", "state": "waiting", "era": "legacy", "revision": "2025-06-18",
                "tools": 7, "last_error": "connection refused", "retry_in_ms": 1500,
            })
        );
        assert_eq!(era_word(Revision::LATEST_MODERN.era()), "modern");
    }
}
