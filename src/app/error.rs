//! Why the program cannot start, told once with everything that led to it.

use std::{error::Error, fmt, io, net::SocketAddr, path::PathBuf, process::ExitCode};

use crate::{
    callers::CallersError,
    console::Failure,
    front::{origin::GateError, tls::TlsError},
    metrics::MetricsError,
    registry::RegistryError,
    session::SessionsError,
    store::{KeyError, RotationError, StoreError},
    telemetry::TelemetryError,
    traces::TracesError,
};

/// Why the program could not start.
#[derive(Debug)]
pub enum AppError {
    /// The log could not be set up.
    Telemetry(TelemetryError),
    /// No threads, no timers, no signals.
    Runtime(io::Error),
    /// The registry has mistakes.
    Registry(RegistryError),
    /// The callers file is of no use.
    Callers(CallersError),
    /// A command that speaks with a gateway was not done.
    Console(Failure),
    /// Standard output takes nothing.
    Output(io::Error),
    /// Standard output took no key, and nothing else has it.
    UnseenKey(io::Error),
    /// An allowed host or origin cannot be read.
    Gate(GateError),
    /// The TLS certificate or its key cannot be used.
    Tls(TlsError),
    /// The sealing key cannot be used.
    Key(KeyError),
    /// The database cannot be used.
    Store(StoreError),
    /// The sealing key cannot be changed.
    Rotation(RotationError),
    /// The sessions could not be started.
    Sessions(SessionsError),
    /// The metrics contradict themselves.
    Metrics(MetricsError),
    /// Traces cannot be sent.
    Traces(TracesError),
    /// The audit log cannot be written.
    Audit(io::Error),
    /// Everybody in the network could use every session.
    Exposed {
        /// What would be listened on.
        address: SocketAddr,
    },
    /// Callers are not authenticated, but sessions belong to some.
    Owned {
        /// How many do.
        sessions: u64,
        /// Where callers' keys were looked for.
        callers: PathBuf,
    },
    /// The address cannot be listened on.
    Listen {
        /// As configured.
        host: String,
        /// As configured.
        port: u16,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for AppError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Telemetry(error) => write!(formatter, "{error}"),
            Self::Runtime(error) => write!(
                formatter,
                "the system refused what every server needs: {error}"
            ),
            Self::Registry(error) => chain(formatter, error),
            Self::Callers(error) => chain(formatter, error),
            Self::Console(failure) => write!(formatter, "{failure}"),
            Self::Output(error) => write!(formatter, "cannot write to standard output: {error}"),
            Self::UnseenKey(error) => write!(
                formatter,
                "cannot write to standard output: {error}; a key made just now was shown to nobody: revoke it"
            ),
            Self::Gate(error) => write!(formatter, "{error}"),
            Self::Tls(error) => chain(formatter, error),
            Self::Key(error) => chain(formatter, error),
            Self::Store(error) => chain(formatter, error),
            Self::Rotation(error) => chain(formatter, error),
            Self::Sessions(error) => chain(formatter, error),
            Self::Metrics(error) => chain(formatter, error),
            Self::Traces(error) => chain(formatter, error),
            Self::Exposed { address } => write!(
                formatter,
                "{address} can be reached from other machines, and callers are not authenticated: whoever reaches it \
                 could use every session; make a key with `mcp-gateway keys create NAME`, let an authorization server \
                 vouch for callers with --jwt-issuer and --jwks, listen on 127.0.0.1, or say --insecure"
            ),
            Self::Owned { sessions, callers } => write!(
                formatter,
                "{} of the database belong to callers, but callers are not authenticated: there is no {}, and no \
                 --jwt-issuer; bring the file back or name it with --callers, or say --insecure to let everybody use \
                 every session",
                super::counted(*sessions, "session"),
                callers.display()
            ),
            Self::Audit(error) => write!(
                formatter,
                "cannot write the audit log: {error}; name another file with --audit-log or AUDIT_LOG"
            ),
            Self::Listen { host, port, source } => write!(
                formatter,
                "cannot listen on {host}:{port}: {source}; choose another address with --host and --port"
            ),
        }
    }
}

impl Error for AppError {}

impl AppError {
    /// Whether a reader had enough, as `head` has, and nobody needs to be told.
    #[must_use]
    pub fn is_closed_output(&self) -> bool {
        match self {
            Self::Output(error) | Self::Console(Failure::Output(error)) => {
                error.kind() == io::ErrorKind::BrokenPipe
            }
            _ => false,
        }
    }

    /// The code that the program ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Console(failure) => failure.code().into(),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Writes an error and its causes, each once.
fn chain(formatter: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(formatter, "{error}")?;
    let mut cause = error.source();
    while let Some(source) = cause {
        write!(formatter, ": {source}")?;
        cause = source.source();
    }
    Ok(())
}

macro_rules! from {
    ($($source:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$source> for AppError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

from! {
    TelemetryError => Telemetry,
    RegistryError => Registry,
    CallersError => Callers,
    Failure => Console,
    GateError => Gate,
    TlsError => Tls,
    KeyError => Key,
    StoreError => Store,
    RotationError => Rotation,
    SessionsError => Sessions,
    MetricsError => Metrics,
    TracesError => Traces,
}
