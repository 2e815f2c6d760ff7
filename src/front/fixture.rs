//! What the tests of this room stand on: a registry with one provider of each kind, and sessions.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::ready;
use tempfile::TempDir;
use warp::{Filter, Rejection, reply::Reply, reply::Response};

use super::{FrontState, api, mcp::Addressed};
use crate::{
    audit::AuditLog,
    callers::Callers,
    lanes::Lanes,
    metrics::{Metrics, Readers},
    registry::{CurrentRegistry, Defaults, Registry},
    session::{Caps, Patience, Sessions},
    store::{SealingKey, Store},
};

/// Nothing listens there: these tests are about the front.
const PROVIDERS: &str = "
providers:
  open: { url: http://127.0.0.1:9/mcp }
  bearer: { url: http://127.0.0.1:9/mcp, auth: { type: bearer, required: true } }
  anonymous: { url: http://127.0.0.1:9/mcp, auth: { type: bearer, required: false } }
  preset: { url: http://127.0.0.1:9/mcp, auth: { type: bearer, default: env:PRESET } }
  key: { url: http://127.0.0.1:9/mcp, auth: { type: api_key, required: true } }
";

pub(super) fn registry() -> Registry {
    let environment = |_: &str| Some("of-the-registry".to_owned());
    let path = Path::new("registry.yaml");
    Registry::parse(PROVIDERS, path, &Defaults::default(), &environment).unwrap()
}

/// The state, and the directory that its database lies in.
pub(super) async fn state() -> (FrontState, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("gateway.db").display()
    );
    let key = SealingKey::parse(&"00".repeat(32).into()).unwrap();
    let store = Store::open(&url, key).await.unwrap();
    let registry = CurrentRegistry::new(registry());
    let patience = Patience {
        initialize_deadline: Duration::from_secs(1),
        mcp_session_ttl: Duration::from_mins(1),
        session_idle_ttl: None,
        dormant_after: Duration::from_mins(1),
        input_timeout: Duration::from_mins(1),
    };
    let caps = Caps {
        sessions: 1000,
        sessions_per_caller: 1000,
        sessions_of_anonymous: None,
        requests_per_caller: 1000,
    };
    let sessions = Sessions::start(
        registry.clone(),
        store,
        patience,
        caps,
        Metrics::new().unwrap(),
        Lanes::here(),
    );
    let sessions = sessions.await.unwrap();
    let callers = Callers::start(&directory.path().join("callers.yaml"), None).unwrap();
    let state = FrontState {
        sessions,
        registry,
        callers,
        public_url: None,
        audit: AuditLog::default(),
        body_within: Duration::from_secs(30),
        metrics: Readers::default(),
    };
    (state, directory)
}

/// Stands where the MCP endpoint goes.
pub(super) fn mcp() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::ext::optional::<Arc<Addressed>>()
        .and_then(|addressed: Option<_>| ready(addressed.ok_or_else(warp::reject::not_found)))
        .map(
            |addressed: Arc<Addressed>| match addressed.method.as_str() {
                "GET" | "POST" | "DELETE" => "mcp".into_response(),
                _ => api::MCP.method_not_allowed().into_response(),
            },
        )
}
