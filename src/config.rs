//! What the program was told to do: flags first, then the environment, then defaults.
//!
//! The only reader of flags and of the environment. Everybody else gets typed values.

mod collector;
mod edge;
mod flags;
mod values;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _, error::ErrorKind};
use clap_complete::Shell;
use secrecy::{ExposeSecret as _, SecretString};

pub use self::flags::{
    Choice, Edit, EntryFlags, GatewayFlags, KeysCommand, NamingWord, SessionFlags, SessionVerb,
};

pub use self::edge::{Edge, TlsPaths};
use self::flags::{Flags, Verb};
use crate::{
    audit::AuditTo,
    callers::TokenSettings,
    metrics::Readers,
    registry::{self, Retries, Timeouts},
    telemetry::{LogFilter, LogFormat},
    traces::Collector,
};

/// What the program is called.
const PROGRAM: &str = "mcp-gateway";

/// Everything the program was told. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to do.
    pub command: Command,
    /// The name or address to listen on; an IPv6 address stands without brackets.
    pub host: String,
    /// The port to listen on; 0 for any that is free.
    pub port: u16,
    /// Where the API keys of callers are.
    pub callers: CallersFile,
    /// Which tokens of an authorization server let callers in.
    pub tokens: Option<TokenSettings>,
    /// Whether to listen beyond this machine although callers are not authenticated.
    pub insecure: bool,
    /// What callers may hold.
    pub caps: CallerCaps,
    /// Where clients reach the gateway, if not where it listens: `scheme://host` or `scheme://host:port`.
    pub public_url: Option<String>,
    /// What this program shows where it is itself a caller.
    pub caller_key: Option<SecretString>,
    /// The database's URL: it may hold a password.
    pub database_url: SecretString,
    /// Where the key that seals credentials at rest comes from.
    pub sealing_key: SealingKey,
    /// Keys that sealed before, separated by commas: they only open.
    pub old_sealing_keys: Option<SecretString>,
    /// The file that lists the providers.
    pub registry_path: PathBuf,
    /// What holds for a provider whose entry does not say otherwise.
    pub registry_defaults: registry::Defaults,
    /// How long an `initialize` waits for slow backends; later ones show up by `list_changed`.
    pub initialize_deadline: Duration,
    /// How long an MCP session lives without a request.
    pub mcp_session_ttl: Duration,
    /// How long a session lives that nobody uses; `None` for until it is deleted.
    pub session_idle_ttl: Option<Duration>,
    /// How long a session stays awake that nobody uses.
    pub session_dormant_after: Duration,
    /// How long a call waits for what a client brings by a further request.
    pub input_timeout: Duration,
    /// How long calls may go on after a signal to stop.
    pub drain_timeout: Duration,
    /// Threads that carry calls out; `None` for one a core.
    pub worker_threads: Option<u32>,
    /// Bytes of a request's body at most.
    pub body_bytes_max: usize,
    /// Further names that requests may have in `Host`, each `name` (of any port) or `name:port`,
    /// in lower case. Empty for loopback names only.
    pub allowed_hosts: Vec<String>,
    /// Further origins that browsers may send requests from, each as they write it:
    /// `scheme://host` or `scheme://host:port`. Empty for loopback origins only.
    pub allowed_origins: Vec<String>,
    /// Connections of clients.
    pub edge: Edge,
    /// Who may read the metrics.
    pub metrics: Readers,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How long log lines gather to be written out together.
    pub log_delay: Duration,
    /// Which log lines are written.
    pub log_filter: LogFilter,
    /// Where the audit log goes, if one is written.
    pub audit: Option<AuditTo>,
    /// Where spans of requests are sent, if they are.
    pub collector: Option<Collector>,
}

/// What the program is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve until told to stop.
    Serve,
    /// Serve an example until told to stop, and keep nothing.
    Demo,
    /// Check the registry, print what is wrong with it, and end.
    Check {
        /// Whether to try every provider, too.
        connect: bool,
        /// Whether it is for programs.
        json: bool,
    },
    /// Make, list or revoke keys, and end.
    Keys(KeysCommand),
    /// Do something with sessions of a gateway that runs.
    Session(Box<SessionFlags>),
    /// Print what to paste into a client.
    Entry(EntryFlags),
    /// Ask a gateway whether it is ready.
    Health(GatewayFlags),
    /// Print what this shell completes, and end.
    Completions(Shell),
    /// Bring the servers of a client's file into the registry, and end.
    Import {
        /// The client's file.
        file: PathBuf,
        /// Whether the registry is changed.
        write: bool,
        /// Headers whose values may be copied.
        keep_headers: Vec<String>,
        /// Whether it is for programs.
        json: bool,
    },
}

/// What callers may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerCaps {
    /// Sessions of all of them.
    pub sessions: u64,
    /// Sessions of one with a name.
    pub sessions_per_caller: u64,
    /// Sessions of the one without a name, if they are capped.
    pub sessions_of_anonymous: Option<u64>,
    /// Requests in flight of one.
    pub requests_per_caller: u32,
}

/// The file that holds callers' API keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallersFile {
    /// Named: it has to be there.
    Named(PathBuf),
    /// Not named: there or not.
    Usual(PathBuf),
}

impl CallersFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Usual(path) => path,
        }
    }
}

/// Where the key that seals credentials at rest comes from.
#[derive(Debug, Clone)]
pub enum SealingKey {
    /// Given by `GATEWAY_SECRET_KEY`: never empty.
    Given(SecretString),
    /// In this file, which is made if it is not there.
    File(PathBuf),
}

impl Config {
    /// Reads the flags and the environment of this process.
    ///
    /// # Errors
    ///
    /// What clap makes of a wrong flag, of `--help` and of `--version`: show it and end by its
    /// `exit` method, which knows the stream and the status for each.
    pub fn from_process() -> Result<Self, clap::Error> {
        Self::read(Flags::command(), std::env::args_os(), &environment)
    }

    fn read(
        command: clap::Command,
        arguments: impl IntoIterator<Item = OsString>,
        environment: registry::Lookup<'_>,
    ) -> Result<Self, clap::Error> {
        let mut command = flags::own_help(command);
        let matches = command.try_get_matches_from_mut(arguments)?;
        if matches.subcommand_name() == Some(flags::DEMO) {
            flags::refuse_replaced(&matches)
                .map_err(|message| command.error(ErrorKind::ArgumentConflict, message))?;
        }
        let flags = Flags::from_arg_matches(&matches)?;
        flags
            .into_config(environment)
            .map_err(|message| command.error(ErrorKind::ValueValidation, message))
    }
}

/// What a shell completes of the commands and flags.
#[must_use]
pub fn completions(shell: Shell) -> String {
    // clap_complete 4.6 reads the hyphen as the end of a command: in bash, nothing would be completed behind one.
    let name = match shell {
        Shell::Bash => "mcp_gateway",
        _ => PROGRAM,
    };
    let mut script = Vec::new();
    let command = Flags::command().bin_name(name);
    clap_complete::generate(shell, &mut flags::own_help(command), name, &mut script);
    let script = String::from_utf8_lossy(&script);
    script.replace(
        &format!("-o default {name}"),
        &format!("-o default {PROGRAM}"),
    )
}

/// The value of an environment variable of this process, for `env:NAME` in the registry.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Flags {
    /// Brings flags and those variables that have no flag together.
    ///
    /// # Errors
    ///
    /// What is wrong, for people, with the remedy.
    fn into_config(self, environment: registry::Lookup<'_>) -> Result<Config, String> {
        let retries = Retries {
            attempts: self.backends.retry_attempts,
            base: self.backends.retry_base,
            max: self.backends.retry_max,
        };
        if retries.base > retries.max {
            return Err(
                "--retry-base is longer than --retry-max; write a base of at most the maximum"
                    .to_owned(),
            );
        }
        let timeouts = Timeouts {
            connect: self.backends.connect_timeout,
            handshake: self.backends.handshake_timeout,
            idle: self.backends.idle_timeout,
            call: self.backends.call_timeout,
        };
        let database_url = self.storage.database_url;
        values::check_database_url(&database_url)?;
        let public_url = self.listening.public_url.as_deref();
        let serves = matches!(self.verb, None | Some(Verb::Serve | Verb::Demo));
        let callers = self.callers.into_config(public_url)?;
        let mut allowed_hosts = self.listening.allowed_host;
        allowed_hosts.extend(public_url.and_then(values::host_of));
        let sealing_key = sealing_key(&database_url, self.storage.key_file, environment)?;
        Ok(Config {
            command: match self.verb {
                None | Some(Verb::Serve) => Command::Serve,
                Some(Verb::Demo) => Command::Demo,
                Some(Verb::Check { connect, json }) => Command::Check { connect, json },
                Some(Verb::Keys(command)) => Command::Keys(command),
                Some(Verb::Session(session)) => Command::Session(session),
                Some(Verb::Config(entry)) => Command::Entry(entry),
                Some(Verb::Health(gateway)) => Command::Health(gateway),
                Some(Verb::Completions { shell }) => Command::Completions(shell),
                Some(Verb::Import {
                    file,
                    write,
                    keep_header,
                    json,
                }) => Command::Import {
                    file,
                    write,
                    keep_headers: keep_header,
                    json,
                },
            },
            host: self.listening.host,
            port: self.listening.port,
            callers: callers.file,
            tokens: callers.tokens,
            insecure: callers.insecure,
            caps: callers.caps,
            public_url: self.listening.public_url,
            caller_key: environment(flags::CALLER_KEY).map(SecretString::from),
            database_url,
            sealing_key,
            old_sealing_keys: environment(flags::OLD_SECRET_KEYS).map(SecretString::from),
            registry_path: self.backends.registry,
            registry_defaults: registry::Defaults { timeouts, retries },
            initialize_deadline: self.listening.initialize_deadline,
            mcp_session_ttl: self.listening.mcp_session_ttl,
            session_idle_ttl: self.listening.session_idle_ttl,
            session_dormant_after: self.listening.session_dormant_after,
            input_timeout: self.listening.input_timeout,
            drain_timeout: self.listening.drain_timeout,
            worker_threads: self.listening.worker_threads,
            body_bytes_max: self.listening.max_body,
            allowed_hosts,
            allowed_origins: self.listening.allowed_origin,
            edge: self.edge.try_into()?,
            metrics: self.log.metrics,
            // Whatever else runs here sends none, and the variables of all programs need not fit it.
            collector: if serves {
                collector::collector(self.log.otlp_traces_endpoint.as_ref(), environment)?
            } else {
                None
            },
            log_format: self.log.log_format,
            log_delay: self.log.log_delay,
            log_filter: log_filter(self.log.log_level, serves, environment)?,
            audit: self.log.audit_log.map(|path| {
                if path.as_os_str() == "-" {
                    return AuditTo::Output;
                }
                let size_bytes_max = self.log.audit_log_size as u64;
                AuditTo::File {
                    path,
                    size_bytes_max,
                }
            }),
        })
    }
}

fn sealing_key(
    database_url: &SecretString,
    key_file: Option<PathBuf>,
    environment: registry::Lookup<'_>,
) -> Result<SealingKey, String> {
    match environment(flags::SECRET_KEY) {
        // Taken as unset, it would make sessions that the right key cannot open.
        Some(key) if key.trim().is_empty() => Err(format!(
            "{} is set but empty; give it a value, or unset it to use a key file",
            flags::SECRET_KEY
        )),
        Some(key) => Ok(SealingKey::Given(key.into())),
        None => key_file
            .or_else(|| values::key_file_beside(database_url.expose_secret()))
            .map(SealingKey::File)
            .ok_or_else(|| {
                "a database in memory has no place beside it for the sealing key; keep sessions in \
                 a file, such as sqlite://gateway.db?mode=rwc"
                    .to_owned()
            }),
    }
}

/// The filter by flag or `LOG_LEVEL`, else by `RUST_LOG`, which clap cannot read as a second name. What does not serve
/// prints what it has to tell, and logs what is wrong.
fn log_filter(
    given: Option<LogFilter>,
    serves: bool,
    environment: registry::Lookup<'_>,
) -> Result<LogFilter, String> {
    if let Some(filter) = given {
        return Ok(filter);
    }
    match environment(flags::RUST_LOG).filter(|text| !text.is_empty()) {
        None if serves => Ok(LogFilter::default()),
        None => Ok(LogFilter::for_what_ends()),
        Some(text) => text
            .parse()
            .map_err(|error| format!("{} is no log filter; {error}", flags::RUST_LOG)),
    }
}

#[cfg(test)]
mod tests;
