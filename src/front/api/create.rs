//! `POST /create-session`: the request, checked against the registry before anything is stored.
//!
//! Every refusal names the field and the remedy; none repeats a credential.

pub(super) mod choice;
pub(super) mod credential;

use std::{collections::HashSet, time::Duration};

use bytes::{Buf, Bytes};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header::LOCATION};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use warp::reply::Response;

use self::{
    choice::{read_idle_expiry, read_tools},
    credential::Credentials,
};
use super::{
    answer,
    audited::Made,
    failure,
    json::{Json, MemberNames, shown},
};
use crate::{
    front::{
        CallersState,
        body::{self, BodyBounds},
        problem::Problem,
    },
    mcp::name::{BackendName, Naming},
    registry::Registry,
    session::{NewServer, NewSession},
};

/// A hundred credentials of their largest size; far less than a call may carry.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Servers of one session: each is a connection of its own.
pub(super) const SERVERS_MAX: usize = 100;
/// Characters of a session's name: it stands in lists.
pub(super) const NAME_CHARS_MAX: usize = 100;
/// Known servers named in one answer.
const KNOWN_SHOWN_MAX: usize = 50;

/// The fields of a request.
pub(super) const FIELDS: &str = "servers, credentials, name, naming, tools and idle_expiry";

const EXAMPLE: &str =
    r#"for example {"servers": ["github"], "credentials": {"github": {"token": ".."}}}"#;

/// The session that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionCreated {
    /// The session's id.
    session_id: Uuid,
    /// Where MCP clients connect, relative to the gateway's own address.
    #[schema(example = "/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11/mcp")]
    mcp_endpoint: String,
    /// Always `created`.
    #[schema(example = "created")]
    status: &'static str,
}

/// Makes a session.
///
/// The answer is sent when the session is durable. Its servers are connected in the background:
/// a server that is down does not fail the request.
#[utoipa::path(
    post, path = "/create-session", operation_id = "createSession", tag = "sessions",
    request_body(
        content = ref("#/components/schemas/CreateSession"), content_type = "application/json",
        description = "The servers of the session and what they ask for."
    ),
    responses(
        (status = 201, description = "The session is stored and ready for clients.",
            body = SessionCreated,
            headers(("Location" = String, description = "The session's own address.")),
            links(
                ("describe" = (operation_id = "describeSession",
                    parameters(("session_id" = "$response.body#/session_id")))),
                ("change" = (operation_id = "changeSession",
                    parameters(("session_id" = "$response.body#/session_id")))),
                ("delete" = (operation_id = "deleteSession",
                    parameters(("session_id" = "$response.body#/session_id")))),
                ("mcp" = (operation_id = "mcpSend",
                    parameters(("session_id" = "$response.body#/session_id")))),
            )),
        (status = 400, description = "A field is wrong; nothing was stored."),
        (status = 408, description = "The body took too long to arrive."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is not announced as JSON, or is compressed."),
        (status = 429, description = "You hold as many sessions as you may."),
        (status = 503, description = "The gateway is full, stopping, or its store does not answer."),
    )
)]
pub(super) async fn create<S, B>(
    state: CallersState,
    headers: HeaderMap,
    body: S,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let body = collect(&headers, body, state.body_within).await?;
    let new = read(&body, &state.registry, state.sessions.idle_expiry_max())?;
    let id = state
        .sessions
        .create(new)
        .await
        .map_err(|error| failure(&error))?;
    let created = SessionCreated {
        session_id: id,
        mcp_endpoint: format!("/session/{id}/mcp"),
        status: "created",
    };
    let mut response = answer(StatusCode::CREATED, &created)?;
    if let Ok(location) = HeaderValue::from_str(&format!("/session/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response.extensions_mut().insert(Made(id));
    Ok(response)
}

/// Collects the body of a request that may bring credentials.
pub(super) async fn collect<S, B>(
    headers: &HeaderMap,
    body: S,
    within: Duration,
) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    body::require_json(headers)?;
    let bounds = BodyBounds {
        size_bytes_max: BODY_BYTES_MAX,
        within,
    };
    Ok(body::collect(headers, body, bounds).await?)
}

fn read(
    body: &[u8],
    registry: &Registry,
    idle_expiry_max: Option<Duration>,
) -> Result<NewSession, Problem> {
    let mut fields = Json::read(body)?.into_fields("", MemberNames::Shown, EXAMPLE)?;
    let (servers, credentials) = (fields.take("servers"), fields.take("credentials"));
    let (name, naming) = (fields.take("name"), fields.take("naming"));
    let (tools, idle_expiry) = (fields.take("tools"), fields.take("idle_expiry"));
    fields.finish(FIELDS)?;

    let named = |name: &str| Some(registry.get(name)?.name.clone());
    let servers = read_servers(servers, registry, named)?;
    let name = name.map(read_name).transpose()?;
    let naming = naming.map(read_naming).transpose()?.unwrap_or_default();
    if naming == Naming::None && servers.len() > 1 {
        return Err(own_names_of_several("naming"));
    }
    let idle_expiry = idle_expiry
        .map(|expiry| read_idle_expiry(expiry, idle_expiry_max))
        .transpose()?;
    let mut tools = read_tools(tools, Some(&servers))?;
    let mut credentials = Credentials::read(credentials, &servers, registry)?;
    let servers = servers
        .into_iter()
        .map(|backend| {
            let credential = credentials.take(&backend, registry)?;
            Ok(NewServer {
                tools: tools.remove(&backend).flatten(),
                backend,
                credential,
            })
        })
        .collect::<Result<_, Problem>>()?;
    Ok(NewSession {
        name,
        naming,
        idle_expiry,
        servers,
    })
}

/// Reads the list of servers; `find` tells which server a name is.
pub(super) fn read_servers(
    servers: Option<Json>,
    registry: &Registry,
    find: impl Fn(&str) -> Option<BackendName>,
) -> Result<Vec<BackendName>, Problem> {
    let remedy = || format!("name some of the known servers: {}", known(registry));
    let Some(servers) = servers else {
        return Err(Problem::at(
            "servers",
            format!("servers is missing; {}", remedy()),
        ));
    };
    let servers = servers.into_list("servers", EXAMPLE)?;
    if servers.is_empty() {
        return Err(Problem::at(
            "servers",
            format!("servers is empty; {}", remedy()),
        ));
    }
    if servers.len() > SERVERS_MAX {
        return Err(Problem::at(
            "servers",
            format!("servers has more than {SERVERS_MAX} entries; make several sessions"),
        ));
    }
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(servers.len());
    for (index, server) in servers.into_iter().enumerate() {
        let field = format!("servers[{index}]");
        let text = server.into_text(&field, "write a server's name")?;
        let Some(name) = find(&text) else {
            return Err(no_such_server(index, &text, registry));
        };
        if !seen.insert(name.clone()) {
            let detail = format!("{name} stands in servers twice; name it once");
            return Err(Problem::at(field, detail));
        }
        names.push(name);
    }
    Ok(names)
}

/// The refusal of a server that nobody knows.
pub(super) fn no_such_server(index: usize, name: &str, registry: &Registry) -> Problem {
    let (name, known) = (shown(name), known(registry));
    let detail = format!("there is no server \"{name}\"; name some of the known servers: {known}");
    Problem::at(format!("servers[{index}]"), detail)
}

pub(super) fn read_name(name: Json) -> Result<String, Problem> {
    let remedy = "write a few words, or leave it out";
    let name = name.into_text("name", remedy)?;
    let refused = |fault: String| Err(Problem::at("name", format!("name {fault}; {remedy}")));
    if name.trim().is_empty() {
        return refused("is blank".to_owned());
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return refused(format!("has more than {NAME_CHARS_MAX} characters"));
    }
    if name.chars().any(char::is_control) {
        return refused("holds a control character".to_owned());
    }
    Ok(name)
}

/// The refusal of a session whose tools could not be told apart; `field` is what could be another.
pub(super) fn own_names_of_several(field: &str) -> Problem {
    let detail = "naming none is for a session of one server: tools of several could not be told apart; choose \
                  auto, dot or underscores, or one server";
    Problem::at(field, detail)
}

pub(super) fn read_naming(naming: Json) -> Result<Naming, Problem> {
    let remedy = "write auto, dot, underscores or none";
    let text = naming.into_text("naming", remedy)?;
    text.parse().map_err(|_| {
        let detail = format!("naming \"{}\" is unknown; {remedy}", shown(&text));
        Problem::at("naming", detail)
    })
}

fn known(registry: &Registry) -> String {
    let mut names: Vec<&str> = registry.names().map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(KNOWN_SHOWN_MAX);
    names.truncate(KNOWN_SHOWN_MAX);
    match (names.is_empty(), more) {
        (true, _) => "none is configured".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
