//! Builds every part once, starts them in order, and stops them in reverse.

mod announcement;
mod auditing;
mod check;
mod demo;
mod dumps;
mod edge;
mod error;
mod exposure;
mod file_size;
mod keys;
mod open_files;
mod reload;
mod rotation;
mod signal;
mod spans;

use std::{io::Write as _, net::SocketAddr, process::ExitCode};

use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use crate::{
    audit::AuditTo,
    callers::{Callers, CallersError},
    config::{self, CallersFile, Command, Config, SealingKey},
    console,
    front::{
        self, FrontState,
        admission::Admission,
        body::BodyBounds,
        mcp::{self, McpState},
        origin::Gate,
        server::{Ending, Entrance, serve},
        tls::Certificates,
        via::TrustedProxies,
    },
    limits::{HURRIED_WITHIN, REST_WITHIN, within},
    metrics::Metrics,
    registry::{CurrentRegistry, Registry, RegistryError},
    session::{Caps, Patience, Sessions},
    store::{KeyRing, Store},
    telemetry,
};

use demo::Demo;

pub use error::AppError;

/// Does what the configuration says, to the end.
///
/// # Errors
///
/// Why the program could not start, with the remedy.
pub fn run(config: Config) -> Result<ExitCode, AppError> {
    let _log = telemetry::init(config.log_format, &config.log_filter, config.log_delay)?;
    dumps::turn_off();
    open_files::allow_many();
    // Of one thread: what makes and stores sessions waits for itself, and would wake another for it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AppError::Runtime)?;
    let done = runtime.block_on(async {
        match config.command.clone() {
            Command::Serve => serve_until_told_to_stop(config, || ()).await,
            Command::Demo => {
                let demo = Demo::start(config).await?;
                serve_until_told_to_stop(demo.config.clone(), demo.remover()).await
            }
            Command::Check { connect, json } => check::run(&config, connect, json).await,
            Command::Keys(command) => keys::run(&config, command).await,
            Command::Session(flags) => {
                console::session(&flags, config.caller_key, &config::environment).await?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Entry(flags) => {
                console::entry(&flags, config.caller_key).await?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Health(flags) => {
                console::health(&flags).await?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Completions(shell) => {
                let script = config::completions(shell);
                std::io::stdout()
                    .write_all(script.as_bytes())
                    .map_err(AppError::Output)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Import {
                file,
                write,
                keep_headers,
                json,
            } => {
                let import = console::Import {
                    from: &file,
                    registry: &config.registry_path,
                    write,
                    keep_headers: &keep_headers,
                    json,
                };
                console::import(&import, &config.registry_defaults, &config::environment)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    });
    // Nothing that waits in a thread of its own, such as for a name to be resolved, holds up the end.
    runtime.shutdown_background();
    done
}

/// Serves; `last` is done if a second signal ends the program at once.
async fn serve_until_told_to_stop(
    config: Config,
    last: impl FnOnce() + Send + 'static,
) -> Result<ExitCode, AppError> {
    // First of all: a signal during the start must not be lost.
    let mut stop = Box::pin(signal::stop(last)?);
    file_size::fail_beyond_a_limit()?;
    let started = tokio::select! {
        // What waits for a database somebody else uses can be told to stop as well.
        () = &mut stop => {
            tracing::info!("stopped before it served");
            return Ok(ExitCode::SUCCESS);
        }
        started = start(&config) => started?,
    };
    let Started {
        listener,
        certificates,
        gate,
        registry,
        store,
        sessions,
        callers,
    } = started;
    let address = listener.local_addr().map_err(AppError::Runtime)?;
    let watch = certificates.as_ref().map(edge::watch).transpose();
    let _watch = watch.map_err(AppError::Runtime)?;
    let _callers_watch = callers.watch().map_err(AppError::Runtime)?;
    let _registry_watch =
        reload::watch(&config, &registry, &sessions).map_err(AppError::Runtime)?;
    let auditing = auditing::Auditing::begin(config.audit.clone())?;
    let spans = spans::Spans::begin(config.collector.as_ref(), sessions.metrics())?;
    let (providers, encrypted) = (registry.now(), certificates.is_some());
    match config.command {
        Command::Demo => demo::welcome(&sessions, &providers, encrypted, address).await?,
        _ => announce(
            &config,
            (address, encrypted),
            &providers,
            sessions.count(),
            &callers,
        ),
    }
    sessions.rehydrate();
    let endpoint = mcp::route(McpState {
        sessions: sessions.clone(),
        audit: auditing.log.clone(),
        traces: spans.traces.clone(),
        body: body_bounds(&config),
    });
    let state = FrontState {
        sessions: sessions.clone(),
        registry,
        callers: callers.clone(),
        public_url: config.public_url.as_deref().map(Into::into),
        audit: auditing.log.clone(),
        body_within: config.edge.body_timeout,
        metrics: config.metrics,
    };
    let admission = Admission::new(callers, config.public_url.as_deref(), auditing.log.clone())
        .with_metrics_for(config.metrics);
    let routes = front::routes(state, endpoint);
    let service = front::service(gate, admission, routes, sessions.metrics());
    let entrance = Entrance {
        listener,
        certificates,
        bounds: edge::bounds(&config.edge, config.drain_timeout),
        proxies: TrustedProxies::new(config.edge.trusted_proxies),
        settling: edge::settling(&sessions),
    };
    let ending = Ending {
        stop: async {
            stop.await;
            sessions.stop();
        },
        hurry: || sessions.give_up(),
    };
    let drained = serve(entrance, service, ending).await;
    if drained.cut > 0 {
        tracing::warn!(
            connections = drained.cut,
            "cut requests that took too long to finish"
        );
    }
    if within(HURRIED_WITHIN, sessions.settled()).await.is_err() {
        tracing::warn!("backends were slow to hear that their calls are taken back");
    }
    let rest = async {
        sessions.rest().await;
        store.close().await;
    };
    // Neither waits for the other: the one may be slow.
    let ends = tokio::join!(
        within(REST_WITHIN, rest),
        within(REST_WITHIN, auditing.end()),
        // It bounds itself, and says what it could not send.
        spans.end(),
    );
    if ends.0.is_err() {
        tracing::warn!("the database is slow: stopped before all was written down");
    }
    if ends.1.is_err() {
        tracing::warn!("the audit log is slow: stopped before all its lines were written");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// What is there once the program has started.
struct Started {
    listener: TcpListener,
    certificates: Option<Certificates>,
    gate: Gate,
    registry: CurrentRegistry,
    store: Store,
    sessions: Sessions,
    callers: Callers,
}

async fn start(config: &Config) -> Result<Started, AppError> {
    let registry = CurrentRegistry::new(read_registry(config)?);
    let gate = Gate::new(&config.host, &config.allowed_hosts, &config.allowed_origins)?;
    let certificates = edge::certificates(&config.edge)?;
    let callers = start_callers(config)?;
    // Before the database: a start that fails for its address, or for want of threads, leaves nothing behind.
    let listener = listen(config).await?;
    let lanes = edge::lanes(config.worker_threads).map_err(AppError::Runtime)?;
    let address = listener.local_addr().map_err(AppError::Runtime)?;
    exposure::settle(address, &callers, config)?;
    let store = open_store(config).await?;
    if !callers.are_authenticated() && !config.insecure {
        exposure::keep_what_is_somebodys(&store, config).await?;
    }
    let patience = Patience {
        initialize_deadline: config.initialize_deadline,
        mcp_session_ttl: config.mcp_session_ttl,
        session_idle_ttl: config.session_idle_ttl,
        dormant_after: config.session_dormant_after,
        input_timeout: config.input_timeout,
    };
    let sessions = Sessions::start(
        registry.clone(),
        store.clone(),
        patience,
        caps(config),
        Metrics::new()?,
        lanes,
    )
    .await?;
    Ok(Started {
        listener,
        certificates,
        gate,
        registry,
        store,
        sessions,
        callers,
    })
}

fn body_bounds(config: &Config) -> BodyBounds {
    BodyBounds {
        size_bytes_max: config.body_bytes_max,
        within: config.edge.body_timeout,
    }
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
    let registry = load_registry(config)?;
    tell_warnings(&registry);
    Ok(registry)
}

fn load_registry(config: &Config) -> Result<Registry, RegistryError> {
    Registry::load(
        &config.registry_path,
        &config.registry_defaults,
        &config::environment,
    )
}

fn tell_warnings(registry: &Registry) {
    for warning in registry.warnings() {
        tracing::warn!("{warning}");
    }
}

async fn open_store(config: &Config) -> Result<Store, AppError> {
    let url = config.database_url.expose_secret();
    let old = config.old_sealing_keys.as_ref();
    let keys = match &config.sealing_key {
        SealingKey::Given(key) => KeyRing::given(key, old)?,
        SealingKey::File(path) if Store::is_there(url) => KeyRing::from_file(path, old)?,
        SealingKey::File(path) => KeyRing::from_file_or_new(path, old)?,
    };
    if keys.has_old() {
        tracing::info!(
            "there are old sealing keys, which open what they sealed; once the gateway is stopped, \
             `mcp-gateway keys rotate` makes them superfluous"
        );
    }
    let store = Store::open(url, keys).await?;
    Ok(match &config.sealing_key {
        // Once more: until the store was open they could be changed.
        SealingKey::File(path) => store.under(KeyRing::from_file(path, old)?),
        SealingKey::Given(_) => store,
    })
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
fn announce(
    config: &Config,
    (address, encrypted): (SocketAddr, bool),
    registry: &Registry,
    sessions: u64,
    callers: &Callers,
) {
    let scheme = if encrypted { "https" } else { "http" };
    let text = announcement::text(
        scheme,
        address,
        registry,
        sessions,
        callers.are_authenticated(),
    );
    // A closed output is no reason not to serve; where the audit log has standard output, nothing else is written there.
    let _closed = match config.audit {
        Some(AuditTo::Output) => std::io::stderr().write_all(text.as_bytes()),
        _ => std::io::stdout().write_all(text.as_bytes()),
    };
    let providers = registry.len();
    let (authenticated, keys) = (callers.are_authenticated(), callers.keys());
    let issuer = callers.tokens().map(|tokens| tokens.issuer.as_str());
    tracing::info!(
        %address, providers, sessions, callers.authenticated = authenticated, callers.keys = keys, callers.issuer = issuer,
        "listening on {scheme}://{address}"
    );
}

/// Writes a number of things.
fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
