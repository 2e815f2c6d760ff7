//! Every flag, its variable, its default, and the help that explains it.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help, where backticks would stand as they are"
)]

mod callers;
mod console;
mod edge;
mod keys;
mod log;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Id, Parser, Subcommand, parser::ValueSource};
use clap_complete::Shell;
use secrecy::SecretString;

use self::log::LogFlags;

pub(super) use self::edge::Edge;
use super::values;
use crate::limits;

pub use self::{
    console::{Choice, Edit, EntryFlags, GatewayFlags, NamingWord, SessionFlags, SessionVerb},
    keys::KeysCommand,
};

pub(super) use self::callers::CallerFlags;

/// The variable that holds the sealing key. It has no flag: those of a process are public.
pub(super) const SECRET_KEY: &str = "GATEWAY_SECRET_KEY";
/// The variable that holds the keys which the sealing key was before.
pub(super) const OLD_SECRET_KEYS: &str = "GATEWAY_OLD_SECRET_KEYS";
/// The variable that holds the key by which this program is a caller; entries of clients name it, too.
pub(super) const CALLER_KEY: &str = "MCP_GATEWAY_KEY";
/// The variable that Rust programs take their log filter from.
pub(super) const RUST_LOG: &str = "RUST_LOG";

/// The variable that names a collector for all that a program tells it.
pub(super) const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The variables that keep a program from telling a collector anything, or of traces.
pub(super) const OTEL_SDK_DISABLED: &str = "OTEL_SDK_DISABLED";
pub(super) const OTEL_TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";

/// The command that brings its own registry and keeps nothing.
pub(super) const DEMO: &str = "demo";
/// Flags of serving that a demo has no use for, by their ids.
const REPLACED_BY_DEMO: [(&str, &str); 7] = [
    ("registry", "--registry"),
    ("database_url", "--database-url"),
    ("key_file", "--key-file"),
    ("callers", "--callers"),
    ("jwt_issuer", "--jwt-issuer"),
    ("jwt_audience", "--jwt-audience"),
    ("jwks", "--jwks"),
];

/// Commands to which the flags of serving mean nothing.
const OWN_HELP: [&str; 5] = ["session", "config", "health", "completions", "import"];

const AFTER_HELP: &str = "\
Environment variables without a flag:
  GATEWAY_SECRET_KEY  Seals credentials in the database; 32 bytes in hex or base64, such as
                      `openssl rand -hex 32` prints. Without it, a key is made and kept in --key-file
  GATEWAY_OLD_SECRET_KEYS
                      Keys that sealed before, separated by commas: they open what they sealed.
                      After `mcp-gateway keys rotate` they may go
  MCP_GATEWAY_KEY     Your key, for the commands that speak with a gateway, where it authenticates callers
  RUST_LOG            The log level where neither --log-level nor LOG_LEVEL gives one
  OTEL_EXPORTER_OTLP_ENDPOINT
                      Collector of traces where --otlp-traces-endpoint gives none: they go to v1/traces below it
  OTEL_EXPORTER_OTLP_HEADERS
                      Headers that the collector wants, such as its key: name=value, separated by commas
  OTEL_SERVICE_NAME   What the gateway is called in traces; without it mcp-gateway
  OTEL_TRACES_SAMPLER
                      Which traces are recorded, with OTEL_TRACES_SAMPLER_ARG; without it those that clients
                      record, and all that begin here
  OTEL_SDK_DISABLED   true sends no traces, whatever else is set
  NO_COLOR            Set to anything, keeps colours out of the log, unless --log-format is pretty

A flag wins over its variable. Durations have a unit (100ms, 3s, 10m, 24h), sizes may (KiB, MiB).";

/// One MCP endpoint for many MCP servers.
///
/// Serves until stopped. POST /create-session makes a session of servers from the registry, whose
/// endpoint /session/{id}/mcp speaks MCP with any client.
#[derive(Debug, Parser)]
#[command(name = "mcp-gateway", version, after_help = AFTER_HELP)]
pub(super) struct Flags {
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
    #[command(flatten)]
    pub(super) listening: Listening,
    #[command(flatten)]
    pub(super) callers: CallerFlags,
    #[command(flatten)]
    pub(super) edge: Edge,
    #[command(flatten)]
    pub(super) storage: Storage,
    #[command(flatten)]
    pub(super) backends: Backends,
    #[command(flatten)]
    pub(super) log: LogFlags,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum Verb {
    /// Serve until stopped; what happens without a command
    Serve,
    /// Check the registry file, print every mistake with its line and remedy, and end
    Check {
        /// Try every provider, too, and print a table of what they answered
        #[arg(long)]
        connect: bool,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Serve an example server that is built in, with a session to try it; nothing is kept
    Demo,
    /// Make, list and revoke keys, and end
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make, list, show, change and delete sessions of a gateway that runs
    Session(Box<SessionFlags>),
    /// Print what to paste into an MCP client, so that it uses a session
    Config(EntryFlags),
    /// Ask a gateway that runs whether it is ready; ends with 0 if it is
    Health(GatewayFlags),
    /// Print what a shell completes of these commands and flags, for its configuration
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Bring the servers of a client's file into the registry (--registry), without the secrets in it
    Import {
        /// File of Claude Desktop, Claude Code, Cursor, VS Code, Windsurf or Gemini CLI
        file: PathBuf,
        /// Write the entries into the registry, behind what is there, instead of printing them
        #[arg(long)]
        write: bool,
        /// Header whose value is no secret, so that it is copied; repeat it for several
        #[arg(long, value_name = "NAME")]
        keep_header: Vec<String>,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Serving")]
pub(super) struct Listening {
    /// Name or address to listen on
    #[arg(long, global = true, env = "HOST", default_value = "127.0.0.1")]
    #[arg(value_parser = values::host)]
    pub(super) host: String,

    /// Port to listen on; 0 takes any that is free
    #[arg(long, global = true, env = "PORT", default_value_t = 8000)]
    pub(super) port: u16,

    /// Further name clients may reach the gateway by; loopback names always may. Repeat it, or
    /// separate several by commas
    #[arg(long, global = true, env = "ALLOWED_HOSTS", value_name = "NAME[:PORT]")]
    #[arg(value_delimiter = ',', value_parser = values::allowed_host)]
    pub(super) allowed_host: Vec<String>,

    /// Further origin of web pages that may send requests; loopback origins always may. Repeat it,
    /// or separate several by commas
    #[arg(long, global = true, env = "ALLOWED_ORIGINS", value_name = "ORIGIN")]
    #[arg(value_delimiter = ',', value_parser = values::allowed_origin)]
    pub(super) allowed_origin: Vec<String>,

    /// Address by which clients reach the gateway, if that is not where it listens: scheme, name and port. Its name may
    /// be used as with --allowed-host
    #[arg(long, global = true, env = "PUBLIC_URL", value_name = "URL")]
    #[arg(value_parser = values::public_url)]
    pub(super) public_url: Option<String>,

    /// Largest body of a request
    #[arg(
        long,
        global = true,
        env = "MAX_BODY",
        value_name = "SIZE",
        default_value = "4MiB"
    )]
    #[arg(value_parser = |text: &str| limits::BODY_BYTES.read(text))]
    pub(super) max_body: usize,

    /// How long an initialize waits for slow servers, and lists and listening too if they would wait less; the tools of
    /// later ones are announced
    #[arg(
        long,
        global = true,
        env = "INITIALIZE_DEADLINE",
        value_name = "DURATION"
    )]
    #[arg(default_value = "5s", value_parser = |text: &str| limits::INITIALIZE_DEADLINE.read(text))]
    pub(super) initialize_deadline: Duration,

    /// How long an MCP session (Mcp-Session-Id) lives without a request
    #[arg(long, global = true, env = "MCP_SESSION_TTL", value_name = "DURATION")]
    #[arg(default_value = "24h", value_parser = |text: &str| limits::MCP_SESSION_TTL.read(text))]
    pub(super) mcp_session_ttl: Duration,

    /// How long a gateway session lives that nobody uses; then it is deleted, with its credentials
    /// [default: until it is deleted]
    #[arg(long, global = true, env = "SESSION_IDLE_TTL", value_name = "DURATION")]
    #[arg(value_parser = |text: &str| limits::SESSION_IDLE_TTL.read(text))]
    pub(super) session_idle_ttl: Option<Duration>,

    /// How long a session stays awake that nobody uses; its next request wakes it
    #[arg(
        long,
        global = true,
        env = "SESSION_DORMANT_AFTER",
        value_name = "DURATION"
    )]
    #[arg(default_value = "5m", value_parser = |text: &str| limits::SESSION_DORMANT_AFTER.read(text))]
    pub(super) session_dormant_after: Duration,

    /// How long a server's call waits for a client of 2026-07-28 to bring what the server asked it
    /// for; then the call is cancelled
    #[arg(long, global = true, env = "INPUT_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "10m", value_parser = |text: &str| limits::INPUT_TIMEOUT.read(text))]
    pub(super) input_timeout: Duration,

    /// How long calls may go on after a signal to stop; then they are told, and the gateway has ended
    /// at most 2 s later
    #[arg(long, global = true, env = "DRAIN_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "7s", value_parser = |text: &str| limits::DRAIN_TIMEOUT.read(text))]
    pub(super) drain_timeout: Duration,

    /// Threads that carry calls out; each client's connection, and each session, has one of them [default: one a core]
    #[arg(long, global = true, env = "WORKER_THREADS", value_name = "COUNT")]
    #[arg(value_parser = |text: &str| limits::WORKER_THREADS.read(text))]
    pub(super) worker_threads: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Storage")]
pub(super) struct Storage {
    /// Database of the sessions; mode=rwc makes the file if it is not there
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    #[arg(default_value = "sqlite://gateway.db?mode=rwc", value_parser = values::secret)]
    pub(super) database_url: SecretString,

    /// File that holds the key which seals credentials; made, for its owner only, if it is not
    /// there. Unused with GATEWAY_SECRET_KEY [default: the database's file with .key]
    #[arg(long, global = true, env = "GATEWAY_KEY_FILE", value_name = "PATH")]
    pub(super) key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    next_help_heading = "Servers behind the gateway (times and retries: unless their entry says otherwise)"
)]
pub(super) struct Backends {
    /// File that lists the providers
    #[arg(long, global = true, env = "REGISTRY_PATH", value_name = "PATH")]
    #[arg(default_value = "registry.yaml")]
    pub(super) registry: PathBuf,

    /// How long a connection to a server may take to open
    #[arg(long, global = true, env = "CONNECT_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "3s", value_parser = |text: &str| limits::CONNECT_TIMEOUT.read(text))]
    pub(super) connect_timeout: Duration,

    /// How long finding out a server's era and shaking hands with it may take
    #[arg(
        long,
        global = true,
        env = "HANDSHAKE_TIMEOUT",
        value_name = "DURATION"
    )]
    #[arg(default_value = "5s", value_parser = |text: &str| limits::HANDSHAKE_TIMEOUT.read(text))]
    pub(super) handshake_timeout: Duration,

    /// How long a server may send nothing while it works on a call
    #[arg(long, global = true, env = "IDLE_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "60s", value_parser = |text: &str| limits::IDLE_TIMEOUT.read(text))]
    pub(super) idle_timeout: Duration,

    /// How long a call may take altogether
    #[arg(long, global = true, env = "CALL_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "10m", value_parser = |text: &str| limits::CALL_TIMEOUT.read(text))]
    pub(super) call_timeout: Duration,

    /// How often to send again what may be sent again; 0 for never
    #[arg(long, global = true, env = "RETRY_ATTEMPTS", value_name = "COUNT")]
    #[arg(default_value = "3", value_parser = |text: &str| limits::RETRY_ATTEMPTS.read(text))]
    pub(super) retry_attempts: u32,

    /// Wait before the first retry; each further one doubles it
    #[arg(long, global = true, env = "RETRY_BASE", value_name = "DURATION")]
    #[arg(default_value = "100ms", value_parser = |text: &str| limits::RETRY_BASE.read(text))]
    pub(super) retry_base: Duration,

    /// Longest wait between retries
    #[arg(long, global = true, env = "RETRY_MAX", value_name = "DURATION")]
    #[arg(default_value = "2s", value_parser = |text: &str| limits::RETRY_MAX.read(text))]
    pub(super) retry_max: Duration,
}

/// Has the help of commands that do not serve, and read no registry and no database, show their own flags alone.
pub(super) fn own_help(mut command: clap::Command) -> clap::Command {
    let inherited: Vec<Id> = command
        .get_arguments()
        .map(|arg| arg.get_id().clone())
        .collect();
    command.build();
    for verb in OWN_HELP {
        command = command.mut_subcommand(verb, |verb| hide(verb, &inherited));
    }
    let replaced = REPLACED_BY_DEMO.map(|(id, _)| Id::from(id));
    command.mut_subcommand(DEMO, |demo| hide(demo, &replaced))
}

fn hide(command: clap::Command, inherited: &[Id]) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    let command = command.mut_args(|arg| {
        let is_inherited = inherited.contains(arg.get_id());
        if is_inherited { arg.hide(true) } else { arg }
    });
    names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |verb| hide(verb, inherited))
    })
}

/// Refuses what a person says to a demo that a demo does not do.
///
/// # Errors
///
/// Which flag it is.
pub(super) fn refuse_replaced(matches: &clap::ArgMatches) -> Result<(), String> {
    let said = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    match REPLACED_BY_DEMO.iter().find(|(id, _)| said(id)) {
        Some((_, flag)) => Err(format!(
            "{flag} means nothing to a demo, which has its own server and keeps nothing; leave it out, or leave out \
             demo"
        )),
        None => Ok(()),
    }
}
