//! Builds every part once, starts them in order, and stops them in reverse.

mod announcement;
mod check;
mod error;
mod exposure;
mod keys;
mod signal;

use std::{io::Write as _, net::SocketAddr, process::ExitCode, sync::Arc};

use secrecy::ExposeSecret as _;
use tokio::{net::TcpListener, time::timeout};

use crate::{
    callers::{Callers, CallersError},
    config::{self, CallersFile, Command, Config, SealingKey},
    front::{
        self, FrontState,
        admission::Admission,
        body::BodyBounds,
        mcp::{self, McpState},
        origin::Gate,
        server::{ServerBounds, serve},
    },
    limits::{BODY_WITHIN, REST_WITHIN},
    registry::Registry,
    session::{Caps, Patience, Sessions},
    store::{self, Store},
    telemetry,
};

pub use error::AppError;

/// Does what the configuration says, to the end.
///
/// # Errors
///
/// Why the program could not start, with the remedy.
pub fn run(config: Config) -> Result<ExitCode, AppError> {
    telemetry::init(config.log_format, &config.log_filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(AppError::Runtime)?;
    runtime.block_on(async {
        match config.command.clone() {
            Command::Serve => serve_until_told_to_stop(config).await,
            Command::Check { connect } => check::run(&config, connect).await,
            Command::Keys(command) => keys::run(&config, command),
        }
    })
}

async fn serve_until_told_to_stop(config: Config) -> Result<ExitCode, AppError> {
    // First of all: a signal during the start must not be lost.
    let stop = signal::stop()?;
    let registry = Arc::new(read_registry(&config)?);
    let gate = Gate::new(&config.host, &config.allowed_hosts, &config.allowed_origins)?;
    let callers = start_callers(&config)?;
    // Before the database: a start that fails for its address leaves nothing behind.
    let listener = listen(&config).await?;
    let address = listener.local_addr().map_err(AppError::Runtime)?;
    exposure::settle(address, &callers, &config)?;
    let _watch = callers.watch().map_err(AppError::Runtime)?;
    let store = open_store(&config).await?;
    let patience = Patience {
        initialize_deadline: config.initialize_deadline,
        mcp_session_ttl: config.mcp_session_ttl,
        input_timeout: config.input_timeout,
    };
    let caps = caps(&config);
    let sessions = Sessions::start(Arc::clone(&registry), store.clone(), patience, caps).await?;
    announce(address, &registry, sessions.count(), &callers);
    sessions.rehydrate();
    let endpoint = mcp::route(McpState {
        sessions: sessions.clone(),
        body: BodyBounds {
            size_bytes_max: config.body_bytes_max,
            within: BODY_WITHIN,
        },
    });
    let state = FrontState {
        sessions: sessions.clone(),
        registry,
        callers: callers.clone(),
    };
    let bounds = ServerBounds {
        drain_within: config.drain_timeout,
        ..ServerBounds::default()
    };
    let stopping = sessions.clone();
    let stop = async move {
        stop.await;
        stopping.stop();
    };
    let admission = Admission::new(callers, config.public_url.as_deref());
    let service = front::service(gate, admission, front::routes(state, endpoint));
    let drained = serve(listener, service, bounds, stop).await;
    if drained.cut > 0 {
        tracing::warn!(
            connections = drained.cut,
            "cut requests that took too long to finish"
        );
    }
    let rest = async {
        sessions.rest().await;
        store.close().await;
    };
    if timeout(REST_WITHIN, rest).await.is_err() {
        tracing::warn!("the database is slow: stopped before all was written down");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn start_callers(config: &Config) -> Result<Callers, AppError> {
    if let CallersFile::Named(path) = &config.callers
        && !path.exists()
    {
        let path = path.clone();
        return Err(CallersError::Missing { path }.into());
    }
    Ok(Callers::start(
        config.callers.path(),
        config.tokens.clone(),
    )?)
}

fn caps(config: &Config) -> Caps {
    Caps {
        sessions: config.caps.sessions,
        sessions_per_caller: config.caps.sessions_per_caller,
        sessions_of_anonymous: config.caps.sessions_of_anonymous,
        requests_per_caller: config.caps.requests_per_caller as usize,
    }
}

fn read_registry(config: &Config) -> Result<Registry, AppError> {
    let registry = Registry::load(
        &config.registry_path,
        &config.registry_defaults,
        &config::environment,
    )?;
    for warning in registry.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(registry)
}

async fn open_store(config: &Config) -> Result<Store, AppError> {
    let key = match &config.sealing_key {
        SealingKey::Given(key) => store::SealingKey::parse(key)?,
        SealingKey::File(path) => store::SealingKey::from_file_or_new(path)?,
    };
    Ok(Store::open(config.database_url.expose_secret(), key).await?)
}

async fn listen(config: &Config) -> Result<TcpListener, AppError> {
    TcpListener::bind((config.host.as_str(), config.port))
        .await
        .map_err(|source| AppError::Listen {
            host: config.host.clone(),
            port: config.port,
            source,
        })
}

/// Tells where the gateway is, what it has, and what to do next.
fn announce(address: SocketAddr, registry: &Registry, sessions: u64, callers: &Callers) {
    let text = announcement::text(address, registry, sessions, callers.are_authenticated());
    // A closed standard output is no reason not to serve.
    let _closed = std::io::stdout().write_all(text.as_bytes());
    let providers = registry.len();
    let (authenticated, keys) = (callers.are_authenticated(), callers.keys());
    let issuer = callers.tokens().map(|tokens| tokens.issuer.as_str());
    tracing::info!(
        %address, providers, sessions, callers.authenticated = authenticated, callers.keys = keys, callers.issuer = issuer,
        "listening on http://{address}"
    );
}

/// Writes a number of things.
fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
