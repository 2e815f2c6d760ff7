//! `GET /.well-known/oauth-protected-resource`: where to log in, for clients that can.
//!
//! Spec: RFC 9728; 2025-11-25 basic/authorization, "Authorization Server Location".

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use warp::reply::Response;

use super::answer;
use crate::{
    callers::Callers,
    front::{admission::Base, problem::Problem, session_id},
};

/// What a client needs to know to log in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProtectedResource {
    /// What a token is asked for: the gateway, or one of its MCP endpoints.
    resource: String,
    /// Who issues tokens.
    authorization_servers: Vec<String>,
    /// How a token is sent.
    bearer_methods_supported: [&'static str; 1],
    /// Scopes that a token must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    /// For people.
    resource_name: &'static str,
}

/// Tells OAuth clients where to log in: for the gateway as a whole.
#[utoipa::path(
    get, path = "/.well-known/oauth-protected-resource", operation_id = "protectedResource", tag = "authorization",
    responses(
        (status = 200, description = "RFC 9728 metadata.", body = ProtectedResource),
        (status = 404, description = "Nobody can log in by OAuth here."),
    )
)]
pub(super) fn of_gateway(callers: &Callers, base: Base) -> Result<Response, Problem> {
    let Base(resource) = base;
    describe(callers, resource)
}

/// Tells OAuth clients where to log in: for an MCP endpoint, whether there is such a session or not.
#[utoipa::path(
    get, path = "/.well-known/oauth-protected-resource/session/{session_id}/mcp",
    operation_id = "protectedMcpEndpoint", tag = "authorization",
    params(("session_id" = uuid::Uuid, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "RFC 9728 metadata.", body = ProtectedResource),
        (status = 404, description = "Nobody can log in by OAuth here, or this is no session's id."),
    )
)]
pub(super) fn of_mcp_endpoint(
    callers: &Callers,
    base: Base,
    id: &str,
) -> Result<Response, Problem> {
    let id = session_id(id).ok_or_else(Problem::no_such_path)?;
    let Base(base) = base;
    describe(callers, format!("{base}/session/{id}/mcp"))
}

fn describe(callers: &Callers, resource: String) -> Result<Response, Problem> {
    let tokens = callers.tokens().ok_or_else(Problem::no_such_path)?;
    let described = ProtectedResource {
        resource,
        authorization_servers: vec![tokens.issuer.clone()],
        bearer_methods_supported: ["header"],
        scopes_supported: tokens.scopes.clone(),
        resource_name: "Multi-MCP Gateway",
    };
    answer(StatusCode::OK, &described)
}
