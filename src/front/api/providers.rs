//! `GET /providers`: what a session may choose from.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use warp::reply::Response;

use super::answer;
use crate::{
    front::{CallersState, problem::Problem},
    registry::{AuthSpec, ProviderSpec},
    session::Presence,
};

/// Every provider of the registry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Providers {
    /// The providers, in the order of the registry.
    providers: Vec<Provider>,
}

/// One MCP server that a session may name.
#[derive(Debug, Serialize, ToSchema)]
struct Provider {
    /// Its name, as sessions name it.
    name: String,
    /// What it offers, for people.
    description: Option<String>,
    /// The credential it takes.
    auth: Auth,
    /// `answers`; `unfit` if something does, but not as an MCP server to the gateway; `away`; or `unknown` while it is
    /// being looked at for the first time.
    state: &'static str,
    /// The revision of MCP it answers in; null, too, where it wants a credential first.
    revision: Option<String>,
    /// What is wrong with it, in words.
    error: Option<String>,
    /// What to do about that.
    remedy: Option<&'static str>,
}

/// The credential a provider takes.
#[derive(Debug, Serialize, ToSchema)]
struct Auth {
    /// `none`, `bearer` or `api_key`.
    r#type: &'static str,
    /// Whether a session must bring one.
    required: bool,
    /// Whether the registry has one for sessions that bring none.
    has_default: bool,
    /// The page where people get one.
    obtain: Option<String>,
}

/// Lists the providers of the registry: what each offers, which credential it takes, and whether it answers.
///
/// Whether one answers is known from the sessions' calls, or from a handshake with it, without a credential, once in a
/// while however many ask.
#[utoipa::path(
    get, path = "/providers", operation_id = "listProviders", tag = "sessions",
    responses((status = 200, description = "The providers.", body = Providers))
)]
pub(super) fn list(state: &CallersState) -> Result<Response, Problem> {
    let providers = state.registry.iter().map(|spec| {
        let presence = state.sessions.presence(spec);
        Provider::new(spec, presence)
    });
    let providers = providers.collect();
    answer(StatusCode::OK, &Providers { providers })
}

impl Provider {
    fn new(spec: &ProviderSpec, presence: Presence) -> Self {
        let (state, revision, trouble) = match presence {
            Presence::Unknown => ("unknown", None, None),
            Presence::There(revision) => ("answers", revision, None),
            Presence::Unfit(trouble) => ("unfit", None, Some(trouble)),
            Presence::Away(trouble) => ("away", None, Some(trouble)),
        };
        Self {
            name: spec.name.to_string(),
            description: spec.description.clone(),
            auth: Auth::of(&spec.auth),
            state,
            revision: revision.map(|revision| revision.to_string()),
            remedy: trouble.as_ref().map(|trouble| trouble.remedy),
            error: trouble.map(|trouble| trouble.why.as_ref().to_owned()),
        }
    }
}

impl Auth {
    fn of(auth: &AuthSpec) -> Self {
        Self {
            r#type: auth.kind(),
            required: auth.must_be_brought(),
            has_default: auth.default_secret().is_some(),
            obtain: auth.obtain().map(ToString::to_string),
        }
    }
}
