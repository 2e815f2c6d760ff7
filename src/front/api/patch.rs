//! `PATCH /session/{id}`: read as strictly as a creation, with nothing changed by what is refused.

use std::time::Duration;

use bytes::Buf;
use futures_util::Stream;
use http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::{
    RETRY_AFTER, answer,
    create::{
        FIELDS,
        choice::{of_no_server, read_idle_expiry, read_tools},
        collect,
        credential::{not_listed, read_changes, to_be_brought},
        no_such_server, own_names_of_several, read_name, read_naming, read_servers,
    },
    failure,
    json::{Json, MemberNames},
    sessions::Session,
};
use crate::{
    front::{CallersState, problem::Problem, session_id},
    mcp::name::Naming,
    registry::Registry,
    session::{Change, PatchError, SessionPatch},
};

const EXAMPLE: &str = r#"for example {"credentials": {"github": {"token": ".."}}}"#;

/// Changes a session: its servers, their credentials and tools, its name, its naming, its life.
///
/// The answer is sent when the change is durable. The session's address and its clients' MCP sessions
/// stay; clients are told that lists changed. Calls on their way to a server whose credential changed
/// finish with the old one; those to a server that left end with an error.
#[utoipa::path(
    patch, path = "/session/{session_id}", operation_id = "changeSession", tag = "sessions",
    params(("session_id" = uuid::Uuid, Path, description = "The session's id.")),
    request_body(
        content = ref("#/components/schemas/ChangeSession"), content_type = "application/json",
        description = "What is to be another; what is left out stays as it is."
    ),
    responses(
        (status = 200, description = "The session as it is now.", body = Session),
        (status = 400, description = "A field is wrong; nothing was changed."),
        (status = 404, description = "There is no such session."),
        (status = 408, description = "The body took too long to arrive."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is not announced as JSON, or is compressed."),
        (status = 503, description = "Too many changes wait, or the store does not answer."),
    )
)]
pub(super) async fn patch<S, B>(
    state: CallersState,
    id: String,
    headers: HeaderMap,
    body: S,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let body = collect(&headers, body, state.body_within).await?;
    let patch = read(&body, &state.registry, state.sessions.idle_expiry_max())?;
    let id = session_id(&id).ok_or_else(Problem::no_such_session)?;
    let (naming, servers) = (patch.naming, patch.servers.clone());
    let changed = state.sessions.patch(id, patch).await;
    let session = changed.map_err(|error| match &error {
        PatchError::NoSuchServer { server } => {
            let mut listed = servers.iter().flatten();
            let index = listed.position(|it| it == server).unwrap_or_default();
            no_such_server(index, server.as_str(), &state.registry)
        }
        error => refusal(error, naming, &state.registry),
    })?;
    answer(StatusCode::OK, &Session::from(session))
}

fn read(
    body: &[u8],
    registry: &Registry,
    idle_expiry_max: Option<Duration>,
) -> Result<SessionPatch, Problem> {
    let mut fields = Json::read(body)?.into_fields("", MemberNames::Shown, EXAMPLE)?;
    let (servers, credentials) = (fields.take("servers"), fields.take("credentials"));
    let name = fields.take_or_null("name");
    let naming = not_null("naming", fields.take_or_null("naming"))?;
    let tools = not_null("tools", fields.take_or_null("tools"))?;
    let idle_expiry = fields.take_or_null("idle_expiry");
    fields.finish(FIELDS)?;
    let servers = servers
        .map(|servers| {
            // Whether the registry has it or the session has had it is decided where the session is known.
            let named = |name: &str| name.parse().ok();
            read_servers(Some(servers), registry, named)
        })
        .transpose()?;
    let name = match name {
        None => Change::Keep,
        Some(Json::Null) => Change::To(None),
        Some(name) => Change::To(Some(read_name(name)?)),
    };
    let idle_expiry = match idle_expiry {
        None => Change::Keep,
        Some(Json::Null) => Change::To(None),
        Some(expiry) => Change::To(Some(read_idle_expiry(expiry, idle_expiry_max)?)),
    };
    Ok(SessionPatch {
        name,
        naming: naming.map(read_naming).transpose()?,
        idle_expiry,
        tools: read_tools(tools, servers.as_deref())?,
        credentials: read_changes(credentials, servers.as_deref(), registry)?,
        servers,
    })
}

/// The refusal of `null` where it could mean several things, and changes nothing.
fn not_null(field: &str, value: Option<Json>) -> Result<Option<Json>, Problem> {
    match value {
        Some(Json::Null) => {
            let remedy = if field == "tools" {
                "name servers in it, with null for each that is to offer all of its tools: {\"tools\": {\"github\": null}}"
            } else {
                "write auto, dot, underscores or none"
            };
            let detail = format!("{field} is null, which says nothing; {remedy}, or leave it out");
            Err(Problem::at(field, detail))
        }
        value => Ok(value),
    }
}

fn refusal(error: &PatchError, naming: Option<Naming>, registry: &Registry) -> Problem {
    match error {
        PatchError::NotAServer { server } => not_listed(
            format!("credentials.{server}"),
            server.as_str(),
            true,
            registry,
        ),
        PatchError::NoSuchServer { server } => Problem::at("servers", format!("{error}: {server}")),
        PatchError::CredentialMissing { server } => to_be_brought(server, registry)
            .unwrap_or_else(|| Problem::at(format!("credentials.{server}"), error.to_string())),
        PatchError::FilterOfNoServer { server } => of_no_server(server.as_str()),
        PatchError::OneServerOnly if naming == Some(Naming::None) => own_names_of_several("naming"),
        PatchError::OneServerOnly => own_names_of_several("servers"),
        PatchError::Gone => Problem::no_such_session(),
        PatchError::Crowded { .. } => Problem::unavailable(
            format!("{error}; try again when they are done"),
            RETRY_AFTER,
        ),
        PatchError::Sessions(error) => failure(error),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};
    use warp::Reply;

    use super::*;
    use crate::front::fixture;

    const SECRET: &str = "hf_S3cr3t";

    fn read_value(body: &Value) -> Result<SessionPatch, Problem> {
        read(body.to_string().as_bytes(), &fixture::registry(), None)
    }

    /// Each credential, by its server: new, or taken away.
    fn credentials(patch: &SessionPatch) -> Vec<(&str, Option<&str>)> {
        let credentials = patch.credentials.iter().map(|(server, secret)| {
            let secret = secret.as_ref().map(ExposeSecret::expose_secret);
            (server.as_str(), secret)
        });
        let mut credentials: Vec<_> = credentials.collect();
        credentials.sort_unstable();
        credentials
    }

    #[test]
    fn what_is_left_out_stays() {
        for body in [json!({}), json!({"servers": null, "credentials": null})] {
            let patch = read_value(&body).unwrap();
            assert!(patch.servers.is_none() && patch.name == Change::Keep);
            assert!(patch.credentials.is_empty() && patch.tools.is_empty());
            assert!(patch.naming.is_none() && patch.idle_expiry == Change::Keep);
        }
        let lives = |body: Value| read_value(&body).unwrap().idle_expiry;
        assert_eq!(lives(json!({"idle_expiry": null})), Change::To(None));
        let minute = Change::To(Some(Duration::from_mins(1)));
        assert_eq!(lives(json!({"idle_expiry": "1m"})), minute);
        let named = |body: Value| read_value(&body).unwrap().name;
        assert_eq!(named(json!({"name": null})), Change::To(None));
        let renamed = Change::To(Some("n".to_owned()));
        assert_eq!(named(json!({"name": "n"})), renamed);
    }

    #[test]
    fn null_takes_a_credential_away() {
        let patch = read_value(&json!({"credentials":
            {"anonymous": null, "bearer": {"token": SECRET}, "open": {}, "key": {"key": "k"}, "removed": null}}));
        assert_eq!(
            credentials(&patch.unwrap()),
            [
                ("anonymous", None),
                ("bearer", Some(SECRET)),
                ("key", Some("k")),
                ("open", None),
                // Of a session whose registry has it no longer.
                ("removed", None)
            ]
        );
    }

    #[test]
    fn every_refusal_names_its_field_and_tells_no_credential() {
        for (body, field) in [
            (json!({"server": ["open"]}), "server"),
            (json!({"naming": "dots"}), "naming"),
            (json!({"naming": null}), "naming"),
            (json!({"tools": null}), "tools"),
            (json!({"idle_expiry": 30}), "idle_expiry"),
            (json!({"idle_expiry": "30"}), "idle_expiry"),
            (
                json!({"tools": {"open": {"allow": [""]}}}),
                "tools.open.allow[0]",
            ),
            (
                json!({"servers": ["open"], "tools": {"key": null}}),
                "tools.key",
            ),
            (json!({"servers": []}), "servers"),
            (json!({"servers": "open"}), "servers"),
            (json!({"servers": ["open", "open"]}), "servers[1]"),
            (json!({"servers": ["no body"]}), "servers[0]"),
            (json!({"name": " "}), "name"),
            (json!({"name": 1}), "name"),
            (json!({"credentials": [SECRET]}), "credentials"),
            (json!({"credentials": SECRET}), "credentials"),
            (
                json!({"credentials": {"nobody": {"token": SECRET}}}),
                "credentials.nobody",
            ),
            (json!({"credentials": {"bearer": {}}}), "credentials.bearer"),
            (
                json!({"credentials": {"bearer": SECRET}}),
                "credentials.bearer",
            ),
            (
                json!({"credentials": {"bearer": {(SECRET): 1}}}),
                "credentials.bearer",
            ),
            (
                json!({"credentials": {"bearer": {"token": [SECRET]}}}),
                "credentials.bearer.token",
            ),
            (
                json!({"credentials": {"bearer": {"token": format!("Bearer {SECRET}")}}}),
                "credentials.bearer.token",
            ),
            (
                json!({"credentials": {"open": {"token": SECRET}}}),
                "credentials.open",
            ),
            (
                json!({"servers": ["open"], "credentials": {"bearer": {"token": SECRET}}}),
                "credentials.bearer",
            ),
        ] {
            let problem = read_value(&body).unwrap_err();
            let told = format!("{problem:?}");
            assert!(!told.contains(SECRET), "{told}");
            assert!(
                told.contains(&format!("field: Some(\"{field}\")")),
                "{body}: {told}"
            );
            assert_eq!(problem.into_response().status(), 400);
        }
        let twice = br#"{"credentials": {"bearer": {"token": "a"}, "bearer": {"token": "b"}}}"#;
        assert!(read(twice, &fixture::registry(), None).is_err());
    }
}
