//! `GET /openapi.json`: the document, made at start and whenever the registry is another.
//!
//! The handlers carry the description of their own operation. Added here is what they share: the
//! shape of a refusal, what the gate refuses on every path, the request that depends on the
//! registry, and the MCP endpoint.

mod create_session;
mod mcp_endpoint;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use warp::reply::Response;

use super::{
    CREATE, MCP, SESSION, activity, clients, create, docs, health, json_response, metrics, patch,
    protected_resource, providers, sessions,
};
use crate::{
    front::{
        page,
        problem::{PROBLEM_JSON, ProblemDocument},
    },
    registry::{CurrentRegistry, Registry},
};

/// The members of a path that are operations.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The tags of operations that ask who calls, beside the MCP endpoint's.
const AUTHENTICATED: [&str; 2] = ["sessions", "metrics"];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Multi-MCP Gateway",
        description = "One MCP endpoint for many MCP servers. Make a session with \
            `POST /create-session`, then point any MCP client at its `mcp_endpoint`. \
            Refusals are `application/problem+json` whose `detail` says what to do.",
    ),
    paths(
        page::root,
        page::file,
        providers::list,
        create::create,
        sessions::list,
        sessions::describe,
        patch::patch,
        sessions::delete,
        clients::list,
        activity::watch,
        health::alive,
        health::ready,
        metrics::read,
        docs::page,
        docs::file,
        openapi_json,
        protected_resource::of_gateway,
        protected_resource::of_mcp_endpoint,
    ),
    components(schemas(ProblemDocument<'static>)),
    tags(
        (name = "sessions", description = "Sessions: which servers, with which credentials."),
        (name = "mcp", description = "The MCP endpoint of a session, for MCP clients."),
        (name = "authorization", description = "Where clients log in, if they can."),
        (name = "metrics", description = "What is counted, for Prometheus."),
        (name = "health", description = "For whoever supervises the process."),
        (name = "page", description = "The page for people, and its files."),
        (name = "documentation", description = "This description."),
    ),
)]
struct Described;

/// Describes this API in OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "documentation",
    responses((status = 200, description = "This document.", body = Object))
)]
fn openapi_json(document: Bytes) -> Response {
    json_response(document)
}

/// The document of the registry in force.
#[derive(Clone)]
pub struct Document {
    registry: CurrentRegistry,
    /// The last one, and of which registry it is.
    made: Arc<ArcSwap<(Arc<Registry>, Bytes)>>,
}

impl Document {
    /// Writes the document, and writes it anew when the registry is another.
    #[must_use]
    pub fn of(registry: CurrentRegistry) -> Self {
        let now = registry.now();
        let document = document(&now);
        Self {
            registry,
            made: Arc::new(ArcSwap::from_pointee((now, document))),
        }
    }

    /// The document as it is now.
    #[must_use]
    pub fn now(&self) -> Bytes {
        let registry = self.registry.now();
        let made = self.made.load();
        if Arc::ptr_eq(&made.0, &registry) {
            return made.1.clone();
        }
        let document = document(&registry);
        self.made.store(Arc::new((registry, document.clone())));
        document
    }
}

/// Serves the document.
pub(super) fn serve(document: Bytes) -> Response {
    openapi_json(document)
}

/// Writes the document for the providers of a registry.
#[must_use]
pub fn document(registry: &Registry) -> Bytes {
    Bytes::from(describe(registry).to_string())
}

fn describe(registry: &Registry) -> Value {
    let mut document = json!(Described::openapi());
    let paths = &mut document["paths"];
    paths[MCP.template] = mcp_endpoint::path();
    for operation in operations(paths) {
        let mcp = operation["tags"] == json!(["mcp"]);
        add_gate(&mut operation["responses"]);
        if mcp
            || AUTHENTICATED
                .map(|tag| json!([tag]))
                .contains(&operation["tags"])
        {
            add_admission(operation);
        }
        shape_refusals(&mut operation["responses"], mcp);
    }
    // utoipa takes a body whose type it does not know for an optional one.
    for (template, method) in [(CREATE.template, "post"), (SESSION.template, "patch")] {
        document["paths"][template][method]["requestBody"]["required"] = json!(true);
    }
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, or a token of the authorization server that \
                /.well-known/oauth-protected-resource names.",
        },
        "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key." },
    });
    let schemas = &mut document["components"]["schemas"];
    schemas["CreateSession"] = create_session::schema(registry);
    schemas["ChangeSession"] = create_session::change_schema(&schemas["CreateSession"]);
    schemas["JsonRpcMessage"] = mcp_endpoint::message_schema();
    document
}

fn operations(paths: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = paths.as_object_mut().into_iter().flat_map(Map::values_mut);
    let members = paths.filter_map(Value::as_object_mut).flatten();
    members.filter_map(|(member, value)| METHODS.contains(&member.as_str()).then_some(value))
}

/// What every path refuses before it is even looked at.
fn add_gate(responses: &mut Value) {
    let foreign = "The Host is not one of the gateway's, or the Origin is not an allowed one.";
    responses["403"] = json!({ "description": foreign });
    let unnamed = "The request does not name one host.";
    match &mut responses["400"]["description"] {
        Value::String(description) => *description = format!("{description} Or: {unnamed}"),
        absent => *absent = json!(unnamed),
    }
}

/// What is asked of callers where they are authenticated; elsewhere nothing is.
fn add_admission(operation: &mut Value) {
    operation["security"] = json!([{ "bearer": [] }, { "apiKey": [] }, {}]);
    let responses = &mut operation["responses"];
    responses["401"] = json!({
        "description": "Callers are authenticated, and this one is not.",
        "headers": {
            "WWW-Authenticate": {
                "description": "What to show, and where to log in.",
                "schema": { "type": "string" },
            },
        },
    });
    if let Value::String(foreign) = &mut responses["403"]["description"] {
        foreign.push_str(" Or: the token lacks a scope.");
    }
    let busy = "The keys that tokens are checked with could not be fetched yet.";
    match &mut responses["503"]["description"] {
        Value::String(description) => *description = format!("{description} Or: {busy}"),
        absent => *absent = json!(busy),
    }
}

/// Gives each refusal its content: a problem, and on the MCP endpoint also a JSON-RPC error.
fn shape_refusals(responses: &mut Value, mcp: bool) {
    for (status, response) in responses.as_object_mut().into_iter().flatten() {
        let Some(status) = status.parse().ok().filter(|status| *status >= 400) else {
            continue;
        };
        let title = StatusCode::from_u16(status).ok();
        let title = title.and_then(|status| status.canonical_reason());
        response["content"][PROBLEM_JSON] = json!({
            "schema": { "$ref": "#/components/schemas/Problem" },
            "example": {
                "type": "about:blank",
                "title": title,
                "status": status,
                "detail": response["description"],
            },
        });
        if mcp {
            response["content"]["application/json"] = mcp_endpoint::error_content();
        }
        if status == 503 || status == 429 {
            response["headers"]["Retry-After"] = json!({
                "description": "Seconds until another attempt is worth it.",
                "schema": { "type": "integer", "minimum": 1 },
            });
        }
    }
}

#[cfg(test)]
mod tests;
