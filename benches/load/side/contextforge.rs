//! `ContextForge`: a gateway in Python that registers backends over a REST API, with one endpoint for all of them.
//!
//! Nobody is authenticated and no limit on the rate is set, as in the other gateways here; the rest is as it comes.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::install::Package;
use super::{LOG, Side, new_folder, with_log};
use crate::backends::{Backends, providers};
use crate::child::{Running, free_address};
use crate::endpoint::{Endpoint, Names};
use crate::fault::RunError;
use crate::message;
use crate::options::Options;
use crate::rest;
use crate::wire::{Request, Wire};

const PACKAGE: Package = Package {
    name: "mcp-contextforge-gateway",
    version: "1.0.7.post20260921",
    program: "bin/mcpgateway",
};

/// How long it may take from listening to answering.
const READY_LIMIT: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(200);

/// Who registers the backends.
const ADMIN: (&str, &[u8]) = ("x-authenticated-user", b"admin@example.com");

const SETTINGS: [(&str, &str); 14] = [
    ("ENVIRONMENT", "development"),
    ("AUTH_REQUIRED", "false"),
    ("MCP_CLIENT_AUTH_ENABLED", "false"),
    ("MCP_REQUIRE_AUTH", "false"),
    ("ALLOW_UNAUTHENTICATED_ADMIN", "true"),
    ("TRUST_PROXY_AUTH", "true"),
    ("TRUST_PROXY_AUTH_DANGEROUSLY", "true"),
    ("SSRF_ALLOW_LOCALHOST", "true"),
    ("SSRF_ALLOW_PRIVATE_NETWORKS", "true"),
    ("MCPGATEWAY_UI_ENABLED", "false"),
    ("RATE_LIMITING_ENABLED", "false"),
    ("CACHE_TYPE", "memory"),
    ("DATABASE_URL", "sqlite:///mcp.db"),
    ("LOG_LEVEL", "ERROR"),
];

pub(super) async fn set(options: &Options, backends: &Backends) -> Result<Side, RunError> {
    let program = PACKAGE.in_python().await?;
    let folder = new_folder()?;
    let authority = free_address().await?;
    let (host, port) = authority.split_once(':').unwrap_or_default();
    let log = File::create(folder.path().join(LOG))?;
    let set_up = |command: &mut Command| {
        command.args(["--host", host, "--port", port]);
        equip(command, folder.path(), log);
    };
    let started = Running::start_at(authority.clone(), program, set_up).await;
    let running = started.map_err(|source| with_log(source, folder.path()))?;
    let providers = providers(options);
    let registered = register(&authority, &providers, backends.each()).await;
    registered.map_err(|source| with_log(source, folder.path()))?;
    // It writes every name with hyphens.
    let name = |provider: &str, tool: &str| format!("{provider}-{tool}").replace('_', "-");
    let names = Arc::new(Names::merged(options, &providers, name));
    let endpoint = Endpoint::new(&authority, "/mcp", options.era, names);
    Ok(Side::of(vec![endpoint], running, folder))
}

fn equip(command: &mut Command, folder: &Path, log: File) {
    let secret = || format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    command.current_dir(folder).envs(SETTINGS);
    command.env("JWT_SECRET_KEY", secret());
    command.env("AUTH_ENCRYPTION_SECRET", secret());
    command.stdout(Stdio::null()).stderr(log);
}

async fn register(
    authority: &str,
    providers: &[String],
    addresses: &[String],
) -> Result<(), RunError> {
    let mut wire = Wire::new(authority.to_owned());
    let headers = message::headers(authority);
    for (name, address) in providers.iter().zip(addresses) {
        let url = format!("http://{address}/mcp");
        let body = json!({ "name": name, "url": url, "transport": "STREAMABLEHTTP" }).to_string();
        let request = Request {
            method: "POST",
            path: "/gateways",
            headers: &headers,
            more: &[ADMIN],
            body: body.as_bytes(),
        };
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let head = rest::send(&mut wire, request).await?;
            if head.status.is_success() {
                break;
            }
            if Instant::now() >= deadline {
                return Err(rest::refused("POST /gateways", &head, wire.body()));
            }
            sleep(GLANCE).await;
        }
    }
    Ok(())
}
